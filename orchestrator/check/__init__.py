"""A config's drivers, tried in processes that are thrown away."""
