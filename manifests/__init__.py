"""What was built, from what, provably: schema, writer, audit and trace of a build's manifests."""
