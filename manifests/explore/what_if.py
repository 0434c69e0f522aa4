"""Decides every document again by other thresholds, from its signals and without its text."""

from __future__ import annotations

import difflib
import shlex
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field, replace

from manifests.comparison import Comparison
from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.decisions import Decisions, read_decisions, reason_sql
from manifests.explore.sql import Parameters, Tables

_OF_ALL_LANGUAGES = "language_threshold"
_BY_LANGUAGE = "language_thresholds"  # the one table of thresholds whose keys are the user's
_MODULE, _OF_MODULE = "custom.module", "custom.thresholds."  # these thresholds are of that module alone
_LANGUAGE, _LANGUAGE_SCORE = "language", "language.score"
_BYTES_PER_TOKEN = 4.0  # English text under a vocabulary of GPT-2's size, where the build has no shards to measure


def written(value: float | str) -> str:
    """A value as `--set` takes it, a number without losing a digit."""
    if isinstance(value, str):
        return value
    return str(int(value)) if value.is_integer() else repr(value)


@dataclass(frozen=True)
class Change:
    """A setting that is asked about: `key` below its table, `source` where it is of one source only."""

    key: str
    value: float | str
    source: str | None = None
    table: str = "filter"

    @property
    def language(self) -> str | None:
        """The language whose own threshold it is; None for any other."""
        table, _, code = self.key.partition(".")
        return code if table == _BY_LANGUAGE else None

    @property
    def assignment(self) -> str:
        """As `groundup run --set` takes it."""
        place = self.table if self.source is None else f"sources.{self.source}.{self.table}"
        return f"{place}.{self.key}={written(self.value)}"


@dataclass(frozen=True)
class Move:
    """Documents whose reason changes; None is kept. `num_bytes`: of their texts as they came into the filter stage."""

    before: str | None
    after: str | None
    num_documents: int
    num_bytes: int


@dataclass
class SourceEffect:
    """The effect of the changes on one source. `bytes_per_token` turns bytes of text into estimated tokens."""

    source: str
    kept_now: int
    moves: list[Move]
    bytes_per_token: float
    notes: list[str] = field(default_factory=list)

    @property
    def come_back(self) -> int:
        return sum(move.num_documents for move in self.moves if move.after is None)

    @property
    def go(self) -> int:
        return sum(move.num_documents for move in self.moves if move.before is None)

    @property
    def kept_then(self) -> int:
        return self.kept_now + self.come_back - self.go

    @property
    def tokens(self) -> int:
        """Tokens more (or, below 0, fewer) than now, estimated, and before deduplication."""
        signs = {True: 1, False: -1}
        moved = sum(
            signs[move.after is None] * move.num_bytes for move in self.moves if None in (move.before, move.after)
        )
        return round(moved / self.bytes_per_token)


@dataclass(frozen=True)
class WhatIf:
    """The effects by source. `measured`: whether bytes per token are of this build's own shards.

    None where no tokens are estimated: `num_bytes` are characters then, and so are `tokens`.
    """

    changes: list[Change]
    effects: list[SourceEffect]
    measured: bool | None
    notes: list[str] = field(default_factory=list)


def what_if(build: Build, assignments: list[str]) -> WhatIf:
    """The documents that these settings (`gopher_quality.min_words=30`) would keep and drop, all together.

    Nothing is read but signals, and nothing is written. Raises `UsageError` for what cannot be answered so, and
    `UserError` where the build's signals and decisions disagree.
    """
    decisions = read_decisions(build, "--what-if")
    changes = [_parse(assignment, decisions) for assignment in assignments]
    effects = []
    asks_languages = any(change.language for change in changes)
    with Tables(build) as tables:
        labels_of = {
            source: _labels(tables, parts) if asks_languages and parts else set()
            for source, parts in decisions.parts.items()
        }
        _check_labels(changes, set().union(*labels_of.values()))
        rates = _bytes_per_token(build, tables)
        for source, comparisons in decisions.comparisons.items():
            parts = decisions.parts[source]
            changed, notes = _changed(source, changes, decisions, labels_of[source])
            rate = rates.get(source) or rates.get(None) or _BYTES_PER_TOKEN
            effect = SourceEffect(source, 0, [], rate, notes)
            if parts:
                _decide(build, tables, effect, parts, comparisons, changed)
            effects.append(effect)
    return WhatIf(changes, effects, bool(rates))


