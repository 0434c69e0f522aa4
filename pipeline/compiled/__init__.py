"""What compiled functions (numba) share: their cache, memory by its address, uncounted views, lighter imports."""
