"""What a driver offers, and how it is built and closed."""
