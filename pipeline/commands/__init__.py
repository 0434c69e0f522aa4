"""Commands of the pipeline: `run`, `pin`, `classifier`, `quickstart`."""
