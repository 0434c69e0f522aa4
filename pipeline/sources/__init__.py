"""Where raw files come from: sources of a recipe, their listings, and the downloader that fetches them."""
