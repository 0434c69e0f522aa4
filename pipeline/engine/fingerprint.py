"""The version of the code that shapes an output, without the modules that only move data."""

from __future__ import annotations

from manifests.code import code_digest

# A change in these rebuilds nothing: a file that was downloaded is the mirror's, whatever code fetched it.
_MOVE_DATA = ("manifests", "pipeline.engine", "pipeline.mirrors")
# Below those, and shapes output all the same.
_SHAPE_OUTPUT = ("manifests.comparison", "manifests.draws", "manifests.patterns", "manifests.records")
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
    return module in _SINGLE or (_is_below(module, _MOVE_DATA) and not _is_below(module, _SHAPE_OUTPUT))


def _is_below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{prefix}.") for prefix in prefixes)


def code_of(*modules: str) -> str:
    """The digest of these modules and of all that they use, but for what moves data."""
    return code_digest(modules, moves_data)
