"""Bulk encoding gives the ids of `tokenizers`, for every text."""

from __future__ import annotations

import itertools
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from manifests.errors import UserError
from manifests.storage import Folder
from tokenizer.bpe import END_OF_TEXT, load_merges, tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder
from tokenizer.shards.read import ShardSet
from tokenizer.shards.write import shard_facts, write_shard

PROSE = Path(__file__).read_text().split("\n")


def reference(encoder: BulkEncoder, texts: list[str]) -> list[list[int]]:
    """Independent of the encoder's own copy: a fresh tokenizer, special tokens off."""
    fresh = Tokenizer.from_str(encoder.reference.to_str())
    fresh.encode_special_tokens = True
    return [found.ids for found in fresh.encode_batch(texts, add_special_tokens=False)]


def unflatten(ids: np.ndarray, offsets: np.ndarray) -> list[list[int]]:
    return [ids[first:last].tolist() for first, last in itertools.pairwise(offsets)]


@pytest.fixture(scope="module", params=["gpt2", "gpt4"])
def encoder(request: pytest.FixtureRequest) -> BulkEncoder:
    trained = train_bpe([*PROSE, END_OF_TEXT], 600, (END_OF_TEXT, "<|pad|>"), pretokenizer=request.param)
    return BulkEncoder(tokenizer_bytes(trained))


TEXTS = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("aA1 \n\t'!|<>\u088f𲎰"))
) | (st.sampled_from([END_OF_TEXT, f"a {END_OF_TEXT}\n", "<|endoftext", "<|pad|>", "don't 12345  x"]))


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, max_size=12), num_threads=st.integers(1, 4))
def test_ids_equal_those_of_tokenizers(encoder: BulkEncoder, texts: list[str], num_threads: int) -> None:
    encoder.num_threads = num_threads
    ids, offsets = encoder.encode_batch(texts)
    encoder.num_threads = 1
    assert ids.dtype == np.uint32
    assert offsets.dtype == np.int64
    assert unflatten(ids, offsets) == reference(encoder, texts)
    assert [encoder.decode(found) for found in unflatten(ids, offsets)] == texts
    encoder.check_equal(texts)


