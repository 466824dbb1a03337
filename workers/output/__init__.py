"""What a worker prints and records, each line with its request."""
