"""Text of a page that is not among what it shows: linked data, the state of its scripts, descriptions."""