def visible_boundaries(pretokenizer: Any) -> BulkEncoder:
    """A tokenizer that merges any byte with a letter, digit, sign, space or line end beside it, so that ids show every
    place where a text was cut into words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {byte: number for number, byte in enumerate(alphabet)}
    merges = []
    for byte in alphabet:
        for neighbour in "a1!ĠĊ":
            for pair in ((byte, neighbour), (neighbour, byte)):
                if pair[0] + pair[1] not in vocab:
                    vocab[pair[0] + pair[1]] = len(vocab)
                    merges.append(pair)
    return BulkEncoder(tokenizer_bytes(load_merges(vocab, merges, pretokenizer=pretokenizer)))


@pytest.mark.parametrize("pretokenizer", ["gpt2", "gpt4"])
def test_every_code_point_is_cut_as_tokenizers_cuts_it(pretokenizer: Any) -> None:
    encoder = visible_boundaries(pretokenizer)
    # Planes 4 to 13 are empty, 15 and 16 private: their first 256 stand for the rest.
    code_points = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000)]
    code_points += [plane * 0x10000 + k for plane in (4, 9, 13, 15, 16) for k in range(256)]
    texts = [
        "".join(f"a{chr(c)}a 1{chr(c)}\n" for c in code_points[start : start + 64])
        for start in range(0, len(code_points), 64)
    ]
    ids, offsets = encoder.encode_batch(texts)
    wrong = [
        hex(code_points[64 * number])
        for number, (found, expected) in enumerate(zip(unflatten(ids, offsets), reference(encoder, texts), strict=True))
        if found != expected
    ]
    assert wrong == []


def test_recent_letters_differ_without_care() -> None:
    """Why `tokenizers` encodes them: if this fails, the libraries agree and the detour may go."""
    encoder = visible_boundaries("gpt2")
    text = "a\U000323b0a"
    assert encoder._encode_fast([text])[0].tolist() != reference(encoder, [text])[0]
    assert encoder.encode(text).tolist() == reference(encoder, [text])[0]


def test_special_tokens_in_text_are_text(encoder: BulkEncoder, tmp_path: Path) -> None:
    text = f"a page about {END_OF_TEXT} and <|pad|>{END_OF_TEXT}"
    ids = encoder.encode(text)
    assert encoder.end_of_text_id not in ids
    assert encoder.decode(ids) == text
    # The plain loading of the same file would have injected it.
    assert encoder.end_of_text_id in Tokenizer.from_str(encoder.reference.to_str()).encode(text).ids
    row = {"id": "a", "source": "s", "url": None, "num_bytes": len(text), "part": "p", "row": 0, "copy": 0}
    folder = Folder(tmp_path)
    shard = write_shard(folder, "train/shard-00000", [(ids, row)], encoder.vocab_size, encoder.end_of_text_id)
    facts = shard_facts(encoder.vocab_size, encoder.end_of_text_id, {"train": [shard]})
    folder.publish_bytes("manifest.json", json.dumps({"facts": facts}).encode())
    assert encoder.decode(ShardSet.open(folder).read(0, len(ids))) == text


def test_real_text_in_79_languages(encoder: BulkEncoder, shared_data: Path) -> None:
    texts = []
    with tarfile.open(shared_data / "lid" / "lingua-testdata.tar.xz") as archive:
        for member in archive:
            if member.isfile() and "sentence" in member.name:
                file = archive.extractfile(member)
                assert file is not None
                texts.append("".join(file.read().decode("utf-8")[:8_000]))
    assert len(texts) >= 70
    encoder.check_equal(texts)


def test_a_difference_is_named(encoder: BulkEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["same", "import numpy as np", "same"]
    sound = encoder.encode_batch

    def wrong(texts: list[str]) -> Any:
        ids, offsets = sound(texts)
        ids = ids.copy()
        ids[offsets[2] - 1] += 1
        return ids, offsets

    monkeypatch.setattr(encoder, "encode_batch", wrong)
    last = len(sound(texts[1:2])[0]) - 1
    with pytest.raises(UserError, match=rf"text 1 \('import numpy as np'\) from token {last} on"):
        encoder.check_equal(texts)


def test_truncation_and_padding_of_the_file_do_not_apply() -> None:
    trained = train_bpe(PROSE, 400)
    plain = BulkEncoder(tokenizer_bytes(trained))
    trained.enable_truncation(4)
    trained.enable_padding(length=8)
    encoder = BulkEncoder(tokenizer_bytes(trained))
    text = "a text of many tokens, more than four"
    encoder.check_equal([text, "b"])
    assert encoder.encode(text).tolist() == plain.encode(text).tolist()


def test_vocab_size_counts_ids_above_the_merges() -> None:
    trained = train_bpe(PROSE, 300, special_tokens=())
    trained.add_special_tokens([END_OF_TEXT])
    encoder = BulkEncoder(tokenizer_bytes(trained))
    assert (encoder.vocab_size, encoder.end_of_text_id) == (301, 300)


def word_level() -> bytes:
    model = Tokenizer(models.WordLevel({"a": 0, END_OF_TEXT: 1}, unk_token="a"))
    return tokenizer_bytes(model)


def test_what_cannot_be_loaded_is_refused() -> None:
    cases: list[tuple[str | bytes, str]] = [
        (b"nonsense", "not a tokenizer.json"),
        (b"\xff", "not a tokenizer.json"),
        ("{}", "not a tokenizer.json"),
        (word_level(), "its model WordLevel changes text"),
        (tokenizer_bytes(train_bpe(PROSE, 300, special_tokens=())), r"has no token <\|endoftext\|>"),
    ]
    for contents, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            BulkEncoder(contents)
        assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_is_named(encoder: BulkEncoder) -> None:
    with pytest.raises(UserError, match=r"text 1 .* not Unicode: character 1"):
        encoder.encode_batch(["fine", "a\ud800b"])


def test_empty_batches_and_texts(encoder: BulkEncoder) -> None:
    ids, offsets = encoder.encode_batch([])
    assert (ids.tolist(), offsets.tolist()) == ([], [0])
    ids, offsets = encoder.encode_batch(["", "", ""])
    assert (ids.tolist(), offsets.tolist()) == ([], [0, 0, 0, 0])
    with pytest.raises(TypeError, match="between processes"):
        pickle.dumps(encoder)


@pytest.mark.parametrize("largest", [1 << 24, (1 << 32) - 1])
def test_an_id_too_large_to_make_tables_of_is_refused(largest: int) -> None:
    """A library would end the process where it gets no memory for them."""
    data = json.loads(tokenizer_bytes(train_bpe(["a text of some words"], 260)))
    last = max(data["model"]["vocab"], key=data["model"]["vocab"].get)
    data["model"]["vocab"][last] = largest
    with pytest.raises(UserError, match=f"has the id {largest:,}; ids go up to"):
        BulkEncoder(json.dumps(data))


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": []}},
        {"pre_tokenizer": "bytes"},
        {"decoder": 5},
        {"added_tokens": {"id": 0}},
        {"added_tokens": [0]},
        {"added_tokens": [{"id": 0, "content": 5}]},
        {"model": []},
        {"model": {"type": "BPE", "vocab": [], "merges": {}}},
    ],
    ids=str,
)
def test_parts_of_other_types_are_refused(change: dict[str, Any]) -> None:
    data = json.loads(tokenizer_bytes(train_bpe(["a text of some words"], 260)))
    with pytest.raises(UserError):
        BulkEncoder(json.dumps(data | change))
