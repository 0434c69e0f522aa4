"""Names, types and columns of token shards."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MANIFEST_NAME = "manifest.json"
BIN_SUFFIX = ".bin"
INDEX_SUFFIX = ".index.parquet"

INDEX_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("start", pa.int64()),  # position in this shard of the document's first token
        ("length", pa.int64()),  # tokens, the end-of-text included: at least 1
        ("num_bytes", pa.int64()),  # UTF-8 bytes of the text
        ("part", pa.string()),  # document part the text lies in, below the build folder
        ("row", pa.int64()),  # row in that part
        ("copy", pa.int32()),  # 0 for the first copy, 1, 2, ... where the mixture repeats a source
    ]
)
IdArray = npt.NDArray[np.int64]


def shard_dtype(vocab_size: int) -> np.dtype[Any]:
    """The type that a shard of this vocabulary stores: `<u2`, or `<u4` above 65,536 ids."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def dtype_name(vocab_size: int) -> str:
    """The same as the manifest names it."""
    return shard_dtype(vocab_size).name
