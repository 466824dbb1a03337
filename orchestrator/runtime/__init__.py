"""Runtime files: a rig's folder and lock, and how a running rig is found."""
