"""Readers, which make documents of raw files: see `pipeline.formats`."""
