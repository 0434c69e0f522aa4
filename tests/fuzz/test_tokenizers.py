"""`tokenizer.json` files: refused in one line, or encoded with the ids of `tokenizers`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from manifests.errors import UserError
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed_json
from tests.fuzz.seeds import ARTICLE, HTML
from tests.train.builds import byte_tokenizer
from tokenizer.bpe import load_gpt2, tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder
from train.generate import load_tokenizer

_TEXTS = ["\n".join(ARTICLE), HTML, "", " ", "漢字 é e\u0301 \U0001f600 <|endoftext|> ﬁ\r\n\t x", "<pad> [CLS] a"]
_NORMALIZERS = ({"type": "NFC"}, {"type": "Lowercase"}, {"type": "Sequence", "normalizers": [{"type": "NFKC"}]},
                {"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"},
                {"type": "Strip", "strip_left": True, "strip_right": True})  # fmt: skip
_ADDED = {"id": 5, "content": "the", "single_word": False, "lstrip": True, "rstrip": True, "normalized": True}


def check_tokenizer(case: Case) -> None:
    try:
        encoder = BulkEncoder(case.data)
        encoder.check_equal(_TEXTS)
    except UserError as error:
        check_user_error(error)
    else:
        assert 0 <= encoder.end_of_text_id < encoder.vocab_size < 1 << 32, "ids beyond the vocabulary"
        for text in _TEXTS:
            assert encoder.decode(encoder.encode(text)) == text, "a text that does not come back"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_bytes(case.data)
        try:
            load_tokenizer(path)
        except UserError as error:
            check_user_error(error, str(path))


def check_gpt2(case: Case) -> None:
    """GPT-2's two files, of which one is changed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in _gpt2_files().items():
            (Path(folder) / name).write_bytes(case.data if name == case.name else data)
        try:
            load_gpt2(folder)
        except UserError as error:
            check_user_error(error, folder)


def _gpt2_files() -> dict[str, bytes]:
    model = json.loads(tokenizer_bytes(train_bpe(ARTICLE, 300)))["model"]
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    return {"encoder.json": json.dumps(model["vocab"]).encode(), "vocab.bpe": f"#version: 0.2\n{merges}".encode()}


def _seeds() -> list[Case]:
    plain = [
        tokenizer_bytes(train_bpe(ARTICLE, 300, pretokenizer="gpt2")),
        tokenizer_bytes(train_bpe(ARTICLE, 300, pretokenizer="gpt4")),
        tokenizer_bytes(byte_tokenizer()),
    ]
    odd = []
    for number, normalizer in enumerate(_NORMALIZERS):
        data = json.loads(plain[number % 2])
        data["normalizer"] = normalizer
        odd.append(json.dumps(data).encode())
    data = json.loads(plain[0])
    data["added_tokens"].append({**_ADDED, "id": len(data["model"]["vocab"]), "special": False})
    return [Case("tokenizer.json", data) for data in (*plain, *odd, json.dumps(data).encode())]


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    return Case(case.name, changed_json(random, case.data, [random.choice(seeds).data]))


TARGETS = [
    Target("tokenizer", _seeds, check_tokenizer, _mutate),
    Target("tokenizer-gpt2", lambda: [Case(name, data) for name, data in _gpt2_files().items()], check_gpt2, _mutate,
           ci_inputs=30),
]  # fmt: skip

test_inputs = fuzz_test(TARGETS)
