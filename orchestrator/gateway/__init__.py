"""Doors of a rig for programs that don't speak its protocol; each is a client like any other."""
