"""The life of a worker's process or thread."""
