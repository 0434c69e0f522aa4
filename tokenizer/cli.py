"""`groundup tokenizer train | encode | evaluate`."""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from manifests.code import code_digest, library_versions, software_versions
from manifests.errors import UsageError, UserError
from manifests.manifest import (
    Counts,
    FileEntry,
    FingerprintParts,
    Manifest,
    SourceCounts,
    digest_of_files,
    read_manifest,
    write_manifest,
)
from manifests.storage import Folder, split_path, writing
from tokenizer.bpe import read_tokenizer, tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder
from tokenizer.evaluate import Measures
from tokenizer.evaluate import evaluate as measure
from tokenizer.long_words import MOST_CHARACTERS, BoundedTexts
from tokenizer.shards.write import WrittenShard, shard_facts, write_shard
from tokenizer.texts import FileText, read_texts

_BATCH_TEXTS = 512
_CHECKED_TEXTS = 64  # compared with `tokenizers` before anything is written
_SOURCE = "files"

app = typer.Typer(help="Learn a vocabulary, encode with it, measure it.", no_args_is_help=True)

Files = Annotated[list[str], typer.Argument(help=".txt (one text a file), .jsonl or .parquet (column `text`).")]
TokenizerPath = Annotated[str, typer.Option("--tokenizer", help="A tokenizer.json.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads to encode with.")]


def register(parent: typer.Typer) -> None:
    """Mount these commands as `tokenizer`."""
    parent.add_typer(app, name="tokenizer")


@app.command()
def train(
    files: Files,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write tokenizer.json.")],
    vocab_size: Annotated[int, typer.Option(help="Ids, the 256 bytes and the end-of-text included.")] = 32_768,
    pretokenizer: Annotated[str, typer.Option(help="How text is cut into words: gpt2 or gpt4.")] = "gpt4",
    min_frequency: Annotated[int, typer.Option(min=1, help="Pairs seen less often are never merged.")] = 2,
) -> None:
    """Learn a byte-level BPE vocabulary."""
    if pretokenizer not in ("gpt2", "gpt4"):
        raise UsageError(f"--pretokenizer {pretokenizer}: give gpt2 or gpt4.")
    num_texts = num_bytes = 0

    def texts() -> Iterator[str]:
        nonlocal num_texts, num_bytes
        for found in read_texts(files):
            num_texts += 1
            num_bytes += len(found.text.encode())
            yield found.text

    bounded = BoundedTexts(texts())
    tokenizer = train_bpe(
        bounded,
        vocab_size,
        pretokenizer="gpt2" if pretokenizer == "gpt2" else "gpt4",
        min_frequency=min_frequency,
    )
    folder, name = _split(output)
    folder.publish_bytes(name, tokenizer_bytes(tokenizer))
    num_ids = tokenizer.get_vocab_size()
    typer.echo(f"{output}: {num_ids:,} ids learned from {num_texts:,} texts, {num_bytes / 1e6:,.1f} MB")
    if bounded.num_cut:
        typer.echo(f"{bounded.num_cut:,} words were cut into pieces of {MOST_CHARACTERS} characters to learn from.")
    if num_ids < vocab_size:
        typer.echo(f"Fewer than {vocab_size:,}: no other pair occurs {min_frequency} times. Give more text for more.")


@app.command()
def encode(
    files: Files,
    tokenizer: TokenizerPath,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Folder for token shards; without it, ids go to the terminal.")
    ] = None,
    tokens_per_shard: Annotated[
        int, typer.Option(min=1, help="A shard ends with the document that fills it.")
    ] = 100_000_000,
    threads: Threads = 1,
) -> None:
    """Encode texts: to token shards that `groundup train` reads, in the order given, or to a JSON line a text."""
    contents = read_tokenizer(tokenizer)
    encoder = _encoder(contents, tokenizer, threads)
    if output is None:
        for found, ids in _encoded(encoder, files):
            line = json.dumps({"id": found.id, "ids": ids.tolist()}, ensure_ascii=False)
            with writing("", "standard output"):
                sys.stdout.write(f"{line}\n")
        return
    folder = Folder(output)
    if read_manifest(folder) is not None:
        raise UserError(f"{output}: token shards are here already. Give another folder, or delete this one.")
    folder.remove_unpublished()
    shards = _write_shards(encoder, files, folder, tokens_per_shard)
    if not shards:
        raise UserError("there is no text in these files.")
    settings = {"tokens_per_shard": tokens_per_shard, "tokenizer": hashlib.sha256(contents).hexdigest()}
    inputs = [_file_entry(path) for path in [*files, tokenizer]]
    num_documents = sum(shard.num_documents for shard in shards)
    parts = FingerprintParts(
        settings=settings,
        code=code_digest((__name__,)),
        libraries=library_versions(("gigatoken", "numpy", "pyarrow", "tokenizers")),
        inputs=digest_of_files(inputs),
    )
    outputs = [
        FileEntry.of(file, shard.num_documents, shard.num_tokens if file.path == shard.path else None)
        for shard in shards
        for file in shard.files
    ]
    manifest = Manifest(
        stage="shards",
        recipe="tokenizer-encode",
        fingerprint=parts.digest(),
        fingerprint_of=parts,
        inputs=inputs,
        outputs=outputs,
        counts=Counts(sources={_SOURCE: SourceCounts(documents_in=num_documents, documents_out=num_documents)}),
        facts={
            **shard_facts(encoder.vocab_size, encoder.end_of_text_id, {"train": shards}),
            "tokenizer_sha256": settings["tokenizer"],
        },
        software=software_versions(),
    )
    write_manifest(folder, manifest)
    num_tokens = sum(shard.num_tokens for shard in shards)
    typer.echo(f"{output}: {num_tokens:,} tokens of {num_documents:,} documents in {len(shards)} shards (split train)")


