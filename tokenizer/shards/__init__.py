"""The token-shard format: what the trainer reads.

A split of a corpus ("train", "validation") is a sequence of shards. A shard is two files:

- `shard-00000.bin`: token ids, little-endian uint16 (uint32 where the vocabulary has more than 65,536 ids), documents
  in order, each ended by the end-of-text id. No header: token `i` stands at byte `i * itemsize`.
- `shard-00000.index.parquet` (zstd): one row a document, in order (`INDEX_SCHEMA`).

The `.bin` is published before its index, and the manifest that names both comes last: whatever an interrupted writer
leaves behind, no manifest names it. A position in a split counts tokens from its first shard on, so `read`,
`locate` and `document_at` need no other state than one number.
"""
