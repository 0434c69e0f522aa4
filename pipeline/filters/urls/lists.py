"""Block lists read into tables: what each line of a list means, and hashes of millions of them."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from itertools import filterfalse
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.filters.urls.address import Address, ascii_host, bare_host, is_ip_address, read_address
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


class Found(NamedTuple):
    """What of some entries covers an address: the number of a list and its entry, by kind; the broadest if several."""

    domain: tuple[int, str] | None
    host: tuple[int, str] | None
    page: tuple[int, str] | None


NOTHING = Found(None, None, None)


@dataclass
class Entries:
    """The entries of some lists as tables, and how deep the names in them go (which bounds what must be looked up).

    names: hosts that are a domain, a host or one with pages; `kinds` tells by the number of a name which list has it as
    a domain, which as a host (-1: none), and whether it has pages. num_entries: different ones, by kind. of_files: of
    each file in turn, the lines that are entries and those that mean nothing.
    """

    names: HashTable
    kinds: list[tuple[int, int, bool]]
    pages: HashTable
    min_labels: int
    max_labels: int
    max_segments: int
    num_entries: dict[str, int]
    of_files: list[list[int]]

    def find(self, address: Address) -> Found:
        """What covers an address."""
        host = address[0]
        name, find = host.encode(), self.names.find
        start_of_site = len(host) - len(bare_host(host)) if host.startswith("www") else 0
        domain = at_site = None
        has_pages = False
        labels = 0
        # A name without a dot and an address of numbers have no domains above them.
        is_whole = "." not in host or (host[-1] in "0123456789]" and is_ip_address(host))
        start = end = len(name)
        while start > 0 and labels < self.max_labels:
            labels += 1
            start = 0 if is_whole else name.rfind(b".", 0, end) + 1
            end = start - 1
            if labels < self.min_labels and not is_whole:
                continue
            number = find(name[start:])
            if number < 0:
                continue
            as_domain, as_host, with_pages = self.kinds[number]
            if as_domain >= 0 and domain is None:
                domain = as_domain, host[start:]
            if start == start_of_site:
                has_pages = with_pages
                if as_host >= 0:
                    at_site = as_host, host[start:]
        if domain is at_site is None and not has_pages:
            return NOTHING
        page = self._find_page(host[start_of_site:], address.path, address.query) if has_pages else None
        return Found(domain, at_site, page)

    def _find_page(self, site: str, path: str, query: str) -> tuple[int, str] | None:
        keys: list[str] = []
        end = 0
        while end >= 0 and len(keys) < self.max_segments:
            end = path.find("/", end + 1)
            keys.append(page_key(site, path if end < 0 else path[:end]))
        if query:
            keys.append(page_key(site, path, query))
        for key in keys:
            number = self.pages.find(key.encode())
            if number >= 0:
                return number, key
        return None


class EntryCollector:
    """Takes files of lists and makes tables of them."""

    def __init__(self) -> None:
        self._hashes: dict[EntryKind, list[npt.NDArray[np.uint64]]] = {kind: [] for kind in ENTRY_KINDS}
        self._numbers: dict[EntryKind, list[npt.NDArray[np.uint16]]] = {kind: [] for kind in ENTRY_KINDS}
        self._sites: set[str] = set()
        self._labels = (2, 2)
        self._max_segments = 0
        self._of_files: list[list[int]] = []

    def add(self, file: ListFile, number: int) -> None:
        """All lines of a file; what they refuse is under `number`."""
        self._of_files.append([0, 0])
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
                self._of_files[-1][1] += 1
                continue
            kind, key = entry
            keys[kind].append(key)
            name = key
            if kind == "pages":
                page, _, _ = key.partition("?")
                self._max_segments = max(self._max_segments, page.count("/"))
                name, _, _ = page.partition("/")
                self._sites.add(name)
            labels = name.count(".") + 1
            if labels > 1 or kind == "domains":  # hosts without a dot are looked up by themselves
                self._count_labels(labels)
        for kind, found in keys.items():
            self._add(kind, [key.encode() for key in found], number)

    def _count_labels(self, number: int) -> None:
        self._labels = min(number, self._labels[0]), max(number, self._labels[1])

    def _add(self, kind: EntryKind, keys: list[bytes], number: int) -> None:
        if keys:
            self._of_files[-1][0] += len(keys)
            self._hashes[kind].append(hashes_of(keys))
            self._numbers[kind].append(np.full(len(keys), number, np.uint16))

    def entries(self) -> Entries:
        """Everything that was added."""
        domains, hosts, pages = (self._table(kind) for kind in ENTRY_KINDS)
        sites = HashTable.of([site.encode() for site in sorted(self._sites)])
        hashes = np.unique(np.concatenate([domains.hashes, hosts.hashes, sites.hashes]))
        # Which lists have a name, as one number of three parts: list of domains, list of hosts, whether it has pages.
        packed = np.zeros(len(hashes), np.int64)
        for shift, table in ((32, domains), (1, hosts)):
            packed[np.searchsorted(hashes, table.hashes)] |= (table.numbers.astype(np.int64) + 1) << shift
        packed[np.searchsorted(hashes, sites.hashes)] |= 1
        kinds, numbers = np.unique(packed, return_inverse=True)
        return Entries(
            names=HashTable(hashes, numbers.astype(np.uint16)),
            kinds=[((kind >> 32) - 1, (kind >> 1 & 0x7FFFFFFF) - 1, bool(kind & 1)) for kind in kinds.tolist()],
            pages=pages,
            min_labels=self._labels[0],
            max_labels=self._labels[1],
            max_segments=self._max_segments,
            num_entries={"domains": len(domains), "hosts": len(hosts), "pages": len(pages)},
            of_files=self._of_files,
        )

    def _table(self, kind: EntryKind) -> HashTable:
        return HashTable(
            np.concatenate([*self._hashes[kind], np.empty(0, np.uint64)]),
            np.concatenate([*self._numbers[kind], np.empty(0, np.uint16)]),
        )
