"""Manifests of a build: their schema and writer, and what reads a build again (audit, trace, drops, report)."""
