"""Token shards as batches, and which documents a step saw."""
