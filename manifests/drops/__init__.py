"""Dropped documents: how many, which, why, how near to the threshold, and what another threshold would have decided."""
