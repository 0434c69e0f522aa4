"""Pages with gold for the extraction bench and for training: reading them, scoring texts, and who is held out.

Segments (`web/trafilatura`): each page names strings that its main text must and must not contain. Wanted ones that are
found are true positives, those missing false negatives, unwanted ones that are found false positives. F1 is over all
strings of all pages.

Text (`web/waddle-daniel`): the multiset of 4-grams of words of the extracted text against that of the gold text, F1 a
page, and the mean over pages. A word is a run of `\\w`, but each Chinese character or kana is a word by itself. The
gold's tags become spaces and its references characters.

Words (`web/wcxb-dev`): the same with single words: runs of letters and digits, in lower case. Pages whose gold has no
text are left out. `with_share` is the mean share of a page's wanted strings that are found, `without_share` that of its
unwanted ones that are not, in any case of letters.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.data import data_folder
from pipeline.charsets.charset import decode

NEWS_SETS = ("trafilatura", "waddle-daniel")
SETS = (*NEWS_SETS, "wcxb-dev")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
_WORD = re.compile(f"[{_CJK}]|[^\\W{_CJK}]+")
_PLAIN_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^>]+>")
_ARCHIVED = re.compile(r".*?/web/\w+/https?://([^/]*).*")
_PREFIX = re.compile(r"^(www\d?|m)\.")
_GRAM = 4
NUM_FOLDS = 10
HELD_OUT_FOLDS = 3  # of the ten: never looked at while the extractor was made


@dataclass(frozen=True)
class GoldPage:
    """A page with gold: its decoded HTML, and a text or segments or both.

    `language` and `page_type` are None where they are not known.
    """

    set: str
    file: str
    host: str
    language: str | None
    html: str
    gold: str | None
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    url: str | None = None
    page_type: str | None = None

    @property
    def fold(self) -> int:
        """0 to 9, by a hash of the host, so that pages of one host are in one fold."""
        return int(hashlib.sha256(("groundup" + self.host).encode()).hexdigest()[:8], 16) * NUM_FOLDS >> 32

    @property
    def is_held_out(self) -> bool:
        return self.fold < HELD_OUT_FOLDS


def _host_of(record: dict[str, Any]) -> str:
    """The registered domain, roughly; an archived page has that of the page which was archived."""
    url = record.get("url") or ""
    host = record.get("host") or (url.split("/")[2] if url.count("/") > 1 else record["file"])
    if host == "web.archive.org":
        host = _ARCHIVED.sub(r"\1", url)
    labels = _PREFIX.sub("", host).split(".")
    return ".".join(labels[-3:] if len(labels) > 2 and len(labels[-2]) <= 3 else labels[-2:])


def read_pages(name: str) -> list[GoldPage]:
    """The pages of a set that have gold, in the archive's order."""
    folder = data_folder() / "web" / name
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        records = {record["file"]: record for record in map(json.loads, lines) if record.get("gold_type")}
    pages = []
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            record = records.get(member.name)
            file = archive.extractfile(member) if record is not None else None
            if record is None or file is None:
                continue
            gold = record.get("gold")
            page_type = record.get("page_type")
            if page_type is not None and not (gold or "").strip():
                continue
            if gold is not None and page_type is None:
                gold = html.unescape(_TAG.sub(" ", gold))
            pages.append(
                GoldPage(
                    name,
                    member.name,
                    _host_of(record),
                    record.get("lang"),
                    decode(file.read()).text,
                    gold,
                    tuple(record.get("must_contain") or ()),
                    tuple(record.get("must_not_contain") or ()),
                    record.get("url"),
                    page_type,
                )
            )
    return pages


def words_of(text: str) -> list[str]:
    return _WORD.findall(text)


def grams_of(text: str) -> Counter[tuple[str, ...]]:
    """The multiset of 4-grams of words; the whole text where it has fewer words."""
    words = words_of(text)
    if len(words) < _GRAM:
        return Counter([tuple(words)])
    return Counter(zip(*(words[first:] for first in range(_GRAM)), strict=False))


@dataclass
class Score:
    """F1, precision and recall of a set of pages; shares of strings found and kept out, where the set has both."""

    f1: float
    precision: float
    recall: float
    num_pages: int
    with_share: float = float("nan")
    without_share: float = float("nan")


def segment_score(pages: list[GoldPage], texts: list[str]) -> Score:
    """Over all segments of all pages."""
    found = missed = unwanted = 0
    for page, text in zip(pages, texts, strict=True):
        hits = sum(segment in text for segment in page.wanted)
        found += hits
        missed += len(page.wanted) - hits
        unwanted += sum(segment in text for segment in page.unwanted)
    return Score(
        2 * found / max(1, 2 * found + missed + unwanted),
        found / max(1, found + unwanted),
        found / max(1, found + missed),
        len(pages),
    )


def _multiset_score(pages: list[GoldPage], texts: list[str], parts: Callable[[str], Counter[Any]]) -> Score:
    """Means over pages, of the parts of each."""
    f1 = precision = recall = 0.0
    for page, text in zip(pages, texts, strict=True):
        gold, got = parts(page.gold or ""), parts(text)
        common = (gold & got).total()
        f1 += 2 * common / max(1, gold.total() + got.total())
        precision += common / max(1, got.total())
        recall += common / max(1, gold.total())
    count = max(1, len(pages))
    return Score(f1 / count, precision / count, recall / count, len(pages))


def _share(text: str, strings: tuple[str, ...]) -> float:
    return sum(string.lower() in text for string in strings) / len(strings)


def word_score(pages: list[GoldPage], texts: list[str]) -> Score:
    """Means over pages, of the words of each; `with_share` and `without_share` over pages that have such strings."""
    found = _multiset_score(pages, texts, lambda text: Counter(_PLAIN_WORD.findall(text.lower())))
    lower = [text.lower() for text in texts]
    wanted = [_share(text, page.wanted) for page, text in zip(pages, lower, strict=True) if page.wanted]
    unwanted = [1 - _share(text, page.unwanted) for page, text in zip(pages, lower, strict=True) if page.unwanted]
    found.with_share = sum(wanted) / max(1, len(wanted))
    found.without_share = sum(unwanted) / max(1, len(unwanted))
    return found


def score(pages: list[GoldPage], texts: list[str]) -> Score:
    """The score of pages of one set."""
    if pages and pages[0].page_type is not None:
        return word_score(pages, texts)
    if pages and pages[0].gold is not None:
        return _multiset_score(pages, texts, grams_of)
    return segment_score(pages, texts)
