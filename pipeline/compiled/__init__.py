"""Shared parts of compiled functions (numba): their cache, memory by its address, uncounted views, lighter imports."""
