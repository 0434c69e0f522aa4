"""Block lists read into tables: what each line of a list means, and hashes of millions of them."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.filters.urls.address import ascii_host, bare_host, is_ip_address, read_address
from pipeline.filters.urls.settings import ListFile
from pipeline.filters.urls.table import HashTable, hashes_of

EntryKind = Literal["domains", "hosts", "pages"]
ENTRY_KINDS: tuple[EntryKind, ...] = ("domains", "hosts", "pages")

_PLAIN = re.compile(rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+").fullmatch
_DOTS = operator.methodcaller("count", b".")
_NULL_ADDRESSES = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})


def read_entry(line: str, is_host: bool = False) -> tuple[EntryKind, str] | None:
    """What a line of a list refuses, and its key; None for what names no host.

    `example.com` is a domain with all below it, or the host alone where `is_host`; `example.com/a` is a page with all
    below it. `.com`, with the dot, is a whole top-level domain; a name without a dot is a host only. Lines as in hosts
    files (`0.0.0.0 example.com`) are read, too.
    """
    words = line.partition(" #")[0].split()
    line = words[1] if len(words) > 1 and words[0] in _NULL_ADDRESSES else " ".join(words)
    covers_below = line.startswith((".", "*."))
    line = line.removeprefix("*").removeprefix(".")
    address = read_address(line)
    if address is None:
        host = ascii_host(line)
        return None if not host or "/" in host else ("domains" if covers_below else "hosts", host)
    if address.path or address.query:
        return "pages", page_key(address.site, address.path, address.query)
    if is_host:
        return "hosts", bare_host(address.host)
    return ("hosts" if "." not in address.host and not covers_below else "domains"), address.host


def page_key(site: str, path: str, query: str = "") -> str:
    """How a page is looked up. `site` is a host without `www.`."""
    return f"{site}{path}?{query}" if query else f"{site}{path}"


@dataclass
class Entries:
    """The entries of some lists as tables, and how deep the names in them go (which bounds what must be looked up).

    sites: the hosts that have pages. num_ignored: lines that mean nothing, by the file's name.
    """

    domains: HashTable
    hosts: HashTable
    pages: HashTable
    sites: HashTable
    min_labels: int
    max_labels: int
    max_segments: int
    num_ignored: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.has_hosts, self.has_pages = len(self.hosts) > 0, len(self.pages) > 0

    def __bool__(self) -> bool:
        return self.has_hosts or self.has_pages or len(self.domains) > 0


class EntryCollector:
    """Takes files of lists and makes tables of them."""

    def __init__(self) -> None:
        self._hashes: dict[EntryKind, list[npt.NDArray[np.uint64]]] = {kind: [] for kind in ENTRY_KINDS}
        self._numbers: dict[EntryKind, list[npt.NDArray[np.uint16]]] = {kind: [] for kind in ENTRY_KINDS}
        self._sites: set[str] = set()
        self._labels = (2, 2)
        self._max_segments = 0
        self._num_ignored: dict[str, int] = {}

    def add(self, file: ListFile, number: int) -> None:
        """All lines of a file; what they refuse is under `number`."""
        for block in file.blocks():
            lines = block.lower().removesuffix(b"\n").split(b"\n")
            if file.kind in ("domains", "opt_out"):
                # Most lists are host names and little else, which need no closer reading: a tenth of the time.
                names = list(filter(_PLAIN, lines))
                self._add("domains", names, number)
                self._count_labels(max(map(_DOTS, names), default=1) + 1)
                lines = list(filterfalse(_PLAIN, lines)) if len(names) < len(lines) else []
            self._add_lines(file, lines, number)

    def _add_lines(self, file: ListFile, lines: list[bytes], number: int) -> None:
        keys: dict[EntryKind, list[str]] = {kind: [] for kind in ENTRY_KINDS}
        for raw in lines:
            line = raw.decode("utf-8", "replace").strip()
            if not line or line.startswith("#"):
                continue
            entry = read_entry(line, is_host=file.kind in ("hosts", "urls"))
            if entry is None:
                self._num_ignored[file.name] = self._num_ignored.get(file.name, 0) + 1
                continue
            kind, key = entry
            keys[kind].append(key)
            if kind == "domains":
                self._count_labels(key.count(".") + 1)
            elif kind == "pages":
                page, _, _ = key.partition("?")
                self._max_segments = max(self._max_segments, page.count("/"))
                self._sites.add(page.partition("/")[0])
        for kind, found in keys.items():
            self._add(kind, [key.encode() for key in found], number)

    def _count_labels(self, number: int) -> None:
        self._labels = min(number, self._labels[0]), max(number, self._labels[1])

    def _add(self, kind: EntryKind, keys: list[bytes], number: int) -> None:
        if keys:
            self._hashes[kind].append(hashes_of(keys))
            self._numbers[kind].append(np.full(len(keys), number, np.uint16))

    def _table(self, kind: EntryKind) -> HashTable:
        return HashTable(
            np.concatenate([*self._hashes[kind], np.empty(0, np.uint64)]),
            np.concatenate([*self._numbers[kind], np.empty(0, np.uint16)]),
        )

    def entries(self) -> Entries:
        """Everything that was added."""
        return Entries(
            domains=self._table("domains"),
            hosts=self._table("hosts"),
            pages=self._table("pages"),
            sites=HashTable.of([site.encode() for site in sorted(self._sites)]),
            min_labels=self._labels[0],
            max_labels=self._labels[1],
            max_segments=self._max_segments,
            num_ignored=dict(sorted(self._num_ignored.items())),
        )


def find_domain(entries: Entries, host: str) -> tuple[int, str] | None:
    """The listed domain that covers a host, the broadest if there are more, and its number."""
    find = entries.domains.find
    if is_ip_address(host):
        number = find(host)
        return None if number < 0 else (number, host)
    dot = len(host)
    for labels in range(1, entries.max_labels + 1):
        dot = host.rfind(".", 0, dot)
        if labels >= entries.min_labels:
            name = host[dot + 1 :]
            number = find(name)
            if number >= 0:
                return number, name
        if dot < 0:
            break
    return None


def find_page(entries: Entries, site: str, path: str, query: str) -> tuple[int, str] | None:
    """The listed page that covers an address, the broadest if there are more, and its number."""
    if entries.sites.find(site) < 0:
        return None
    end = 0
    for _ in range(entries.max_segments):
        end = path.find("/", end + 1)
        key = page_key(site, path if end < 0 else path[:end])
        number = entries.pages.find(key)
        if number >= 0:
            return number, key
        if end < 0:
            break
    if query:
        key = page_key(site, path, query)
        number = entries.pages.find(key)
        if number >= 0:
            return number, key
    return None
