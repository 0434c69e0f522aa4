"""What is asked of Common Crawl's index: the `[sources.index]` table, and how rows and row groups answer it.

Lists are alternatives; all keys that are set must hold. Columns and their meaning: the schema of cc-index-table,
https://github.com/commoncrawl/cc-index-table/blob/main/src/main/resources/schema/cc-index-schema-flat.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import idna
import langcodes
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from manifests.settings import Settings

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_TLD = re.compile(r"[a-z0-9-]+")
_MIME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)")
_IP_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


class IndexQuery(Settings):
    """Records of a crawl to fetch, chosen by the columns of its index. Lists are alternatives; all keys must hold."""

    hosts: list[str] = Field(default_factory=list)
    """Host names, such as www.example.org."""
    domains: list[str] = Field(default_factory=list)
    """Registered domains with every host below them, such as example.org or bbc.co.uk."""
    tlds: list[str] = Field(default_factory=list)
    """Last parts of the host name, such as org or uk."""
    languages: list[str] = Field(default_factory=list)
    """Languages of the page as CLD2 found them, in two or three letters (ISO 639)."""
    primary_language: bool = True
    """Compare only the first of a page's languages; with `false` any of the up to three that the index has."""
    mime: list[str] = Field(default_factory=list)
    """Content types as detected, or as the server said where the index has none; `text/*` takes a whole family."""
    status: list[int] = Field(default=[200], min_length=1)
    """HTTP status codes. The index of fetched pages holds hardly anything but 200."""
    url_patterns: list[str] = Field(default_factory=list)
    """Regular expressions (RE2) that the URL must hold somewhere, such as "/blog/". They make a query dearer."""
    max_records: int | None = Field(default=None, ge=1)
    """The most records to take of each crawl, drawn by the recipe's seed and their address; all where it is not set."""
    unavailable: Literal["stop", "drop"] = "stop"
    """Records that the mirror lacks or has with another digest: `stop` ends the build, `drop` only lists them."""

    @field_validator("hosts", "domains")
    @classmethod
    def _are_hosts(cls, names: list[str]) -> list[str]:
        return _distinct(_host(name) for name in names)

    @field_validator("tlds")
    @classmethod
    def _are_tlds(cls, names: list[str]) -> list[str]:
        hosts = [_host(name) for name in names]
        for name, host in zip(names, hosts, strict=True):
            if not _TLD.fullmatch(host):
                raise ValueError(
                    f"{name!r} is no top-level domain; for example.org or co.uk write `domains` or `hosts`"
                )
        return _distinct(hosts)

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, codes: list[str]) -> list[str]:
        return _distinct(three_letter_code(code) for code in codes)

    @field_validator("mime")
    @classmethod
    def _are_types(cls, types: list[str]) -> list[str]:
        types = [name.strip().lower() for name in types]
        for name in types:
            if not _MIME.fullmatch(name):
                raise ValueError(f"{name!r} is no content type, such as text/html or text/*")
        return _distinct(types)

    @field_validator("status")
    @classmethod
    def _are_codes(cls, codes: list[int]) -> list[int]:
        for code in codes:
            if not 100 <= code <= 999:
                raise ValueError(f"{code} is no HTTP status code")
        return sorted(set(codes))

    @field_validator("url_patterns")
    @classmethod
    def _are_patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                pc.match_substring_regex(pa.array([""]), pattern)
            except pa.ArrowInvalid:
                raise ValueError(f"{pattern!r} is no regular expression of RE2") from None
            if not pattern:
                raise ValueError("a pattern is empty")
        return _distinct(patterns)

    @model_validator(mode="after")
    def _asks_for_something(self) -> IndexQuery:
        if not (self.hosts or self.domains or self.tlds or self.languages or self.mime or self.url_patterns):
            raise ValueError(
                "asks for every record of the crawl: name hosts, domains, tlds, languages, mime or url_patterns, or "
                "take whole files with max_files or sample"
            )
        return self

    def conditions(self) -> list[Condition]:
        """What must hold, the cheapest to read first: columns that the index is sorted by take few bytes."""
        found: list[Condition] = []
        if self.tlds:
            found.append(Among("url_host_tld", self.tlds))
        if self.domains:
            found.append(Among("url_host_registered_domain", self.domains, _surt_prefixes(self.domains)))
        if self.hosts:
            found.append(Among("url_host_name", self.hosts, _surt_prefixes(self.hosts)))
        found.append(Among("fetch_status", self.status))
        if self.mime:
            found.append(OfType(self.mime))
        if self.languages:
            found.append(InLanguage(self.languages, self.primary_language))
        if self.url_patterns:
            found.append(Matching(self.url_patterns))
        return found


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value of a column in a row group; both may lie outside of what is there."""

    least: Any
    most: Any

    def may_hold(self, value: Any) -> bool:
        return bool(self.least <= value <= self.most)

    def may_start_with(self, prefix: str) -> bool:
        """Whether a string with this prefix may be there; strings are ordered by their UTF-8."""
        start, least, most = prefix.encode(), self.least.encode(), self.most.encode()
        return bool(least[: len(start)] <= start <= most)


class Condition:
    """One thing that must hold of a row. `columns` are those that decide it, with those an old index may lack."""

    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def bounded(self) -> tuple[str, ...]:
        """Columns whose smallest and largest values can rule a row group out."""
        return ()

    def may_hold(self, bounds: dict[str, Bounds]) -> bool:
        """False where no row of a row group with these bounds can answer."""
        return True

    def holds(self, columns: dict[str, Any]) -> Any:
        """A boolean array, null for unknown; `columns` holds an array of each column that the index has."""
        raise NotImplementedError


class Among(Condition):
    """A column has one of the values. `surt_prefixes`: what the row's `url_surtkey` then begins with, where known."""

    def __init__(self, column: str, values: list[Any], surt_prefixes: list[str] | None = None) -> None:
        self.columns = (column,)
        self._values = values
        self._surt_prefixes = surt_prefixes

    @property
    def bounded(self) -> tuple[str, ...]:
        return (*self.columns, "url_surtkey") if self._surt_prefixes else self.columns

    def may_hold(self, bounds: dict[str, Bounds]) -> bool:
        found = bounds.get(self.columns[0])
        if found is not None and not any(found.may_hold(value) for value in self._values):
            return False
        surt = bounds.get("url_surtkey")
        if surt is None or not self._surt_prefixes:
            return True
        return any(surt.may_start_with(prefix) for prefix in self._surt_prefixes)

    def holds(self, columns: dict[str, Any]) -> Any:
        column = columns[self.columns[0]]
        return pc.is_in(column, pa.array(self._values, column.type))


