"""Common Crawl by index: the columnar index of its crawls -> addresses of records -> batches that are fetched.

The index is some 300 Parquet files a crawl, sorted by host. Of each file the footer is read first; row groups whose
smallest and largest values rule every row out are left; of the others the columns that decide are read one after the
other, as long as a row may still answer; and the addresses only where one does.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.draws import draw
from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile, join_url, public_url
from pipeline.sources.common_crawl import CommonCrawlSource, read_listing
from pipeline.sources.crawl_query import Bounds, Condition, filled
from pipeline.sources.remote_parquet import RemoteParquet

INDEX_ROWS = pa.schema(
    [
        pa.field("crawl", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),  # key of the WARC file below the mirror
        pa.field("offset", pa.int64(), nullable=False),  # bytes, as stored
        pa.field("length", pa.int64(), nullable=False),
        pa.field("digest", pa.string()),  # of the payload, sha1 in base 32; null where the index has none
    ]
)
_COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length", "content_digest")
_SUBSET = "/subset=warc/"  # fetched pages; robots.txt files, redirects and errors are listed too
_BATCH_ROWS = 1 << 14
# More than this of one index file, which has some ten million, is not worth single requests.
_MOST_ROWS = 150_000
_MERGE_ROWS = 1 << 10  # of each scan that are in memory while all are merged
# Row groups take memory: threads of a process read footers side by side, and columns one after the other.
_reading_columns = threading.Lock()
BATCH_RECORDS = 2_000
BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class Batch:
    """Records that one task fetches: a row group of the file that `cut_batches` writes.

    row_group: its place in that file.
    number: its place among the batches of its crawl, which does not move when another crawl is added.
    num_bytes: of the records as stored.
    digest: sha256 of its rows.
    """

    row_group: int
    crawl: str
    number: int
    num_records: int
    num_bytes: int
    digest: str

    @property
    def path(self) -> str:
        """Where its records go, below the source's folder."""
        return f"{self.crawl}/records-{self.number:05d}.warc.gz"


def list_index_files(source: CommonCrawlSource, downloader: Downloader) -> list[RemoteFile]:
    """The files of the index of all crawls of the source. Raises `UserError` where a crawl has none."""
    files = []
    for crawl in source.crawls:
        listing = f"crawl-data/{crawl}/cc-index-table.paths.gz"
        keys = [key for key in read_listing(source.mirror, listing, downloader) if _SUBSET in key]
        if not keys:
            url = public_url(join_url(source.mirror, listing))
            raise UserError(f"{url}: lists no index of fetched pages. Choose another crawl, or take whole files.")
        files += [RemoteFile(key=key, url=join_url(source.mirror, key), format="parquet") for key in sorted(keys)]
    return files


def scan_index_file(source: CommonCrawlSource, file: RemoteFile, downloader: Downloader, seed: int = 0) -> pa.Table:
    """Addresses of the records in one index file that answer the source's query, as `INDEX_ROWS`, sorted by address.

    seed: the recipe's; it chooses where the query has `max_records`, of which no file can give more.
    Raises `UserError` where the file is damaged, lacks a column that is asked for, or holds too much that answers.
    """
    query = source.index
    assert query is not None
    parquet = RemoteParquet(file, downloader)
    conditions = query.conditions()
    _check_columns(parquet, conditions)
    crawl = _crawl_of(file.key, source.crawls)
    groups = [group for group in range(parquet.metadata.num_row_groups) if _may_match(parquet, group, conditions)]
    if not groups:
        return INDEX_ROWS.empty_table()
    with _reading_columns:
        try:
            return _scan_groups(source, parquet, groups, conditions, crawl, seed)
        finally:
            pa.default_memory_pool().release_unused()  # what it keeps for this thread, no other can use


def _scan_groups(
    source: CommonCrawlSource,
    parquet: RemoteParquet,
    groups: list[int],
    conditions: list[Condition],
    crawl: str,
    seed: int,
) -> pa.Table:
    assert source.index is not None
    most_records = source.index.max_records
    limit = min(most_records or _MOST_ROWS, _MOST_ROWS)
    found = INDEX_ROWS.empty_table()
    for group in groups:
        rows = _matching_rows(parquet, group, conditions)
        if found.num_rows + rows.size > limit and most_records != limit:
            raise UserError(
                f"source {source.name!r}: more than {limit:,} records of {parquet.shown} answer its index table. Ask "
                "for less, lower max_records, or take whole files with max_files or sample: that is fewer requests."
            )
        for part in _taken(parquet, group, list(_COLUMNS), rows):
            found = pa.concat_tables([found, _addresses(part, crawl)])
            if found.num_rows > limit + _BATCH_ROWS:
                found = _chosen(found, limit, seed)
    found = _chosen(found, limit, seed) if found.num_rows > limit else found
    return found.sort_by([(name, "ascending") for name in ("file", "offset", "length")])


