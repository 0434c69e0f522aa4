"""The `[extract]` table of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from manifests.settings import Settings


class ExtractSettings(Settings):
    """How documents are made of raw files.

    html: what finds a page's main content. wrapped_lines: what becomes of the lines of a book's paragraphs of prose
    (format gutenberg): one line each ("join"), or as they are ("keep"). tables: whether tables of wikitext become rows
    of cells ("keep") or nothing ("drop"). damaged: whether the build stops after a stage that met damaged files
    ("fail"), or goes on with what could be read ("drop"); both write the drops.

    What a page of HTML or wikitext may cost, beyond which it is dropped: page_seconds of processor time,
    page_memory_megabytes of memory (of the process that extracts), max_page_characters of raw text (at most 2^28, which
    is a gibibyte in UTF-8: positions in a page have 31 bits).
    """

    html: Literal["groundup", "resiliparse", "trafilatura"] = "groundup"
    wrapped_lines: Literal["join", "keep"] = "join"
    tables: Literal["keep", "drop"] = "keep"
    damaged: Literal["fail", "drop"] = "fail"
    page_seconds: float = Field(default=10.0, gt=0.0, le=86_400.0)
    page_memory_megabytes: int = Field(default=4096, ge=1024, le=1 << 24)
    max_page_characters: int = Field(default=16 << 20, ge=1, le=1 << 28)
