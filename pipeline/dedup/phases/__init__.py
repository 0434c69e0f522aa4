"""The phases of the stage `dedup`: what its tasks do. `pipeline/stages/dedup.py` puts them in order."""
