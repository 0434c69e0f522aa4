"""Learning and loading byte-level BPE."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from manifests.errors import UserError
from tokenizer.bpe import END_OF_TEXT, Pretokenizer, load_gpt2, read_tokenizer, tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder

REPOSITORY = Path(__file__).resolve().parents[2]
PROSE = (Path(__file__).read_text() + (REPOSITORY / "tokenizer" / "shards" / "read.py").read_text()).split("\n\n")


@pytest.fixture(scope="module", params=["gpt2", "gpt4"])
def small(request: pytest.FixtureRequest) -> Tokenizer:
    return train_bpe(PROSE, 500, pretokenizer=request.param)


def test_ids_are_special_then_bytes_then_merges(small: Tokenizer) -> None:
    assert small.get_vocab_size() == 500
    assert small.token_to_id(END_OF_TEXT) == 0
    assert all(len(small.id_to_token(token) or "") == 1 for token in range(1, 257))
    assert all(len(small.id_to_token(token) or "") > 1 for token in range(257, 500))
    (added,) = json.loads(tokenizer_bytes(small))["added_tokens"]
    assert (added["content"], added["special"], added["normalized"]) == (END_OF_TEXT, True, False)


@settings(max_examples=150, deadline=None)
@given(text=st.text())
def test_any_unicode_comes_back(small: Tokenizer, text: str) -> None:
    ids = small.encode(text, add_special_tokens=False).ids
    assert small.decode(ids, skip_special_tokens=False) == text


def test_words_are_cut_as_named() -> None:
    texts = ["call 12345678 NOW's the Time\n\n  (end)"]
    cut = {name: train_bpe(texts, 257, pretokenizer=name) for name in ("gpt2", "gpt4")}
    words = {name: [word for word, _ in t.pre_tokenizer.pre_tokenize_str(texts[0])] for name, t in cut.items()}
    assert words["gpt2"] == ["call", "Ġ12345678", "ĠNOW", "'s", "Ġthe", "ĠTime", "ĊĊĠ", "Ġ(", "end", ")"]
    assert words["gpt4"] == [
        "call",
        "Ġ",
        "123",
        "456",
        "78",
        "ĠNOW",
        "'s",
        "Ġthe",
        "ĠTime",
        "ĊĊ",
        "Ġ",
        "Ġ(",
        "end",
        ")",
    ]


def test_wikipedia_example() -> None:
    # https://en.wikipedia.org/wiki/Byte_pair_encoding: aaabdaaabac becomes XdXac with Z=aa, Y=ab, X=ZY.
    trained = train_bpe(["aaabdaaabac"], 256 + 3, special_tokens=(), min_frequency=1)
    assert json.loads(tokenizer_bytes(trained))["model"]["merges"] == [["a", "a"], ["a", "b"], ["aa", "ab"]]
    ids = trained.encode("aaabdaaabac").ids
    assert [trained.id_to_token(token) for token in ids] == ["aaab", "d", "aaab", "a", "c"]
    assert ids[0] == 258


def test_text_and_threads_alone_decide(tmp_path: Path) -> None:
    shuffled = PROSE * 3
    random.Random(1).shuffle(shuffled)
    program = """
import json, sys
from tokenizer.bpe import tokenizer_bytes, train_bpe
sys.stdout.buffer.write(tokenizer_bytes(train_bpe(json.load(sys.stdin), 1500, pretokenizer="gpt4")))
"""
    outputs = set()
    for threads, texts in [("1", PROSE * 3), ("2", shuffled), ("7", PROSE * 3)]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "RAYON_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "true",
        }
        run = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(texts).encode(),
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert Tokenizer.from_str(outputs.pop().decode()).get_vocab_size() == 1500


def test_other_libraries_load_the_file(small: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(tokenizer_bytes(small))
    text = "def test_shards(folder): # naïve 東京 🙂\n\treturn 12345"
    expected = small.encode(text).ids
    again = Tokenizer.from_file(str(file))
    assert again.encode(text).ids == expected
    assert tokenizer_bytes(again) == file.read_bytes() == read_tokenizer(str(file))
    fast = PreTrainedTokenizerFast(tokenizer_file=str(file), eos_token=END_OF_TEXT)
    assert fast(text)["input_ids"] == expected
    assert fast.eos_token_id == small.token_to_id(END_OF_TEXT)
    assert fast(text + END_OF_TEXT)["input_ids"] == [*expected, fast.eos_token_id]
    assert fast.decode(expected, clean_up_tokenization_spaces=False) == text


def test_special_tokens_are_no_part_of_merges() -> None:
    trained = train_bpe([END_OF_TEXT] * 100, 400)
    assert trained.encode(END_OF_TEXT).ids == [0]
    assert trained.get_vocab_size() == 257 + 10  # all merges of "<|", "endoftext" and "|>"
    assert sum(token == END_OF_TEXT for token in trained.get_vocab()) == 1


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(UserError, match="set vocab_size to 257 or more"):
        train_bpe(["text"], 256)
    assert train_bpe([], 300).get_vocab_size() == 257


def test_an_error_of_the_texts_comes_through() -> None:
    def texts():  # type: ignore[no-untyped-def]
        yield "fine"
        raise UserError("part-00000.parquet: row 7 cannot be read.")

    with pytest.raises(UserError, match="row 7"):
        train_bpe(texts(), 300)


def test_gpt2_fixtures(shared_data: Path) -> None:
    gpt2 = load_gpt2(str(shared_data / "tokenizer" / "gpt2"))
    fixtures = shared_data / "tokenizer" / "microsoft-fixtures"
    text = (fixtures / "lib.rs.txt").read_bytes().decode()
    expected = json.loads((fixtures / "tokens_gpt2.json").read_text())
    assert len(expected) == 11_378
    assert gpt2.encode(text).ids == expected
    encoder = BulkEncoder(tokenizer_bytes(gpt2))
    assert (encoder.vocab_size, encoder.end_of_text_id) == (50_257, 50_256)
    assert encoder.encode(text).tolist() == expected
    assert encoder.decode(expected) == text


def test_wrong_gpt2_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder\.json"):
        load_gpt2(str(tmp_path))
    (tmp_path / "encoder.json").write_text('{"a": 0, "b": 1}')
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\na b\n")
    with pytest.raises(UserError, match=r"not GPT-2's vocabulary .*needs 'ab'"):
        load_gpt2(str(tmp_path))
    with pytest.raises(UserError, match="no such"):
        read_tokenizer(str(tmp_path / "none.json"))
    wrong = ["[1]", '"a"', "[" * 100_000]
    wrong += [f'{{"a": {value}, "b": 1, "ab": 2}}' for value in ("null", "{}", "-1", "4294967296", '"0"')]
    for vocab in wrong:
        (tmp_path / "encoder.json").write_text(vocab)
        with pytest.raises(UserError, match="not GPT-2's vocabulary"):
            load_gpt2(str(tmp_path))


@pytest.mark.parametrize("pretokenizer", ["gpt2", "gpt4"])
def test_real_text_of_many_languages_comes_back(shared_data: Path, pretokenizer: Pretokenizer) -> None:
    text = (shared_data / "books" / "gitenberg" / "huckleberry-finn-76-0.txt").read_text(encoding="utf-8")
    trained = train_bpe(text.split("\n\n"), 2_000, pretokenizer=pretokenizer)
    assert trained.decode(trained.encode(text).ids) == text
    assert len(text.encode()) / len(trained.encode(text).ids) > 3
