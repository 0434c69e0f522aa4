"""Raw web to token shards: the stages and the runner that executes them."""
