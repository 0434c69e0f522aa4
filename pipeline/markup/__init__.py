"""Pure functions from markup to text."""