def _decide(
    build: Build,
    tables: Tables,
    effect: SourceEffect,
    parts: tuple[str, ...],
    comparisons: tuple[Comparison, ...],
    changed: tuple[Comparison, ...],
) -> None:
    """Fill in what is kept now and what moves. Raises `UserError` where the comparisons do not give the reasons."""
    parameters = Parameters()
    table = tables.source(parts, parameters)
    again = reason_sql(comparisons, parameters)
    then = "again" if changed == comparisons else reason_sql(changed, parameters)
    rows = tables.rows(
        f"SELECT reason, {again} AS again, {then} AS later, count(*)::BIGINT AS documents, "
        f"sum(num_bytes)::BIGINT AS bytes FROM {table} GROUP BY ALL ORDER BY ALL",
        parameters,
    )
    for row in rows:
        if row["reason"] != row["again"]:
            raise UserError(
                f"{build.url}: signals and decisions of source {effect.source!r} disagree: {row['documents']:,} "
                f"documents are {_outcome(row['reason'])}, but by their signals {_outcome(row['again'])}. "
                "Run groundup audit."
            )
        if row["reason"] is None:
            effect.kept_now += row["documents"]
        if row["reason"] != row["later"]:
            effect.moves.append(Move(row["reason"], row["later"], row["documents"], row["bytes"]))
    effect.moves.sort(key=lambda move: (-move.num_documents, move.before or "", move.after or ""))


def _outcome(reason: str | None) -> str:
    return "kept" if reason is None else f"dropped for {reason}"


