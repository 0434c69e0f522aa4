"""From token shards to weights: loader, optimizer, schedule, checkpoints, pretraining and generation."""
