"""HTML to the text of its main content."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path

from datatrove.data import Document

from manifests.errors import UserError
from pipeline.extractors.base import MAX_PAGE_CHARACTERS, GuardedExtractor
from pipeline.extractors.guard.guard import Budget
from pipeline.markup import html_backends
from pipeline.markup.content_types import other_type
from pipeline.markup.html_options import Options


def extract_main_text(html: str) -> str:
    """The main content of a page as plain text: see `pipeline.markup.html`."""
    from pipeline.markup.html import extract_main_text as extract  # loads compiled code: half a second

    return extract(html)


def weights_digest() -> str:
    """The sha256 of what `extract_main_text` learned: its data files take part in a build's fingerprint."""
    digest = hashlib.sha256()
    for path in sorted(Path(html_backends.__file__).with_name("html").glob("*.json")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class HtmlExtractor(GuardedExtractor):
    """Replaces a document's HTML by the text of its main content, with the backend that the recipe names.

    Raises `UserError` for a backend that is not there. groundup's own also finds the title. One more reason of drops:
    not_html (detail: the media type), of data, feeds, scripts and styles that are sent as HTML.
    """

    name = "HTML main content"

    def __init__(
        self,
        backend: str = "groundup",
        max_characters: int = MAX_PAGE_CHARACTERS,
        budget: Budget | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(max_characters, budget)
        if backend not in html_backends.NAMES:
            raise UserError(f'extract.html: no extractor {backend!r}. Use "groundup", "resiliparse" or "trafilatura".')
        if backend == "trafilatura" and importlib.util.find_spec("trafilatura") is None:
            raise UserError(
                'extract.html = "trafilatura" needs trafilatura: pip install trafilatura, or use "groundup".'
            )
        self.extractor = f"{html_backends.__name__}:{backend}"
        self._options = options or Options()
        self._note = self._options.note()

    def note(self, document: Document) -> str:
        if self._options.links == "keep":
            return replace(self._options, url=document.metadata.get("url") or "").note()
        return self._note

    def other_type(self, text: str) -> str:
        return other_type(text)