def address_draw(seed: int, file: str, offset: int) -> int:
    """The number by which `max_records` chooses: the smallest are taken."""
    return draw("crawl_records", seed, file, offset)


def _draws(rows: pa.Table, seed: int) -> np.ndarray:
    addresses = (
        address
        for batch in rows.select(["file", "offset"]).to_batches(_BATCH_ROWS)
        for address in zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True)
    )
    return np.fromiter((address_draw(seed, *address) for address in addresses), np.uint64, rows.num_rows)


def _chosen(rows: pa.Table, limit: int, seed: int) -> pa.Table:
    """The rows with the `limit` smallest draws, and those that tie with the last of them."""
    values = _draws(rows, seed)
    return rows.filter(pa.array(values <= np.partition(values, limit - 1)[limit - 1]))


def _check_columns(parquet: RemoteParquet, conditions: list[Condition]) -> None:
    needed = [*(name for condition in conditions for name in condition.columns), *_COLUMNS]
    missing = [name for name in needed if name not in parquet.columns]
    if missing:
        raise UserError(
            f"{parquet.shown}: the index of this crawl has no column {missing[0]}. Ask for something else, or choose a "
            "newer crawl: languages are known since CC-MAIN-2018-39."
        )


def _crawl_of(key: str, crawls: list[str]) -> str:
    """The crawl that an index file is of; its path says it."""
    for part in key.split("/"):
        if part.removeprefix("crawl=") in crawls:
            return part.removeprefix("crawl=")
    raise UserError(f"{key}: this index file is of none of the source's crawls. Use another mirror.")


def _may_match(parquet: RemoteParquet, group: int, conditions: list[Condition]) -> bool:
    """False where the smallest and largest values of a row group's columns rule every row of it out."""
    bounds = {}
    for name in {name for condition in conditions for name in condition.bounded if name in parquet.columns}:
        found = parquet.bounds(group, name)
        if found is not None:
            bounds[name] = Bounds(*found)
    return all(condition.may_hold(bounds) for condition in conditions)


def _matching_rows(parquet: RemoteParquet, group: int, conditions: list[Condition]) -> np.ndarray:
    """Numbers of the rows of a row group for which all conditions hold, ascending."""
    rows = np.arange(parquet.metadata.row_group(group).num_rows, dtype=np.int32)
    for condition in conditions:
        if not rows.size:
            break
        names = [*condition.columns, *(name for name in condition.optional if name in parquet.columns)]
        masks = (
            filled(condition.holds({name: part.column(name) for name in names}))
            for part in _taken(parquet, group, names, rows)
        )
        rows = rows[np.concatenate(list(masks))]
    return rows


def _addresses(part: Any, crawl: str) -> pa.Table:
    """A batch of the index's own columns as `INDEX_ROWS`."""
    columns = [part.column(name).cast(field.type) for name, field in zip(_COLUMNS, list(INDEX_ROWS)[1:], strict=True)]
    return pa.table([pa.array([crawl] * part.num_rows, pa.string()), *columns], schema=INDEX_ROWS)


def _taken(parquet: RemoteParquet, group: int, names: list[str], rows: np.ndarray) -> Iterator[Any]:
    """Batches of these columns with these rows (ascending) alone; nothing after the last of them is read."""
    if not rows.size:
        return
    first = done = 0
    for batch in parquet.batches(group, names, _BATCH_ROWS):
        end = int(np.searchsorted(rows, first + batch.num_rows))
        if end > done:
            yield batch.take(pa.array(rows[done:end] - first))
            done = end
        first += batch.num_rows
        if done == rows.size:
            return
    raise UserError(f"{parquet.shown}: row group {group} ends before its last row. Use another mirror.")


