"""Extractors, which make plain text of documents: see `pipeline.formats`."""
