"""The running rig: the only room with sockets, clock, signals and processes."""
