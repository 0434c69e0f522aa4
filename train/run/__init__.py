"""The folder of a run: checkpoints, metrics, samples, validation, manifest."""
