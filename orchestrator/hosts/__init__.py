"""What a rig and the agents on its other hosts agree on: messages, their order, and leases."""
