"""Many training runs of one recipe: those of a sweep and those of a ladder."""
