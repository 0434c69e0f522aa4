"""A finished build, read only: its documents, tokens and drops, and what other thresholds would have decided."""
