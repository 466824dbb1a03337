"""The ways in which a worker is brought to life, one file each, behind one protocol."""
