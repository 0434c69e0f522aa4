"""Train a byte-level BPE vocabulary, encode in bulk, measure it; write and read token shards."""
