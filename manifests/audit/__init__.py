"""The audit of a build: every count, digest and address, recomputed."""
