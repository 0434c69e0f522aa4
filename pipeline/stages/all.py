"""The stages in their order. Workers load this module once, before they start."""

from __future__ import annotations

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
