"""The base of all extractors: a document's raw text becomes plain text, or a drop with its reason."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from datatrove.data import Document

from manifests.records.values import sound
from pipeline.documents.schema import Block
from pipeline.extractors.guard.guard import BATCH_BYTES, BATCH_PAGES, Budget, Guard, guard_for
from pipeline.extractors.guard.protocol import FAILED, TIMED_OUT, Page
from pipeline.readers.warc import PLAIN_TEXT_KEY

MAX_PAGE_CHARACTERS = 16 << 20
# A value of an Arrow string column has less than 2 GiB, and the filter's placeholders for personal data are up to three
# times as long as what they stand for.
MAX_TEXT_BYTES = 512 << 20

Form = Literal["NFC", "none"]
"""How texts spell what Unicode can spell in several ways: in its composed form, or as they came."""
_Batch = list[tuple[Document, Literal["page", "plain", "too_large", "no_page"]]]


class TextExtractor(Block):
    """Base of the extractors: replaces a document's text by what `extract` makes of it.

    Documents that a reader marked as plain text pass as they are. Reasons of drops: empty_text, text_too_large (value:
    bytes in UTF-8), extraction_error (detail: the error).
    """

    type = "extractor"
    unicode: Form = "NFC"
    """The form of Unicode that texts come out in."""

    def extract(self, document: Document) -> str:
        raise NotImplementedError

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for document in data or ():
            if document.metadata.pop(PLAIN_TEXT_KEY, False):
                text = document.text
            else:
                try:
                    text = self.extract(document)
                except (Exception, RecursionError) as error:  # every error of a document is a drop
                    self.refuse(document, FAILED, detail=f"{type(error).__name__}: {error}"[:500])
                    continue
            yield from self.finish(document, text)

    def finish(self, document: Document, text: str) -> Iterator[Document]:
        """The document with its text, or nothing where that is empty."""
        document.text = normalise(text, self.unicode)
        if not document.text:
            self.drop(document, "empty_text")
            return
        # No character has more than 4 bytes, so most texts need not be encoded to know.
        if 4 * len(document.text) > MAX_TEXT_BYTES and (num_bytes := len(document.text.encode())) > MAX_TEXT_BYTES:
            self.refuse(document, "text_too_large", num_bytes, f"over {MAX_TEXT_BYTES} bytes in UTF-8")
            return
        self.stat_update("documents")
        yield document

    def refuse(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        """Drop a document without its raw text, which no column is made for."""
        document.text = ""
        self.drop(document, reason, value, detail)


class GuardedExtractor(TextExtractor):
    """Base of the extractors whose parsers read what anybody may have written: they run behind a guard.

    Besides the reasons of `TextExtractor`: page_too_large (value: characters), page_timeout (value: seconds),
    page_memory, extractor_crashed (detail: how the process ended). `num_from` counts the texts that are not from what
    a page shows, by where they are from; `pages` has, by the type of page, the numbers of pages and of those that were
    dropped, and of characters that they show and that were kept (at most as many as a page shows).
    """

    extractor: str  # `module:function`, see `Guard`

    def __init__(self, max_characters: int = MAX_PAGE_CHARACTERS, budget: Budget | None = None) -> None:
        super().__init__()
        self.max_characters = max_characters
        self.budget = budget or Budget()
        self.num_from: Counter[str] = Counter()
        self.pages: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def guard(self) -> Guard:
        """This process's guard for this extractor."""
        return guard_for(self.extractor, self.budget)

    def note(self, document: Document) -> str:
        """A note for the function beside a document's text."""
        return ""

    def other_type(self, text: str) -> str:
        """The media type of what is no page of this extractor's, which is dropped as `not_html`; "" of a page."""
        return ""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        guard = self.guard()
        under_way: deque[_Batch] = deque()
        try:
            for batch in self._batches(data or ()):
                pages = [document for document, kind in batch if kind == "page"]
                guard.submit([Page(each.text.encode("utf-8", "replace"), self.note(each)) for each in pages])
                under_way.append(batch)
                if len(under_way) > 1:
                    yield from self._answered(guard, under_way.popleft())
            while under_way:
                yield from self._answered(guard, under_way.popleft())
        finally:
            guard.forget()  # where somebody stopped in the middle

    def _batches(self, documents: Iterable[Document]) -> Iterator[_Batch]:
        batch: _Batch = []
        size = 0
        for document in documents:
            if document.metadata.pop(PLAIN_TEXT_KEY, False):
                batch.append((document, "plain"))
            elif self.other_type(document.text):
                batch.append((document, "no_page"))
            else:
                batch.append((document, "page" if len(document.text) <= self.max_characters else "too_large"))
            size += len(document.text)
            if size >= BATCH_BYTES or len(batch) >= BATCH_PAGES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _answered(self, guard: Guard, batch: _Batch) -> Iterator[Document]:
        answers = iter(guard.answers())
        for document, kind in batch:
            if kind == "plain":
                yield from self.finish(document, document.text)
                continue
            if kind == "no_page":
                self.refuse(document, "not_html", detail=self.other_type(document.text))
                continue
            if kind == "too_large":
                self.refuse(document, "page_too_large", len(document.text))
                continue
            answer = next(answers)
            if answer.reason:
                value = self.budget.seconds if answer.reason == TIMED_OUT else None
                self.refuse(document, answer.reason, value, answer.detail or None)
                continue
            document.metadata.update(answer.columns)
            if origin := answer.columns.get("text_origin"):
                self.num_from[origin] += 1
            if answer.title:
                document.metadata["title"] = answer.title
            finished = list(self.finish(document, answer.text))
            if (page_type := answer.columns.get("page_type")) is not None:
                shown, kept = (answer.columns[f"{what}_characters"] for what in ("shown", "kept"))
                counts = {"pages": 1, "dropped": 1 - len(finished), "shown": shown, "kept": min(kept, shown)}
                self.pages[page_type].update(counts)
            yield from finished


def composed(text: str, form: Form) -> str:
    """The text in a form of Unicode (UAX 15). Most texts are in it already, which is quickly seen."""
    if form == "none" or text.isascii() or unicodedata.is_normalized(form, text):
        return text
    return unicodedata.normalize(form, text)


def normalise(text: str, form: Form = "NFC") -> str:
    """Line ends as `\\n`, no NULs, U+FFFD for lone surrogates, one form of Unicode, nothing around it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    return composed(sound(text).strip(), form)
