"""Benchmarks of groundup against its peers: `python -m bench`. One bench a module; each says what it cannot run."""
