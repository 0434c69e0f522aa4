"""The order of preference among documents: which of two stays.

A document comes before another by, in this order: the quantity that `dedup.keep` names, a hash of its text, a hash of
its source, id and URL, its place in the build. Nothing but the last depends on how documents lie in parts, and it
decides only between documents that agree in all the rest. Documents of earlier builds come before all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]

_ORDINAL_BITS = 32
_LAST = 2**32 - 1  # the primary number of a document that has no date or signal
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d\d))?")
_MINUTES_A_DAY = 24 * 60


def number(ordinal: int, rows: NDArray[np.integer]) -> Int64Array:
    """Numbers of documents in a build: (ordinal of the input part << 32) + row."""
    if not 0 <= ordinal < 1 << 31:
        raise ValueError(f"part ordinal {ordinal} is not between 0 and 2**31 - 1")
    if rows.size and (rows.min() < 0 or int(rows.max()) >> _ORDINAL_BITS):
        raise ValueError(f"part {ordinal}: a row number is negative or above 2**32 - 1")
    return rows.astype(np.int64) + (ordinal << _ORDINAL_BITS)


def primaries(
    rows: Sequence[dict[str, Any]], keep: str, source_order: Sequence[str], lengths: Int64Array
) -> NDArray[np.uint32]:
    """The quantity that `dedup.keep` names as a number, the smaller the better: 1 to 2**32 - 1.

    Args:
        rows: columns `date` and `source` of documents; with a signal, `signal`.
        keep: the setting. `first` is not known in a part and gives 1: `in_build_order` fills it in.
        source_order: names of the sources in the order of the recipe.
        lengths: characters of their texts, white space folded.
    """
    if keep == "longest":
        values = (_LAST - lengths).tolist()
    elif keep == "newest":
        values = [_LAST - minutes(row["date"]) for row in rows]
    elif keep == "source":
        place = {name: order + 1 for order, name in enumerate(source_order)}
        values = [place[row["source"]] for row in rows]
    elif keep == "first":
        values = [1] * len(rows)
    else:
        return _descending(np.array([row["signal"] for row in rows], dtype=np.float32))
    return np.maximum(np.array(values, dtype=np.int64), 1).astype(np.uint32)


def minutes(date: str | None) -> int:
    """Minutes since the year 1 of a date in ISO 8601, which may be a year or a month alone; 0 where there is none."""
    text = (date or "").strip()
    found = _PARTIAL_DATE.fullmatch(text)
    try:
        when = datetime(int(found[1]), int(found[2] or 1), 1) if found else datetime.fromisoformat(text)
    except ValueError:
        return 0
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    return max(1, (when.toordinal() - 1) * _MINUTES_A_DAY + when.hour * 60 + when.minute)


def _descending(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Numbers whose ascending order is the descending order of floats; NaN last."""
    bits = values.view(np.uint32)
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return np.where(np.isnan(values), np.uint32(_LAST), np.clip(~ascending, 1, _LAST - 1)).astype(np.uint32)


def signal_of(primary: NDArray[np.uint32]) -> NDArray[np.float64]:
    """The signals that `primaries` was given, as 32-bit floats; NaN where there was none."""
    ascending = ~primary
    bits = np.where(ascending >> 31, ascending & np.uint32(0x7FFFFFFF), ~ascending).astype(np.uint32)
    return np.where(primary == _LAST, np.nan, bits.view(np.float32)).astype(np.float64)


def ties(rows: Sequence[dict[str, Any]]) -> NDArray[np.uint32]:
    """A hash of source, id and URL of each document."""
    return np.array(
        [
            xxhash.xxh3_64_intdigest(repr((row["source"], row["id"], row["url"])).encode("utf-8", "surrogatepass"))
            >> 32
            for row in rows
        ],
        dtype=np.uint32,
    )


def ranks(primary: NDArray[np.uint32], tie: NDArray[np.uint32]) -> UInt64Array:
    """Primary number and tie in one; `by_preference` takes it apart."""
    return primary.astype(np.uint64) << np.uint64(32) | tie


def in_build_order(rank: UInt64Array, place: Int64Array, num_documents: int) -> UInt64Array:
    """Ranks whose primary number is the place among all documents of the build, 0 to `num_documents` - 1."""
    shift = max(0, num_documents.bit_length() - 31)
    return ranks(((place >> shift) + 1).astype(np.uint32), rank.astype(np.uint32))


def by_preference(rank: UInt64Array, content: UInt64Array, document: Int64Array, *first: Any) -> NDArray[np.intp]:
    """The order of documents, the preferred ones first; `first`: arrays to order by before, the last one foremost."""
    return np.lexsort([document, rank.astype(np.uint32), content, rank >> np.uint64(32), *first])
