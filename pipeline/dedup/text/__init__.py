"""Texts as deduplication compares them: words, n-grams, signatures and similarities, by compiled code."""
