"""Where raw files come from: the sources of a recipe, their settings and their listings."""
