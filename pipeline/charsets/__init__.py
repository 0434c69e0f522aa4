"""Bytes to text: which encoding a page or a file is in, and its text."""
