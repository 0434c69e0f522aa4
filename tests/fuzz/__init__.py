"""Fuzzing: inputs that strangers may write, changed at random, given to everything that reads them."""