def _parse(assignment: str, decisions: Decisions) -> Change:
    key, separator, raw = assignment.partition("=")
    key = key.strip()
    if not separator or not key:
        raise UsageError(
            f"--what-if {assignment!r}: write it as key=value, for example --what-if gopher_quality.min_words=30."
        )
    source = None
    if key.startswith("sources."):
        source, _, key = key.removeprefix("sources.").partition(".filter.")
        if source not in decisions.comparisons:
            raise UsageError(
                f"--what-if {assignment}: there is no source {source!r}. Sources: {', '.join(decisions.comparisons)}."
            )
    key = key.removeprefix("filter.")
    of_sources = [source] if source is not None else list(decisions.comparisons)
    asked = sorted(
        {
            row.setting
            for name in of_sources
            for row in decisions.comparisons[name]
            if decisions.is_number(name, row.setting)
        }
    )
    place = "filter" if source is None else f"sources.{source}.filter"
    rerun = f"groundup run RECIPE --until filter --set {shlex.quote(f'{place}.{key}={raw}')}"
    if key not in asked and not _is_of_a_language(key):
        above = key.rpartition(".")[0]
        in_table = above not in {
            "",
            *(setting.rpartition(".")[0] for setting in asked),
        }  # such as stop words, by language
        if decisions.setting(key) is not None or (in_table and decisions.setting(above) is not None):
            raise UsageError(
                f"--what-if {assignment}: {key} is no threshold that decided here, so signals cannot answer it. It "
                f"needs a rerun: {rerun}"
            )
        near = difflib.get_close_matches(key, asked, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"Settings that decided here: {', '.join(asked) or 'none'}."
        raise UsageError(f"--what-if {assignment}: {key!r} is no setting of this build's filters; {hint}")
    judged = [name for name in of_sources if any(row.setting == key for row in decisions.comparisons[name])]
    if source is None and judged and all(_has_own_module(decisions, key, name) for name in judged):
        raise UsageError(
            f"--what-if {assignment}: no module but those of single sources has it; ask with "
            f"sources.{judged[0]}.filter.{key}={raw}."
        )
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise UsageError(
            f"--what-if {assignment}: only a number can be asked about. Anything else needs a rerun: {rerun}"
        )
    if key.partition(".")[0] in (_OF_ALL_LANGUAGES, _BY_LANGUAGE) and not 0 <= value <= 1:
        raise UsageError(f"--what-if {assignment}: a language's score is between 0 and 1. Give a number between them.")
    return Change(key, float(value), source)


def _has_own_module(decisions: Decisions, key: str, source: str) -> bool:
    """True for a threshold of a custom rule where the source has another module than the recipe's own table."""
    own = decisions.setting(_MODULE, source)
    return key.startswith(_OF_MODULE) and own is not None and own != decisions.setting(_MODULE)


def _is_of_a_language(key: str) -> bool:
    table, _, code = key.partition(".")
    return table == _BY_LANGUAGE and code != "" and "." not in code


def _check_labels(changes: list[Change], labels: set[str]) -> None:
    """Refuse a language that no document is in: a typo, or a label that the model does not know."""
    for change in changes:
        if change.language is not None and not any(change.language in (label, _base(label)) for label in labels):
            near = difflib.get_close_matches(change.language, sorted(labels), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "`groundup drops OUT --reason language` shows labels."
            raise UsageError(
                f"--what-if {change.assignment}: no document here has the label {change.language!r}; {hint}"
            )


def _labels(tables: Tables, parts: tuple[str, ...]) -> set[str]:
    """The languages of a source's documents."""
    parameters = Parameters()
    return {
        row["language"]
        for row in tables.rows(f"SELECT DISTINCT language FROM {tables.source(parts, parameters)}", parameters)
    }


def _changed(
    source: str, changes: list[Change], decisions: Decisions, labels: set[str]
) -> tuple[tuple[Comparison, ...], list[str]]:
    """A source's comparisons with the changes that concern it, and what is to be said of the others."""
    comparisons = decisions.comparisons[source]
    notes: list[str] = []
    of_languages: dict[str, float] = {}
    for change in changes:
        if change.source not in (None, source):
            continue
        if change.language is None and all(row.setting != change.key for row in comparisons):
            note = f"{change.key} does not judge it"
            if change.source is None and decisions.setting("rules", source) == []:  # a table that is written judges all
                note += "; written in [filter] it would, unless the recipe writes rules for it"
            notes.append(note)
            continue
        key = _MODULE if _has_own_module(decisions, change.key, source) else change.key
        shared, own = decisions.setting(key), decisions.setting(key, source)
        if change.source is None and own is not None and own != shared:
            notes.append(
                f"unchanged by {change.key}: it has its own, {own}; "
                f"ask with sources.{source}.filter.{change.key}={written(change.value)}"
            )
            continue
        if change.language is not None:
            if not any(change.language in (label, _base(label)) for label in labels):
                notes.append(f"{change.key}: no document of it has this label")
            of_languages[change.language] = float(change.value)
            continue
        languages = sorted({name for row in comparisons if row.setting == change.key for name in row.by_language or {}})
        if languages:
            notes.append(f"{change.key}: {', '.join(languages)} keep their own thresholds")
        comparisons = tuple(
            replace(row, threshold=float(change.value)) if row.setting == change.key else row for row in comparisons
        )
    if of_languages:
        comparisons = _with_languages(source, comparisons, of_languages, decisions, labels)
    return comparisons, notes


def _with_languages(
    source: str, comparisons: tuple[Comparison, ...], changed: dict[str, float], decisions: Decisions, labels: set[str]
) -> tuple[Comparison, ...]:
    """The comparisons where these languages have these thresholds of their own, and others what they have now."""
    thresholds = decisions.setting(_BY_LANGUAGE, source)
    thresholds = {**((decisions.setting(_BY_LANGUAGE) or {}) if thresholds is None else thresholds), **changed}
    # As the filter spreads them: a code without a script stands for all scripts but those that are named.
    spread = {label: thresholds.get(label, thresholds.get(_base(label))) for label in sorted(labels)}
    by_language = {label: float(threshold) for label, threshold in spread.items() if threshold is not None}
    if any(row.signal == _LANGUAGE_SCORE for row in comparisons):
        return tuple(
            replace(row, by_language=by_language) if row.signal == _LANGUAGE_SCORE else row for row in comparisons
        )
    # Where no languages are listed and none had a threshold, the score was not asked: it will be, after the URL.
    score = Comparison(_LANGUAGE, _LANGUAGE_SCORE, "at_least", _BY_LANGUAGE, 0.0, by_language)
    at = sum(row.signal.startswith("urls.") for row in comparisons)
    return (*comparisons[:at], score, *comparisons[at:])


def _base(label: str) -> str:
    """`sr` of `sr-Latn`."""
    return label.partition("-")[0]


def _bytes_per_token(build: Build, tables: Tables) -> dict[str | None, float]:
    """UTF-8 bytes of text for each token in the build's shards, by source and (under None) of all; empty without."""
    outputs = build.manifests["shards"].outputs if "shards" in build.manifests else []
    indexes = [f"shards/{entry.path}" for entry in outputs if entry.path.endswith(".index.parquet")]
    if not indexes:
        return {}
    parameters = Parameters()
    rows = tables.rows(
        "SELECT source, sum(num_bytes)::BIGINT AS bytes, sum(length)::BIGINT AS tokens "
        f"FROM {tables.source(indexes, parameters)} GROUP BY source",
        parameters,
    )
    totals: defaultdict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for name in (row["source"], None):
            totals[name][0] += row["bytes"]
            totals[name][1] += row["tokens"]
    return {name: num_bytes / tokens for name, (num_bytes, tokens) in totals.items() if num_bytes and tokens}