class OfType(Condition):
    """The detected content type, or the declared one where none was detected, is one of the types."""

    columns = ("content_mime_type",)
    optional = ("content_mime_detected",)

    def __init__(self, types: list[str]) -> None:
        self._names = [name for name in types if not name.endswith("/*")]
        self._families = [name[:-1] for name in types if name.endswith("/*")]

    def holds(self, columns: dict[str, Any]) -> Any:
        declared = columns["content_mime_type"]
        mime = pc.utf8_lower(pc.coalesce(columns.get("content_mime_detected", declared), declared))
        # A server may say more than the type: text/html; charset=utf-8.
        mime = pc.utf8_trim_whitespace(pc.list_element(pc.split_pattern(mime, ";", max_splits=1), 0))
        found = pc.is_in(mime, pa.array(self._names, mime.type))
        for family in self._families:
            found = pc.or_(found, pc.starts_with(mime, family))
        return found


class InLanguage(Condition):
    """The page's languages, most frequent first and separated by commas, begin with or hold one of the codes."""

    columns = ("content_languages",)

    def __init__(self, codes: list[str], primary: bool) -> None:
        names = "|".join(codes)
        self._pattern = f"^({names})(,|$)" if primary else f"(^|,)({names})(,|$)"

    def holds(self, columns: dict[str, Any]) -> Any:
        return pc.match_substring_regex(columns["content_languages"], self._pattern)


class Matching(Condition):
    """The URL holds one of the patterns."""

    columns = ("url",)

    def __init__(self, patterns: list[str]) -> None:
        self._patterns = patterns

    def holds(self, columns: dict[str, Any]) -> Any:
        found = pc.match_substring_regex(columns["url"], self._patterns[0])
        for pattern in self._patterns[1:]:
            found = pc.or_(found, pc.match_substring_regex(columns["url"], pattern))
        return found


def three_letter_code(code: str) -> str:
    """A language as the index writes it: three letters, ISO 639-3. Raises `ValueError` for what is no language."""
    given, code = code, code.strip().lower()
    try:
        language = langcodes.Language.get(code)
        if len(code) == 2 and language.is_valid():
            # Not normalized: Tagalog (tl) stays tgl, as the index has it, and does not become Filipino.
            return str(langcodes.Language.get(code, normalize=False).to_alpha3())
        if len(code) == 3 and language.is_valid():
            bibliographic = (
                code != language.to_alpha3() == language.to_alpha3("T") and len(language.language or "") == 2
            )
            return str(language.to_alpha3()) if bibliographic else code
    except (LookupError, ValueError):
        pass
    raise ValueError(f"{given!r} is no language code in two or three letters, such as en or eng")


def _host(name: str) -> str:
    """A host name as URLs have it: lower case, ASCII."""
    host = name.strip().lower().strip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise ValueError(f"{name!r} is no host name") from None
    if not (_HOST.fullmatch(host) or re.fullmatch(r"\[[0-9a-f:.]+\]", host)):
        raise ValueError(f"{name!r} is no host name: leave out the scheme and the path")
    return host


def _surt_prefixes(hosts: list[str]) -> list[str] | None:
    """What the sort keys of these hosts begin with: their parts from the last on, without `www`.

    None where a host is an IP address, whose key may be written either way.
    """
    if any(_IP_ADDRESS.fullmatch(host) for host in hosts):
        return None
    return [",".join(reversed(re.sub(r"^www\d*\.", "", host).split("."))) for host in hosts]


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def filled(mask: Any) -> np.ndarray:
    """A boolean array of Arrow as numpy, with unknown as False."""
    if isinstance(mask, pa.ChunkedArray):
        mask = mask.combine_chunks()
    found: np.ndarray = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return found
