"""Simulated devices: drivers for examples and tests, usable in any program."""
