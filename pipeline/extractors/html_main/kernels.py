"""`kernel`: the decorator of this package's compiled functions (`pipeline.kernels`)."""

from __future__ import annotations

from pathlib import Path

from pipeline.kernels import compiled_in

kernel = compiled_in(Path(__file__).parent)
