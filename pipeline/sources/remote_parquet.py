"""Reads a Parquet file at a mirror by ranges: its footer, then only the column chunks that are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile, public_url

MOST_RANGE_BYTES = 4 << 20  # of one request
_FOOTER_BYTES = 256 << 10  # holds the footer of most files
_GAP_BYTES = 64 << 10  # as much is rather read and thrown away than asked around
_BUFFER_BYTES = 2 << 20  # of a column chunk that is read piece by piece, as far as rows are asked for


class RangeFile(io.RawIOBase):
    """A remote file as a seekable one. Every read is a ranged request that the downloader retries.

    `plan` says which spans will be read, so that small neighbours come in one request and are held. Raises `UserError`
    where the mirror does not say the file's size.
    """

    def __init__(self, file: RemoteFile, downloader: Downloader) -> None:
        super().__init__()
        self._url = file.url
        self._downloader = downloader
        self._version, size = downloader.describe(file.url)
        if size is None:
            raise UserError(f"{public_url(file.url)}: the mirror does not say its size. Use another mirror.")
        self.num_bytes = size
        self.num_requests = 0
        self.num_fetched_bytes = 0
        self._position = 0
        self._planned: list[tuple[int, int]] = []
        self._held: dict[tuple[int, int], bytes] = {}
        self.plan([(max(0, size - _FOOTER_BYTES), size)])

    def plan(self, spans: Iterable[tuple[int, int]]) -> None:
        """Spans (start, stop) that will be read next; small ones near each other are fetched together."""
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(spans):
            if joined and start - joined[-1][1] <= _GAP_BYTES and stop - joined[-1][0] <= MOST_RANGE_BYTES:
                joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
            else:
                joined.append((start, stop))
        self._planned, self._held = [], {}
        left = MOST_RANGE_BYTES
        for start, stop in sorted(joined, key=lambda span: span[1] - span[0]):
            if stop - start <= left:  # the others are read piece by piece
                self._planned.append((start, stop))
                left -= stop - start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        return self.num_bytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.num_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        start = min(self._position, self.num_bytes)
        stop = self.num_bytes if size is None or size < 0 else min(self.num_bytes, start + size)
        data = self._read(start, stop)
        self._position = stop
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        for first, last in self._planned:
            if first <= start and stop <= last:
                return self._span(first, last)[start - first : stop - first]
        return b"".join(
            self._fetch(at, min(stop, at + MOST_RANGE_BYTES)) for at in range(start, stop, MOST_RANGE_BYTES)
        )

    def _span(self, first: int, last: int) -> bytes:
        if (first, last) not in self._held:
            self._held[first, last] = self._fetch(first, last)
        return self._held[first, last]

    def _fetch(self, start: int, stop: int) -> bytes:
        self.num_requests += 1
        self.num_fetched_bytes += stop - start
        return self._downloader.fetch_range(self._url, start, stop - start, self._version)


class RemoteParquet:
    """A Parquet file at a mirror. Raises `UserError` where it is none or is damaged."""

    def __init__(self, file: RemoteFile, downloader: Downloader) -> None:
        self.shown = public_url(file.url)
        self.file = RangeFile(file, downloader)
        try:
            # One buffer for each column that is read: memory does not depend on the size of a row group.
            self._parquet = pq.ParquetFile(self.file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from None
        self.metadata = self._parquet.metadata
        self._columns = {self.metadata.schema.column(at).path: at for at in range(self.metadata.num_columns)}

    @property
    def columns(self) -> set[str]:
        """Names of the columns."""
        return set(self._columns)

    def bounds(self, group: int, column: str) -> tuple[Any, Any] | None:
        """Smallest and largest value of a column in a row group, where the file says them."""
        try:
            statistics = self.metadata.row_group(group).column(self._columns[column]).statistics
            if statistics is None or not statistics.has_min_max:
                return None
            return statistics.min, statistics.max
        except (UnicodeDecodeError, pa.ArrowException, OSError):
            return None  # bounds only save reading

    def batches(self, group: int, columns: list[str], num_rows: int) -> Iterable[Any]:
        """Record batches of some columns of a row group, at most `num_rows` rows each."""
        row_group = self.metadata.row_group(group)
        self.file.plan(_span_of(row_group.column(self._columns[name])) for name in columns)
        try:
            yield from self._parquet.iter_batches(num_rows, row_groups=[group], columns=columns, use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> UserError:
        what = " ".join(str(error).split()) or type(error).__name__
        return UserError(
            f"{self.shown}: not a whole Parquet file ({what}). Run the same command later or use another mirror."
        )


def _span_of(chunk: Any) -> tuple[int, int]:
    """Where a column chunk lies in the file."""
    starts = [chunk.data_page_offset]
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        starts.append(chunk.dictionary_page_offset)
    return min(starts), min(starts) + chunk.total_compressed_size
