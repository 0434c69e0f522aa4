"""Raw records read back from their addresses, without the pipeline's readers."""
