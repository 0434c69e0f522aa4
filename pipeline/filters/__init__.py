"""Which documents are kept: language, and the published rules of Gopher, C4 and FineWeb."""
