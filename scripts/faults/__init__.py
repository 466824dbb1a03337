"""What `scripts/chaos` is made of: a rig, its clients, faults, and who judges them by journals."""
