"""Text that is plain already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datatrove.data import Document

from pipeline.extractors.base import TextExtractor, composed


class PlainTextExtractor(TextExtractor):
    """Keeps text as it is; drops empty documents."""

    name = "plain text"

    def extract(self, document: Document) -> str:
        return str(document.text)


class CodeExtractor(TextExtractor):
    """Passes code as it is, but in one form of Unicode: indentation and empty lines at its ends belong to it."""

    name = "code"

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for document in data or ():
            self.stat_update("documents")
            document.text = composed(document.text, self.unicode)
            yield document
