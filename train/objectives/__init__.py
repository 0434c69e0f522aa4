"""What a run learns: one module an objective, given to the loop."""
