"""A module that ends the program of whoever imports it."""

raise SystemExit("no licence")
