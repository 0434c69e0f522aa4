"""Readers, which make documents of raw files, and extractors, which make plain text of documents: see `formats`."""
