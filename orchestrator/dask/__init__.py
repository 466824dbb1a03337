"""The engine Dask distributed: asks a cluster for an agent, and is its parent on the host."""