@app.command()
def evaluate(
    files: Files,
    tokenizer: TokenizerPath,
    by: Annotated[str, typer.Option(help="Group texts by `file` or by `language` (the column).")] = "file",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: Threads = 1,
) -> None:
    """Measure bytes per token, tokens per word and the use of the vocabulary."""
    if by not in ("file", "language"):
        raise UsageError(f"--by {by}: give file or language.")
    encoder = _encoder(read_tokenizer(tokenizer), tokenizer, threads)
    stream = read_texts(files)
    first = list(itertools.islice(stream, _CHECKED_TEXTS))
    encoder.check_equal([found.text for found in first])
    found = measure(
        encoder,
        (
            (text.path if by == "file" else text.language or "unknown", text.text)
            for text in itertools.chain(first, stream)
        ),
    )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    table = Table()
    for heading in (by, "documents", "MB", "tokens", "bytes/token", "tokens/word"):
        table.add_column(heading, justify="left" if heading == by else "right", overflow="fold")
    for name, measures in found.groups.items():
        table.add_row(*_cells(name, measures))
    if len(found.groups) > 1:
        table.add_section()
        table.add_row(*_cells("all", found.total))
    Console().print(table)
    typer.echo(
        f"{found.num_used:,} of {found.vocab_size:,} ids are used ({found.used_fraction:.1%}); "
        f"Rényi efficiency {found.renyi_efficiency:.3f}"
    )


def _cells(name: str, measures: Measures) -> tuple[str, ...]:
    return (
        name,
        f"{measures.num_documents:,}",
        f"{measures.num_bytes / 1e6:,.2f}",
        f"{measures.num_tokens:,}",
        f"{measures.bytes_per_token:.3f}",
        f"{measures.tokens_per_word:.3f}",
    )


def _encoder(contents: bytes, path: str, threads: int) -> BulkEncoder:
    try:
        return BulkEncoder(contents, num_threads=threads)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _encoded(encoder: BulkEncoder, files: list[str]) -> Iterator[tuple[FileText, npt.NDArray[np.uint32]]]:
    stream = read_texts(files)
    checked = False
    while batch := list(itertools.islice(stream, _BATCH_TEXTS)):
        texts = [found.text for found in batch]
        if not checked:
            encoder.check_equal(texts[:_CHECKED_TEXTS])
            checked = True
        ids, offsets = encoder.encode_batch(texts)
        for number, found in enumerate(batch):
            yield found, ids[offsets[number] : offsets[number + 1]]


def _write_shards(encoder: BulkEncoder, files: list[str], folder: Folder, tokens_per_shard: int) -> list[WrittenShard]:
    stream = _encoded(encoder, files)
    shards: list[WrittenShard] = []

    def documents(first: tuple[FileText, npt.NDArray[Any]]) -> Iterator[tuple[npt.NDArray[Any], dict[str, Any]]]:
        num_tokens = 0
        for found, ids in itertools.chain([first], stream):
            num_tokens += len(ids) + 1
            row = {"id": found.id, "source": _SOURCE, "url": found.url, "num_bytes": len(found.text.encode())}
            yield ids, {**row, "part": found.path, "row": found.row, "copy": 0}
            if num_tokens >= tokens_per_shard:
                return

    for first in stream:
        stem = f"train/shard-{len(shards):05d}"
        shards.append(write_shard(folder, stem, documents(first), encoder.vocab_size, encoder.end_of_text_id))
    return shards


def _split(path: str) -> tuple[Folder, str]:
    folder, name = split_path(path)
    if not name:
        raise UsageError(f"--output {path}: give the name of a file, such as {path}tokenizer.json.")
    return folder, name


def _file_entry(path: str) -> FileEntry:
    folder, name = _split(path)
    file = folder.digest(name)
    return FileEntry(path=path, bytes=file.bytes, sha256=file.sha256)
