"""Keys under which duplicates meet, and the table of them that one input part gives.

A document has one key a bucket of its MinHash signature, and one exact key. Documents that share a key are taken for
copies. Keys carry the bucket and, where only documents of one source may be joined, the source, so one sort of all
keys is all that is needed to find equal ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UserError
from pipeline.dedup.minhash import MinHasher
from pipeline.dedup.normalize import UInt32Array, UInt64Array, fold_white_space, mix, seed_stream
from pipeline.dedup.settings import DedupSettings

Int64Array = NDArray[np.int64]

_ROW_BITS = 32
_MAX_PARTS = 1 << 31
_BUCKET_SEED = 0x6275636B657473  # any fixed number; a change of it changes every key


def global_index(part_ordinal: int, rows: NDArray[np.integer]) -> Int64Array:
    """Number of documents in a build: (ordinal of the input part, row in it) packed into an int64.

    The order of the numbers is the order of the parts, then of their rows. At most 2**31 parts of 2**32 rows.
    """
    if not 0 <= part_ordinal < _MAX_PARTS:
        raise ValueError(f"part ordinal {part_ordinal} is not between 0 and {_MAX_PARTS - 1}")
    if rows.size and (rows.min() < 0 or int(rows.max()) >> _ROW_BITS):
        raise ValueError(f"part {part_ordinal}: a row number is negative or above {(1 << _ROW_BITS) - 1}")
    return rows.astype(np.int64) + (part_ordinal << _ROW_BITS)


def part_and_row(index: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Ordinal of the input part and row in it, of global indices."""
    return index >> _ROW_BITS, index & ((1 << _ROW_BITS) - 1)


def key_space(source: str, scope: Literal["global", "source"]) -> int:
    """Number that is mixed into a document's keys: one for all with "global", one for each source with "source"."""
    if scope == "global":
        return 0
    return int.from_bytes(hashlib.blake2b(source.encode("utf-8"), digest_size=8).digest(), "little") | 1


def band_keys(signatures: UInt32Array, num_buckets: int, space: int | UInt64Array = 0) -> UInt64Array:
    """One 64-bit key for each bucket of signatures.

    Args:
        signatures: shape (..., num_buckets * hashes_per_bucket).
        num_buckets: number of bands into which a signature is cut.
        space: `key_space` of all documents, or an array of shape (...,) with that of each.

    Returns:
        uint64 of shape (..., num_buckets). Different buckets or spaces never share a key but by a 64-bit accident.
    """
    if signatures.shape[-1] % num_buckets:
        raise ValueError(f"a signature of {signatures.shape[-1]} hashes has no {num_buckets} equal buckets")
    num_hashes = signatures.shape[-1] // num_buckets
    values = signatures.reshape(*signatures.shape[:-1], num_buckets, num_hashes).astype(np.uint64)
    spaces = np.asarray(space, dtype=np.uint64)[..., np.newaxis]
    keys: UInt64Array = np.broadcast_to(seed_stream(_BUCKET_SEED, num_buckets) ^ spaces, values.shape[:-1]).copy()
    for position in range(num_hashes):
        keys += values[..., position]
        mix(keys)
    return keys


def exact_key(text: str, space: int = 0) -> tuple[int, int]:
    """128-bit key (two uint64) of a text: equal exactly where the texts are byte-identical after white space is folded.

    Nothing else is folded: case, accents and punctuation count. The hash is BLAKE2b.
    """
    folded = fold_white_space(text).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(folded, digest_size=16, salt=space.to_bytes(16, "little")).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


@dataclass(frozen=True)
class PartKeys:
    """Signatures and keys of the documents of one input part, a row a document.

    Attributes:
        index: int64 (num_documents,), global indices, ascending.
        has_signature: bool (num_documents,), False for texts without a word, and for all where MinHash is off.
        signatures: uint32 (num_documents, num_hashes), zeros where there is none.
        bands: uint64 (num_documents, num_buckets), void where there is no signature.
        exact: uint64 (num_documents, 2); (0, 2) where exact deduplication is off.
    """

    index: Int64Array
    has_signature: NDArray[np.bool_]
    signatures: UInt32Array
    bands: UInt64Array
    exact: UInt64Array

    def band_pairs(self) -> tuple[UInt64Array, Int64Array]:
        """All bucket keys of the part, flat, and the global index of the document of each."""
        bands = self.bands[self.has_signature]
        return bands.reshape(-1), np.repeat(self.index[self.has_signature], self.bands.shape[1])

    def exact_pairs(self) -> tuple[UInt64Array, Int64Array]:
        """All exact keys of the part, shape (n, 2), and the global index of the document of each."""
        return self.exact, self.index[: len(self.exact)]


def part_keys(texts: Sequence[str], sources: Sequence[str], part_ordinal: int, settings: DedupSettings) -> PartKeys:
    """Phase 1: the keys of one input part's documents.

    Args:
        texts: the texts of the part's documents, in the part's order.
        sources: the source's name of each.
        part_ordinal: place of the part among all input parts.
        settings: what is to be compared.
    """
    if len(texts) != len(sources):
        raise ValueError(f"part {part_ordinal}: {len(texts)} texts, but {len(sources)} sources")
    if not settings.exact and not settings.minhash.enabled:
        raise UserError("dedup: exact and minhash.enabled are both false, nothing can be found. Switch one of them on.")
    index = global_index(part_ordinal, np.arange(len(texts)))
    space_of = {source: key_space(source, settings.scope) for source in set(sources)}
    spaces = [space_of[source] for source in sources]

    exact = np.empty((0, 2), dtype=np.uint64)
    if settings.exact and len(texts):
        exact = np.array([exact_key(text, space) for text, space in zip(texts, spaces, strict=True)], dtype=np.uint64)
    if settings.minhash.enabled:
        signatures, has_signature = MinHasher(settings.minhash).signatures(texts)
    else:
        signatures = np.zeros((len(texts), settings.minhash.num_hashes), dtype=np.uint32)
        has_signature = np.zeros(len(texts), dtype=np.bool_)
    bands = band_keys(signatures, settings.minhash.num_buckets, np.array(spaces, dtype=np.uint64))
    return PartKeys(index, has_signature, signatures, bands, exact)
