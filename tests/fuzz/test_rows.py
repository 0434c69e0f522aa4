"""Parquet files with columns of any type, made by Arrow itself: every row is a document or a drop."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from tests.fuzz.harness import Case, Target, fuzz_test
from tests.fuzz.seeds import parquet_bytes, seeds_of
from tests.fuzz.test_readers import check_file

_TEXTS = st.one_of(st.none(), st.text(max_size=20), st.just("A sentence of a text that is long enough."))
_DAYS = st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31))
_COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), _TEXTS),
    "large_string": (pa.large_string(), _TEXTS),
    "string_view": (pa.string_view(), _TEXTS),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), _TEXTS),
    "binary": (pa.binary(), st.one_of(st.none(), st.binary(max_size=20), st.text(max_size=9).map(str.encode))),
    "binary_view": (pa.binary_view(), st.one_of(st.none(), st.binary(max_size=20))),
    "fixed": (pa.binary(4), st.one_of(st.none(), st.binary(min_size=4, max_size=4))),
    "int64": (pa.int64(), st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    "uint64": (pa.uint64(), st.one_of(st.none(), st.integers(0, 2**64 - 1))),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "double": (pa.float64(), st.one_of(st.none(), st.floats())),
    "float16": (pa.float16(), st.just(0.5)),
    "bool": (pa.bool_(), st.one_of(st.none(), st.booleans())),
    "null": (pa.null(), st.none()),
    "nanoseconds": (pa.timestamp("ns"), st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1))),
    "microseconds": (pa.timestamp("us", "UTC"), st.one_of(st.none(), st.integers(-(2**62), 2**62))),
    "seconds": (pa.timestamp("s", "Europe/Berlin"), st.one_of(st.none(), st.integers(-(2**40), 2**40))),
    "date32": (pa.date32(), st.one_of(st.none(), _DAYS)),
    "date64": (pa.date64(), st.one_of(st.none(), _DAYS)),
    "time64": (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    "duration": (pa.duration("ns"), st.integers(-(2**62), 2**62)),
    "decimal": (pa.decimal128(20, 3), st.decimals(-1000, 1000, places=3).map(Decimal)),
    "list": (pa.list_(pa.string()), st.one_of(st.none(), st.lists(_TEXTS, max_size=2))),
    "struct": (pa.struct([("a", pa.string())]), st.one_of(st.none(), st.just({"a": "x"}))),
    "map": (pa.map_(pa.string(), pa.int64()), st.just([("k", 1)])),
}


_OF_TEXT = ("string", "large_string", "dictionary", "binary", "string_view")


@st.composite
def _tables(draw: st.DrawFn) -> Case:
    num_rows = draw(st.integers(0, 5))
    names = {"text", *draw(st.sets(st.sampled_from(("id", "url", "title", "date", "language", "other"))))}
    columns = {}
    for name in sorted(names):
        kinds = (
            ("string", "large_string", "dictionary", "binary", "string_view")
            if draw(st.booleans())
            else tuple(_COLUMNS)
        )
        type_, values = _COLUMNS[draw(st.sampled_from(kinds))]
        columns[name] = pa.array(draw(st.lists(values, min_size=num_rows, max_size=num_rows)), type_)
    return Case(
        "x.parquet", parquet_bytes(columns, row_group_size=draw(st.integers(1, 5)), store_schema=draw(st.booleans()))
    )


TARGETS = [
    Target(
        "parquet-types",
        lambda: seeds_of("parquet"),
        lambda case: check_file("parquet", case),
        words=(b"PAR1", b"\x15\x00", b"\xff\xff\xff\x7f"),
        strategy=_tables,
        ci_inputs=30,
    )
]

test_inputs = fuzz_test(TARGETS)
