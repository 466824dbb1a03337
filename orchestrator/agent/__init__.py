"""A host's side of a rig: it has workers live there, and sees to their end when the rig is lost."""
