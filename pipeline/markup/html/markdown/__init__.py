"""Kept blocks as Markdown."""
