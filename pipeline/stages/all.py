"""The stages in their order. Workers load this module once, before they start."""

from __future__ import annotations

from manifests.manifest import Manifest
from manifests.storage import Folder
from pipeline.recipe import Recipe
from pipeline.stages.acquire import AcquireStage
from pipeline.stages.base import Stage
from pipeline.stages.dedup import DedupStage
from pipeline.stages.extract import ExtractStage
from pipeline.stages.filter import FilterStage
from pipeline.stages.shards import ShardsStage
from pipeline.stages.tokenize import TokenizerStage

STAGE_CLASSES: tuple[type[Stage], ...] = (
    AcquireStage,
    ExtractStage,
    FilterStage,
    DedupStage,
    TokenizerStage,
    ShardsStage,
)


def make_stages(recipe: Recipe, build: Folder) -> list[Stage]:
    """The stages of a recipe, in order; one that takes documents is told which stage before it wrote them last."""
    stages: list[Stage] = []
    manifests: dict[str, Manifest | None] = {}
    for stage in STAGE_CLASSES:
        writers = [before.name for before in stages if before.writes_documents] if stage.takes_documents else []
        stages.append(stage(recipe, build, writers[-1] if writers else None))
        stages[-1].manifests = manifests
    return stages
