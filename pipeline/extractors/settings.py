"""The `[extract]` table of a recipe."""

from __future__ import annotations

from typing import Literal

from manifests.settings import Settings


class ExtractSettings(Settings):
    """How documents are made of raw files.

    html: what finds a page's main content. damaged: whether the build stops after a stage that met damaged files
    ("fail"), or goes on with what could be read ("drop"); both write the drops.
    """

    html: Literal["groundup", "resiliparse", "trafilatura"] = "groundup"
    damaged: Literal["fail", "drop"] = "fail"
