"""Books: paragraphs of prose on a line of their own."""

from __future__ import annotations

from typing import Literal

from datatrove.data import Document

from pipeline.extractors.base import TextExtractor
from pipeline.markup.unwrap import unwrap


class GutenbergExtractor(TextExtractor):
    """Puts each paragraph of prose on a line of its own (`lines = "join"`), or keeps the lines of the file ("keep").

    Other texts of a corpus have a line for each paragraph. Lines broken at column 70 would teach a model to break
    there, and rules and deduplication that look at lines would judge the breaks.
    """

    name = "Gutenberg"

    def __init__(self, lines: Literal["join", "keep"] = "join") -> None:
        super().__init__()
        self.lines = lines

    def extract(self, document: Document) -> str:
        return unwrap(document.text) if self.lines == "join" else str(document.text)