def cut_batches(
    scans: Sequence[str], source: CommonCrawlSource, folder: Folder, path: str, seed: int = 0
) -> list[Batch]:
    """Merge the scans of a source and cut what they found into batches, one row group of the file `path` for each.

    scans: paths below `folder` of the tables of `scan_index_file`, as Parquet. Rows are sorted by crawl, file and
    offset; exact repeats are one. A batch is of one crawl and has at most 2,000 records and 64 MiB, but always one.
    Raises `UserError` where nothing answers the query, or where two rows of the index contradict each other.
    """
    query = source.index
    assert query is not None
    limits = _limits(scans, query.max_records, folder, seed) if query.max_records else None
    batches: list[Batch] = []
    with folder.publish(path) as file, pq.ParquetWriter(file, INDEX_ROWS, compression="zstd") as writer:
        for rows in _cut(_merged(scans, folder, limits, seed)):
            crawl = rows[0][0]
            number = batches[-1].number + 1 if batches and batches[-1].crawl == crawl else 0
            table = pa.table(list(zip(*rows, strict=True)), schema=INDEX_ROWS)
            digest = hashlib.sha256("".join(f"{json.dumps(row)}\n" for row in rows).encode()).hexdigest()
            batches.append(Batch(len(batches), crawl, number, len(rows), sum(row[3] for row in rows), digest))
            writer.write_table(table, row_group_size=len(rows))
        if not batches:
            raise UserError(
                f"source {source.name!r}: no record of {', '.join(source.crawls)} answers its index table. Check its "
                "spelling, or ask for more."
            )
    return batches


def read_batch(folder: Folder, path: str, row_group: int) -> pa.Table:
    """The rows of one batch."""
    with folder.open(path) as file:
        return pq.ParquetFile(file).read_row_group(row_group, use_threads=False)


def write_scan(rows: pa.Table, file: Any) -> None:
    """Write what a scan found as Parquet, so that it can be merged a piece at a time."""
    pq.write_table(rows, file, compression="zstd", row_group_size=_MERGE_ROWS)


_Row = tuple[str, str, int, int, str | None]


def _rows(path: str, folder: Folder) -> Iterator[_Row]:
    """Rows of a scan. Its file is opened for each piece of it: a source may have more scans than files can be open."""
    group, num_groups = 0, 1
    while group < num_groups:
        with folder.open(path) as file:
            parquet = pq.ParquetFile(file)
            num_groups = parquet.num_row_groups
            table = parquet.read_row_group(group, use_threads=False) if num_groups else INDEX_ROWS.empty_table()
        for batch in table.to_batches(_MERGE_ROWS // 16):  # a row takes more memory as Python has it
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        group += 1


def _limits(scans: Sequence[str], number: int, folder: Folder, seed: int) -> dict[str, int]:
    """By crawl: the largest of the `number` smallest draws of its addresses."""
    smallest: defaultdict[str, np.ndarray] = defaultdict(lambda: np.empty(0, np.uint64))
    for path in scans:
        with folder.open(path) as file:
            rows = pq.read_table(file, columns=["crawl", "file", "offset"])
        for crawl in pc.unique(rows["crawl"]).to_pylist():
            more = _draws(rows.filter(pc.equal(rows["crawl"], crawl)), seed)
            smallest[crawl] = np.unique(np.concatenate([smallest[crawl], more]))[:number]
    return {crawl: int(values[-1]) for crawl, values in smallest.items()}


def _merged(scans: Sequence[str], folder: Folder, limits: dict[str, int] | None, seed: int) -> Iterator[_Row]:
    before: _Row | None = None
    for row in heapq.merge(*(_rows(path, folder) for path in scans), key=lambda row: row[:4]):
        crawl, file, offset, _, digest = row
        if limits is not None and address_draw(seed, file, offset) > limits[crawl]:
            continue
        if before is not None and row[:3] == before[:3]:
            if row[3] != before[3] or (digest or before[4]) != (before[4] or digest):
                raise UserError(
                    f"{file}: the index of {crawl} has two different records at {offset}. Use another mirror."
                )
            continue
        before = row
        yield row


def _cut(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    num_bytes = 0
    for row in rows:
        full = len(batch) == BATCH_RECORDS or num_bytes + row[3] > BATCH_BYTES
        if batch and (full or row[0] != batch[0][0]):
            yield batch
            batch, num_bytes = [], 0
        batch.append(row)
        num_bytes += row[3]
    if batch:
        yield batch
