"""`entry`: the decorator of this package's functions that Python calls and that are compiled (`pipeline.kernels`)."""

from __future__ import annotations

from pathlib import Path

from pipeline.kernels import compiled_in

entry = compiled_in(Path(__file__).parent)
