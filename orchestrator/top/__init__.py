"""`orch top`: a rig on one screen of a terminal, live; needs the extra `top`."""
