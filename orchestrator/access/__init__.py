"""Keys of clients, and limits of values: what the config, the rig and its clients know alike."""
