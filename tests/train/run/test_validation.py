"""Bits per byte: the bytes are those of the very targets that were read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from manifests.errors import UserError
from manifests.storage import Folder
from tests.tokenizer.test_token_bytes import TEXTS, byte_tokens, with_byte_fallback
from tests.train.builds import losses, recipe, write_build
from tokenizer.bpe import train_bpe
from tokenizer.shards.read import ShardSet
from tokenizer.shards.write import shard_facts, write_shard
from train.objectives.pretrain import pretrain
from train.parallel.hardware import find_hardware
from train.parallel.ranks import Ranks
from train.run.validation import TargetBytes, validate

TOKENIZERS = {
    "trained": lambda: train_bpe([*TEXTS] * 3, 400),
    "torn": lambda: byte_tokens("日本".encode()[1:5], "🙂🙃".encode()[2:6], b"\xc3\xa9\xe6\x97"),
    "byte fallback": with_byte_fallback,
}


def ids_of(tokenizer: Tokenizer, texts: tuple[str, ...]) -> list[int]:
    end = tokenizer.token_to_id("<|endoftext|>")
    return [token for text in texts for token in [*tokenizer.encode(text, add_special_tokens=False).ids, end]]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_whole_documents_have_the_bytes_of_their_texts(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    texts = ("", *TEXTS, "", TEXTS[1])
    ids = np.array(ids_of(tokenizer, texts))
    end = tokenizer.token_to_id("<|endoftext|>")
    counted = TargetBytes(tokenizer, int(ids.max()) + 1, end).count(ids)
    assert counted == sum(len(text.encode()) for text in texts)  # the first text is empty, and so is the first token


@pytest.mark.parametrize("name", ["trained", "torn"])
@pytest.mark.parametrize("most", [1, 2, 17, 64, 10**6])
def test_of_the_targets_up_to_the_last_one(name: str, most: int, tmp_path: Path) -> None:
    """The split is cut inside a document, inside a sequence and inside a character."""
    tokenizer = TOKENIZERS[name]()
    vocab_size, end = tokenizer.get_vocab_size(), tokenizer.token_to_id("<|endoftext|>")
    row = {"source": "s", "url": None, "part": "", "row": 0, "copy": 0}
    documents = [
        (np.array(tokenizer.encode(text).ids), row | {"id": str(number), "num_bytes": len(text.encode())})
        for number, text in enumerate(TEXTS)
    ]
    shard = write_shard(Folder(tmp_path), "validation/shard-00000", documents, vocab_size, end)
    facts = shard_facts(vocab_size, end, {"validation": [shard]})
    (tmp_path / "manifest.json").write_text(json.dumps({"stage": "shards", "outputs": [], "facts": facts}))
    shards = ShardSet.open(Folder(tmp_path), "validation")

    class Uniform(torch.nn.Module):
        def forward(self, tokens_BT: torch.Tensor, targets_BT: torch.Tensor, **_: object) -> torch.Tensor:
            return torch.tensor(float(targets_BT.numel()))

    target_bytes = TargetBytes(tokenizer, vocab_size, end)
    found = validate(Uniform(), shards, most, 8, 2, Ranks(), find_hardware("float32"), target_bytes)
    assert found is not None
    ids = shards.read(0, found.num_tokens + 1)
    # Each token by itself, as the library's decoder gives it in Latin letters for bytes.
    num_bytes = sum(len(tokenizer.id_to_token(int(token))) for token in ids[1:] if token != end)
    assert found.num_tokens == min(most, shards.num_tokens - 1)
    if num_bytes:
        assert found.bits_per_byte == pytest.approx(found.num_tokens / math.log(2) / num_bytes)
    else:
        assert found.bits_per_byte is None


def test_a_run_without_a_tokenizer_has_no_bits_per_byte(documents: list[str], tmp_path: Path) -> None:
    build = write_build(tmp_path / "build", documents)
    (build / "tokenizer" / "tokenizer.json").unlink()
    pretrain(recipe(build, max_tokens=512), tmp_path / "run")
    rows = [row for row in losses(tmp_path / "run") if row[0] == "validation"]
    assert [row[7] for row in rows] == [None, None]
    assert all(row[6] > 0 for row in rows)


def test_another_tokenizer_than_that_of_the_shards_is_refused(documents: list[str], tmp_path: Path) -> None:
    build = write_build(tmp_path / "build", documents)
    path = build / "shards" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["facts"]["tokenizer_sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"tokenizer/tokenizer\.json: not the tokenizer that the shards were encoded"):
        pretrain(recipe(build), tmp_path / "run")
