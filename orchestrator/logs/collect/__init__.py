"""The collector's process, and the supervisor's side of it."""
