"""The six stages, one file each: what it reads, what its tasks are, what it publishes."""
