"""Small builds of real text for the trainer's tests: bytes are tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from manifests.storage import Folder
from tokenizer.shards.write import WrittenShard, shard_facts, write_shard
from train.settings import TrainRecipe

REPOSITORY = Path(__file__).resolve().parents[2]
VOCAB_SIZE, END_OF_TEXT_ID = 257, 256
SMALL_MODEL: dict[str, Any] = {"preset": "tiny", "num_layers": 2, "num_heads": 2, "num_kv_heads": 2, "width": 32}
SMALL_TRAIN: dict[str, Any] = {
    "sequence_length": 32,
    "batch_tokens": 256,
    "max_tokens": 256 * 12,
    "learning_rate": 3e-3,
    "precision": "float32",
    "validate_every_steps": 5,
    "validation_tokens": 1000,
    "checkpoint_every_steps": 4,
    "sample_tokens": 5,
}


def paragraphs(text: str) -> list[str]:
    """Documents: pieces of about 500 characters, cut at blank lines."""
    documents, piece = [], ""
    for part in text.split("\n\n"):
        piece += part + "\n\n"
        if len(piece) >= 500:
            documents.append(piece)
            piece = ""
    return documents


def write_build(output: Path, documents: list[str], num_shards: int = 2, num_validation: int = 4) -> Path:
    """A build of byte-level shards and the tokenizer that belongs to them; returns `output`."""
    folder = Folder(output / "shards")
    train, validation = documents[num_validation:], documents[:num_validation]
    size = -(-len(train) // num_shards)
    parts = [("train", k, train[k * size : (k + 1) * size]) for k in range(num_shards)]
    splits: dict[str, list[WrittenShard]] = {"train": [], "validation": []}
    for split, number, texts in [*parts, ("validation", 0, validation)]:
        rows = ((_ids(text), _row(f"{split}-{number}-{k}", text, k)) for k, text in enumerate(texts))
        splits[split].append(write_shard(folder, f"{split}/shard-{number:05d}", rows, VOCAB_SIZE, END_OF_TEXT_ID))
    outputs = [
        {"path": file.path, "bytes": file.bytes, "sha256": file.sha256}
        for shards in splits.values()
        for shard in shards
        for file in shard.files
    ]
    manifest = {"stage": "shards", "outputs": outputs, "facts": shard_facts(VOCAB_SIZE, END_OF_TEXT_ID, splits)}
    folder.publish_bytes("manifest.json", json.dumps(manifest).encode())
    (output / "tokenizer").mkdir(exist_ok=True)
    byte_tokenizer().save(str(output / "tokenizer" / "tokenizer.json"))
    return output


def byte_tokenizer() -> Tokenizer:
    """256 bytes and the end of text, with the ids that `write_build` uses."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE(vocab=_byte_vocabulary(letters), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def _byte_vocabulary(letters: list[str]) -> dict[str, int]:
    """GPT-2's letter for each byte: printable bytes are themselves, the others follow from U+0100 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    vocabulary = {chr(byte): byte for byte in shown} | {chr(256 + k): byte for k, byte in enumerate(hidden)}
    assert sorted(vocabulary) == sorted(letters)
    return vocabulary


def _ids(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _row(name: str, text: str, number: int) -> dict[str, Any]:
    num_bytes = len(text.encode())
    url = f"http://example.org/{name}"
    return {"id": name, "source": "books", "url": url, "num_bytes": num_bytes, "part": "", "row": number, "copy": 0}


def recipe(output: Path, model: dict[str, Any] | None = None, seed: int = 1, **train: Any) -> TrainRecipe:
    tables = {"model": SMALL_MODEL | (model or {}), "train": SMALL_TRAIN | train}
    return TrainRecipe.model_validate({"name": "test", "output": str(output), "seed": seed, **tables})


def write_recipe(path: Path, output: Path, **train: Any) -> Path:
    import tomli_w

    data = {"name": "test", "output": str(output), "seed": 1, "model": SMALL_MODEL, "train": SMALL_TRAIN | train}
    path.write_text(tomli_w.dumps(data))
    return path


def losses(run: Path) -> list[tuple[Any, ...]]:
    """What a run's metrics say of learning, without speeds."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = ("kind", "step", "tokens", "loss", "gradient_norm", "learning_rate", "validation_loss", "bits_per_byte")
    return [tuple(row.get(key) for key in keys) for row in rows]


def command(*arguments: str | Path, ranks: int = 1) -> subprocess.Popen[str]:
    """Start `python -m train`, under torchrun where `ranks` > 1."""
    start = ["-m"]
    if ranks > 1:
        start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *start, "train", *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
