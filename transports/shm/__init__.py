"""Frames in memory that both sides have mapped, as `docs/shared-memory.md` specifies it."""
