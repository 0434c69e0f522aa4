"""Which modules count in a fingerprint: those that shape an output do, those that move data do not."""

from __future__ import annotations

import pytest

from manifests.code import modules_used
from pipeline.engine.fingerprint import moves_data
from pipeline.stages.all import STAGE_CLASSES

_ENTRIES = tuple(stage.__module__ for stage in STAGE_CLASSES)


@pytest.mark.parametrize(
    ("stage", "module"),
    [
        ("filter", "manifests.comparison"),
        ("shards", "manifests.draws"),
        ("acquire", "manifests.patterns"),
        ("extract", "manifests.records.csv_header"),
        ("extract", "manifests.records.compressions"),
        ("extract", "manifests.records.json_values"),
        ("extract", "manifests.records.values"),
        ("acquire", "manifests.records.origins"),
    ],
)
def test_what_shapes_output_is_in_the_digest_of_its_stage(stage: str, module: str) -> None:
    assert not moves_data(module)
    assert module in modules_used((f"pipeline.stages.{stage}",), moves_data)


def test_what_is_left_out_of_manifests_only_moves_data() -> None:
    """A module of `manifests` that stages come to use must be looked at: does a change of it change their output?"""
    left_out: set[str] = set()

    def leaves_out(module: str) -> bool:
        if moves_data(module):
            left_out.add(module)
        return module in left_out

    modules_used(_ENTRIES, leaves_out)
    assert {module for module in left_out if module.startswith("manifests.")} <= {
        "manifests.code",
        "manifests.errors",
        "manifests.manifest",
        "manifests.paths",
        "manifests.process",
        "manifests.seal",
        "manifests.secrets",
        "manifests.settings",
        "manifests.storage",
    }
