"""What `dedup` stores of its decisions: the documents that were compared, and their pairs.

Documents are numbered by (ordinal of the input part << 32) + row. Input parts are the inputs of the stage's manifest in
their order; the parts of earlier builds that it was deduplicated against come after them.
"""

from __future__ import annotations

import pyarrow as pa

CANDIDATES = "candidates"
PAIRS = "pairs"

NEAR, EXACT, URL = 0, 1, 2
REASONS = ("near_duplicate", "exact_duplicate", "url_duplicate")
"""The reason of a drop, by the kind of the pair."""

CANDIDATE_SCHEMA = pa.schema(
    [
        ("document", pa.int64()),  # its number
        ("part", pa.string()),  # input part below the build, or address of an earlier build's part
        ("row", pa.int64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("length", pa.int64()),  # characters of its text, white space folded
        ("date", pa.string()),
        ("signal", pa.float64()),  # that `dedup.keep` names, else null
        ("content", pa.uint64()),  # hash of its text, which decides between equals
        ("tie", pa.uint32()),  # hash of its source, id and URL, which decides between equal texts
        ("is_earlier", pa.bool_()),  # of an earlier build
    ]
)
"""`candidates/*.parquet`: a row for each document that is in a pair, ascending by number."""

PAIR_SCHEMA = pa.schema(
    [
        ("better", pa.int64()),  # the one that would stay
        ("worse", pa.int64()),
        ("better_rank", pa.uint64()),  # of the better one: `pipeline.dedup.rank`
        ("better_content", pa.uint64()),
        ("kind", pa.int8()),  # NEAR, EXACT or URL
        ("shared_buckets", pa.int16()),
        ("estimated_similarity", pa.float64()),  # share of equal minima, of near pairs
        ("similarity", pa.float64()),  # exact, by `dedup.minhash.measure`; null where texts were not compared
    ]
)
"""`pairs/*.parquet`: proposed pairs whose similarity is at least `STORED_SIMILARITY`, and all of other kinds."""
STORED_SIMILARITY = 0.5

EDITS = "edits"
EDIT_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # of the document in the kept part
        ("input_row", pa.int64()),  # in the input part
        ("id", pa.string()),
        ("reason", pa.string()),  # contaminated or repeated_lines
        ("start", pa.int64()),  # characters, in the text before all edits
        ("end", pa.int64()),
        ("hash", pa.uint64()),  # xxh3 of the characters that are cut out, in UTF-8
        ("num_documents", pa.int64()),  # that have a repeated line
        ("detail", pa.string()),  # set and item that contaminate
    ]
)
"""`edits/part-*.parquet`: a row for each place that is cut out of a document that is kept."""
