"""The version of the code that shapes an output, without the modules that only move data."""

from __future__ import annotations

from manifests.code import code_digest

# A change in these rebuilds nothing: a file that was downloaded is the mirror's, whatever code fetched it.
_MOVE_DATA = ("manifests", "pipeline.engine", "pipeline.mirrors")
# Below those, and shapes output all the same.
_SHAPE_OUTPUT = frozenset(
    {"manifests.comparison", "manifests.draws", "manifests.records.csv_header", "manifests.records.origins"}
)
_SINGLE = frozenset(
    {
        "pipeline",
        "pipeline.recipe",
        "pipeline.stages",
        "pipeline.stages.base",
        "pipeline.stages.verify_records",  # accepts a file or not
        "tokenizer",
    }
)


def moves_data(module: str) -> bool:
    """True for a module that moves data and does not shape it, so that a change of it rebuilds nothing."""
    below = any(f"{module}.".startswith(f"{prefix}.") for prefix in _MOVE_DATA)
    return module in _SINGLE or (below and module not in _SHAPE_OUTPUT)


def code_of(*modules: str) -> str:
    """The digest of these modules and of all that they use, but for what moves data."""
    return code_digest(modules, moves_data)
