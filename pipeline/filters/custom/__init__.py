"""A rule of the user's own, in one file of Python."""
