"""Values between our own clients and workers, as `docs/values.md` specifies them."""
