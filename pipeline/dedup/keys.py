"""Keys under which duplicates meet, and the table of them that one input part gives.

A document has one key a bucket of its MinHash signature, one of its text and one of its URL. Keys carry what they are
of and, where only documents of one source or group may be joined, that, so one sort of all keys finds equal ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.rank import UInt64Array, primaries, ranks, ties
from pipeline.dedup.schema import EXACT, NEAR, URL
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.text.kernels import fold_spaces
from pipeline.dedup.text.sketch import NUM_FINE, Sketcher, mix, stream

KEYS_FORMAT = 1
"""Raised with any change of what keys and signatures are made of, so that builds of two kinds are not compared."""
KEY = np.dtype([("key", np.uint64), ("row", np.uint32)])
"""A key of the document in a row of the part. The two lowest bits are its kind."""
DOCUMENT = np.dtype([("content", np.uint64), ("rank", np.uint64), ("fine", np.uint32, NUM_FINE)])
"""What is known of each document of a part: a hash of its text, its rank, its finer keys."""

_BUCKET_SEED = 0x6275636B657473  # any fixed number; a change of it changes every key
_CRAWL = re.compile(r"CC-(?:MAIN|NEWS)-\d{4}-\d{2}")
_MASK64 = (1 << 64) - 1


def folded_bytes(text: str) -> memoryview:
    """The text in UTF-8 with every run of white space as one space, and none at its ends."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    folded = np.empty_like(data)
    return folded[: fold_spaces(data, folded)].data


def content_hash(text: str) -> tuple[int, int, int]:
    """Two 64-bit hashes of a text (BLAKE2b), and its characters; white space is folded.

    Hashes are equal where the texts are byte-identical after that.
    """
    folded = folded_bytes(text)
    digest = hashlib.blake2b(folded, digest_size=16).digest()
    length = len(folded) if text.isascii() else int(np.count_nonzero(np.asarray(folded) & 0xC0 != 0x80))
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"), length


def normalised_url(url: str | None) -> str | None:
    """A URL without what does not tell pages apart: scheme, user, `www.`, case of the host, usual port, fragment, and a
    slash at the end. None where there is no host."""
    try:
        parts = urlsplit((url or "").strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    place = host.removeprefix("www.").rstrip(".") + (f":{port}" if port not in (None, 80, 443) else "")
    return f"{place}{parts.path.rstrip('/')}{'?' + parts.query if parts.query else ''}"


def group_of(source: str, file: str | None, scope: Literal["group", "source", "global"]) -> str:
    """The name of what a document is compared within; a group is a crawl of a source, or a folder of its files."""
    if scope == "global":
        return ""
    if scope == "source":
        return source
    crawl = _CRAWL.search(file or "")
    return f"{source}\0{crawl[0] if crawl else (file or '').rpartition('/')[0]}"


def space_number(name: str) -> int:
    """Number that is mixed into the keys of a document of this group."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") if name else 0


def bucket_keys(signatures: NDArray[np.uint32], num_buckets: int, spaces: UInt64Array) -> UInt64Array:
    """One 64-bit key for each bucket of signatures.

    Args:
        signatures: shape (n, num_buckets * hashes_per_bucket).
        num_buckets: number of buckets into which a signature is cut.
        spaces: shape (n,), the number of what each document is compared within.

    Returns:
        uint64 of shape (n, num_buckets). Different buckets or spaces never share a key but by a 64-bit accident.
    """
    num_hashes = signatures.shape[1] // num_buckets
    values = signatures.reshape(len(signatures), num_buckets, num_hashes)
    keys: UInt64Array = stream(_BUCKET_SEED, num_buckets) ^ spaces[:, np.newaxis]
    for position in range(num_hashes):
        keys += values[..., position]
        mix(keys)
    return keys


class PartKeys:
    """The keys of one input part's documents, gathered batch by batch."""

    def __init__(self, settings: DedupSettings, source_order: Sequence[str]) -> None:
        self._settings = settings
        self._source_order = source_order
        self._sketcher = Sketcher(settings.minhash)
        self._documents: list[NDArray[np.void]] = []
        self._signatures: list[NDArray[np.uint16]] = []
        self._keys: list[NDArray[np.void]] = []
        self._num_rows = 0

    def add(self, rows: Sequence[dict[str, Any]], left_out: Collection[int] = ()) -> None:
        """Add documents.

        Args:
            rows: columns `text`, `source`, `id`, `url`, `date`, `file`; with a signal to keep by, `signal`.
            left_out: places in `rows` of documents that have no keys, and so are no copy of anything.
        """
        settings = self._settings
        texts = [row["text"] for row in rows]
        groups = [group_of(row["source"], row["file"], settings.scope) for row in rows]
        space_of = {group: space_number(group) for group in set(groups)}
        spaces = np.array([space_of[group] for group in groups], dtype=np.uint64)
        hashes = np.array([content_hash(text) for text in texts], dtype=np.uint64).reshape(-1, 3)
        documents = np.zeros(len(rows), dtype=DOCUMENT)
        documents["content"] = hashes[:, 0]
        documents["rank"] = ranks(
            primaries(rows, settings.keep, self._source_order, hashes[:, 2].astype(np.int64)), ties(rows)
        )
        has_keys = np.ones(len(rows), dtype=np.bool_)
        has_keys[list(left_out)] = False
        if settings.url:
            urls = [normalised_url(row["url"]) for row in rows]
            digests = [space_number(url or "") for url in urls]
            self._add_keys(
                mix(np.array(digests, dtype=np.uint64) ^ spaces),
                URL,
                has_keys & np.array([bool(url) for url in urls], dtype=np.bool_),
            )
        signatures = np.zeros((len(rows), 0), dtype=np.uint32)
        has_signature = np.zeros(len(rows), dtype=np.bool_)
        if settings.minhash.enabled:
            sketches = self._sketcher.sketches(texts)
            signatures, has_signature, documents["fine"] = sketches
            keys = bucket_keys(signatures, settings.minhash.num_buckets, spaces)
            for column in keys.T:
                self._add_keys(column, NEAR, has_keys & has_signature)
        # Equal texts are like each other, too.
        self._add_keys(mix(hashes[:, 1] ^ spaces), EXACT, has_keys & (settings.exact | has_signature))
        self._signatures.append(signatures.astype(np.uint16))
        self._documents.append(documents)
        self._num_rows += len(rows)

    def _add_keys(self, keys: UInt64Array, kind: int, chosen: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(chosen)
        table = np.empty(rows.size, dtype=KEY)
        table["key"] = keys[rows] & np.uint64(_MASK64 - 3) | np.uint64(kind)
        table["row"] = rows + self._num_rows
        self._keys.append(table)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """What was gathered, by name, once: each array is let go of before the next one is made.

        `documents`: `DOCUMENT`, one a row of the part. `signatures`: the low 16 bits of the minima, shape (documents,
        num_hashes). `keys`: `KEY`, ascending by key and row.
        """
        yield "signatures", _joined(self._signatures)
        yield "documents", _joined(self._documents)
        keys = _joined(self._keys)  # those of one kind are in order of their rows
        yield "keys", keys[np.argsort(keys["key"], kind="stable")]


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    joined = np.concatenate(arrays)
    arrays.clear()
    return joined
