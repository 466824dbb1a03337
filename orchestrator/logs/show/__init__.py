"""How records look to people."""
