"""The block that turns pages of wikis into plain text."""

from __future__ import annotations

import functools
import json

from datatrove.data import Document

from pipeline.extractors.base import MAX_PAGE_CHARACTERS, GuardedExtractor
from pipeline.extractors.guard.guard import Budget
from pipeline.markup.wikitext.names import WIKI_NAMES_KEY
from pipeline.markup.wikitext.text import wikitext_to_text


def to_text(wikitext: bytes, note: str) -> tuple[str, str]:
    """`wikitext_to_text` as a guard calls it. The title is not in the text: the reader knows it."""
    language, names, keep_tables, markdown = _parse(note)
    text = wikitext.decode("utf-8")
    return "", wikitext_to_text(text, language, names=names, keep_tables=keep_tables, markdown=markdown)


@functools.lru_cache(maxsize=16)
def _parse(note: str) -> tuple[str | None, tuple[str, ...], bool, bool]:
    """A note of `WikitextExtractor.note`, parsed; it is the same for all pages of a dump."""
    language, names, keep_tables, markdown = json.loads(note) if note else (None, (), True, False)
    return language, tuple(names), keep_tables, markdown


class WikitextExtractor(GuardedExtractor):
    """Replaces a page's wikitext by plain text or, as `form` says, Markdown; `tables`: whether tables stay, as rows of
    cells ("keep", "drop").
    """

    name = "wikitext"
    extractor = f"{__name__}:{to_text.__name__}"

    def __init__(
        self,
        tables: str = "keep",
        max_characters: int = MAX_PAGE_CHARACTERS,
        budget: Budget | None = None,
        form: str = "text",
    ) -> None:
        super().__init__(max_characters, budget)
        self.tables = tables
        self.form = form

    def note(self, document: Document) -> str:
        names = document.metadata.pop(WIKI_NAMES_KEY, ())
        return json.dumps(
            [document.metadata.get("language"), list(names), self.tables == "keep", self.form == "markdown"]
        )
