"""The decision by URL: the lists and words that the settings name, compiled once; their signals and comparisons."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import re2

from manifests.comparison import Comparison, first_broken
from manifests.errors import UserError
from manifests.settings import canonical_json
from pipeline.filters.judgement import Verdict
from pipeline.filters.urls.address import Address, read_address
from pipeline.filters.urls.cache import load_or_make
from pipeline.filters.urls.lists import NOTHING, Entries, EntryCollector
from pipeline.filters.urls.settings import ListFile, UrlSettings, list_files
from pipeline.filters.urls.words import HARD_WORDS, SOFT_WORDS, STRICT_WORDS, WordRule

REASONS = ("url_opt_out", "url_domain", "url_host", "url_exact", "url_word")
"""In the order in which they are asked; `url_soft_words` comes after them."""
SOFT_REASON = "url_soft_words"
SOFT_SIGNAL = "urls.num_soft_words"
SIGNALS = (*(f"urls.{reason}" for reason in REASONS), SOFT_SIGNAL)

_SETTINGS = {"url_opt_out": "urls.opt_out", "url_word": "urls.adult_words"}
_LONGEST_DETAIL = 200
_LEVELS = ("off", "strict", "hard", "soft")
_ASCII_ONLY = re.compile(r"\\[bBdDwW]|\[:\^?\w+:\]")  # what RE2 takes for classes of ASCII


class ListFacts(NamedTuple):
    """What was read from a file of the lists: entries, and lines that mean nothing."""

    file: ListFile
    num_entries: int
    num_ignored_lines: int


class UrlRule:
    """The URLs that settings refuse; `comparisons` are asked in their order.

    It is immutable. `lists` and `facts` describe what was read from the lists.
    """

    def __init__(
        self,
        settings: UrlSettings,
        blocked: Entries,
        opted_out: Entries,
        categories: Sequence[str],
        expressions: Sequence[tuple[str, str]] = (),
        words: WordRule | None = None,
        lists: Sequence[ListFacts] = (),
    ) -> None:
        self.settings = settings
        self.lists = list(lists)
        self._blocked, self._opted_out = blocked, opted_out
        self._categories = list(categories)
        self._expressions = [(category, _compiled(text)) for category, text in expressions]
        self._words = words
        asked = {
            "url_opt_out": settings.opt_out is not None,
            **dict.fromkeys(("url_domain", "url_host", "url_exact"), bool(settings.block_lists)),
            "url_word": words is not None or bool(self._expressions),
        }
        found = [
            Comparison(reason, f"urls.{reason}", "at_most", _SETTINGS.get(reason, "urls.block_lists"), 0.0)
            for reason in REASONS
            if asked[reason]
        ]
        if settings.adult_words == "soft":
            most = settings.max_soft_words
            found.append(Comparison(SOFT_REASON, SOFT_SIGNAL, "at_most", "urls.max_soft_words", most))
        self.comparisons = tuple(found)
        tables = ((("url_opt_out",) * 3, opted_out), (("url_domain", "url_host", "url_exact"), blocked))
        self._tables = [(reasons, entries) for reasons, entries in tables if any(entries.num_entries.values())]
        self._none: dict[str, float | None] = dict.fromkeys(SIGNALS)
        self._quiet = self._none | {comparison.signal: 0.0 for comparison in self.comparisons}

    def look(self, url: str | None) -> tuple[dict[str, float | None], dict[str, str]]:
        """The signals of a URL, and what matched by reason.

        A signal is 1 where its rule matches, else 0; `urls.num_soft_words` is a count. None where settings name no
        such rule, and throughout where there is no URL or it names no host: then nothing is held against the document.
        """
        address = read_address(url) if url else None
        if address is None:
            return self._none.copy(), {}
        signals, details = self._quiet.copy(), {}
        for reason, detail in self._matches(address):
            signals[f"urls.{reason}"] = 1.0
            details[reason] = detail
        if self._words is not None or self._expressions:
            word, soft_words = self._look_for_words(address)
            if word is not None:
                signals["urls.url_word"], details["url_word"] = 1.0, word
            if soft_words:
                signals[SOFT_SIGNAL], details[SOFT_REASON] = float(len(soft_words)), _soft_detail(soft_words)
        return signals, details

    def unread(self, url: str | None, signals: Mapping[str, float | None]) -> str | None:
        """Why these signals say nothing of a URL: `no_url` or `unreadable_url` (it names no host).

        None where they do, or where the settings refuse nothing.
        """
        if not self.comparisons or signals[self.comparisons[0].signal] is not None:
            return None
        return "unreadable_url" if url else "no_url"

    def verdict(self, url: str | None) -> Verdict | None:
        """Why a document with this URL is dropped; None where it is kept.

        The detail is the category and what of it matched: `adult:example.com`.
        """
        signals, details = self.look(url)
        broken = first_broken(self.comparisons, signals)
        return None if broken is None else Verdict.of(broken, signals, details.get(broken.reason))

    def facts(self) -> dict[str, Any]:
        """How many entries there are by kind, lines of the lists that mean nothing by file, bytes of memory."""
        lists = (self._blocked, self._opted_out)
        return {
            "num_entries": {
                **self._blocked.num_entries,
                "expressions": len(self._expressions),
                "opt_out": sum(self._opted_out.num_entries.values()),
            },
            "num_ignored_lines": {
                facts.file.name: facts.num_ignored_lines for facts in self.lists if facts.num_ignored_lines
            },
            "num_bytes": sum(table.num_bytes for entries in lists for table in (entries.names, entries.pages)),
        }

    def _matches(self, address: Address) -> list[tuple[str, str]]:
        """What of the lists covers an address: reason and detail, in the order in which they are asked."""
        matches = []
        for reasons, entries in self._tables:
            found = entries.find(address)
            if found is not NOTHING:
                matches += [
                    (reason, f"{self._categories[where[0]]}:{where[1]}"[:_LONGEST_DETAIL])
                    for reason, where in zip(reasons, found, strict=True)
                    if where is not None
                ]
        return matches

    def _look_for_words(self, address: Address) -> tuple[str | None, list[str]]:
        """The word or expression that refuses an address, if any, and the soft words that it has."""
        host, path, query = address
        text = f"{host}{path}?{query}" if query else host + path
        word, soft_words = self._words.look(text) if self._words is not None else (None, [])
        if word is None:
            for category, expression in self._expressions:
                if expression.search(text):
                    return f"{category}:{expression.pattern}"[:_LONGEST_DETAIL], soft_words
        return word, soft_words


def compile_url_rule(settings: UrlSettings, folder: Path = Path(), cache: Path | None = None) -> UrlRule:
    """The rule of settings, whose paths are relative to `folder`. A process makes one of the same files but once.

    cache: a folder where the tables of large lists are kept for other processes, under a name that says what they are
    made of. Raises `UserError` for paths that lead nowhere, unknown categories and expressions that are none.
    """
    files = list_files(settings, folder)
    states = tuple((str(file.path), (state := file.path.stat()).st_size, state.st_mtime_ns) for file in files)
    return _compile(canonical_json(settings.model_dump()), folder, cache, states)


@functools.lru_cache(maxsize=8)
def _compile(settings_json: str, folder: Path, cache: Path | None, states: tuple[Any, ...]) -> UrlRule:
    settings = UrlSettings.model_validate_json(settings_json)
    files = list_files(settings, folder)
    categories = list(dict.fromkeys(file.category for file in files))
    lists = [file for file in files if file.kind in ("domains", "hosts", "urls")]
    opt_outs = [file for file in files if file.kind == "opt_out"]
    blocked = load_or_make(lists, cache, functools.partial(_collect, lists, categories), categories)
    opted_out = load_or_make(opt_outs, cache, functools.partial(_collect, opt_outs, categories), categories)
    expressions = {file: list(_read(file)) for file in files if file.kind == "expressions"}
    of_files = dict(zip([*lists, *opt_outs], [*blocked.of_files, *opted_out.of_files], strict=True))
    facts = []
    for file in files:
        if file in of_files:
            facts.append(ListFacts(file, *of_files[file]))
        elif file in expressions:
            facts.append(ListFacts(file, len(expressions[file]), 0))
        else:
            facts.append(ListFacts(file, sum(1 for _ in file.lines()), 0))
    patterns = [(file.category, expression) for file, found in expressions.items() for expression in found]
    return UrlRule(settings, blocked, opted_out, categories, patterns, _words(settings, files), facts)


def _collect(files: list[ListFile], categories: list[str]) -> Entries:
    collector = EntryCollector()
    for file in files:
        collector.add(file, categories.index(file.category))
    return collector.entries()


def check_expressions(settings: UrlSettings) -> None:
    """Raise `UserError` for a regular expression of the lists that cannot be used. Paths as for `compile_url_rule`."""
    for file in list_files(settings, Path()):
        if file.kind == "expressions":
            deque(_read(file), maxlen=0)


def _read(file: ListFile) -> Iterator[str]:
    """The regular expressions of a file."""
    for number, line in file.lines():
        if not line.isascii() and (found := _ASCII_ONLY.search(line)):
            raise UserError(
                f"{file.path}: line {number}: {found[0]} knows ASCII letters and digits only in RE2, and the line has "
                r"others. Write what is meant, such as [\p{L}\p{N}_] for \w."
            )
        try:
            _compiled(line)
        except re2.error as error:
            why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
            raise UserError(
                f"{file.path}: line {number}: no regular expression that RE2 can read ({why}). Mend the line or take "
                "it out."
            ) from None
        yield line


def _compiled(expression: str) -> Any:
    # RE2's time is linear in the length of a URL whatever the expression; those that backtrack may take years.
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(expression, options)


def _words(settings: UrlSettings, files: list[ListFile]) -> WordRule | None:
    level = _LEVELS.index(settings.adult_words)
    if not level:
        return None
    lists: tuple[list[str], ...] = (list(STRICT_WORDS), list(HARD_WORDS), list(SOFT_WORDS))
    if settings.word_lists is not None:
        lists = tuple(
            [line for file in files if file.kind == kind for _, line in file.lines()]
            for kind in ("strict", "hard", "soft")
        )
    return WordRule(*lists[:level])


def _soft_detail(words: list[str]) -> str:
    return f"soft:{','.join(words)}"[:_LONGEST_DETAIL]
