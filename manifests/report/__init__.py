"""The report of a build, one HTML page."""
