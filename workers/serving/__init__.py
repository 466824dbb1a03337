"""One request at a time, or beside: from the link to the driver and back."""
