"""Records on disk: segments, their chain, the writer."""
