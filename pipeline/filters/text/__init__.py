"""The statistics of a text, by compiled code: words, repetition, lines."""
