"""Exact and MinHash deduplication: the algorithms. `pipeline/stages/dedup.py` runs them as tasks."""
