"""The bytes of tokens, and text out of them a token at a time: no character is broken."""

from __future__ import annotations

import random

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer.bpe import load_merges, train_bpe
from tokenizer.token_bytes import TextStream, byte_letters, token_bytes

LETTER = {byte: letter for letter, byte in byte_letters().items()}
TEXTS = (
    "plain words, 1 2 3",
    "naïve café Ünïcödé",
    "日本語の文章と中文",
    "emoji 🙂🙃 👩‍👩‍👧 🇩🇪 𝕏",
    "e\u0301 a\u0308 क्षि ไทย ျမန္မာ",
    "mixed é日🙂x\n\t end",
    "\x00\x01\x7f\u0085\u2028\ufeff\ufffd",
)


def spelt(data: bytes) -> str:
    return "".join(LETTER[byte] for byte in data)


def byte_tokens(*merged: bytes) -> Tokenizer:
    """The 256 bytes, and tokens of several, each built from the left."""
    vocabulary = {LETTER[byte]: byte for byte in range(256)}
    merges: list[tuple[str, str]] = []
    for token in merged:
        for end in range(2, len(token) + 1):
            if spelt(token[:end]) not in vocabulary:
                vocabulary[spelt(token[:end])] = len(vocabulary)
                merges.append((spelt(token[: end - 1]), spelt(token[end - 1 : end])))
    return load_merges(vocabulary, merges)


def with_byte_fallback() -> Tokenizer:
    """As SentencePiece makes them: a mark for a space, a few words, and `<0x0A>` for what is not in the vocabulary."""
    words = ["▁", "H", "e", "▁H", "▁He", "▁a", "a", "日", "é"]
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    vocabulary = {name: number for number, name in enumerate(names)}
    merges = [("▁", "H"), ("▁H", "e"), ("▁", "a")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def streamed(tokenizer: Tokenizer, ids: list[int], begins: bool = False) -> list[str]:
    stream = TextStream(token_bytes(tokenizer), token_bytes(tokenizer, first=True) if begins else None)
    return [*(stream.add(token) for token in ids), stream.end()]


@pytest.mark.parametrize("text", TEXTS)
def test_every_tokenizer_gives_the_text_back_in_whole_characters(text: str) -> None:
    trained = train_bpe([*TEXTS] * 3, 400)
    # Tokens of half a character, and of the end of one with the beginning of the next.
    torn = byte_tokens("日本".encode()[1:5], "🙂🙃".encode()[2:6], b"\xc3\xa9\xe6\x97", b"\xaf\x76", "é".encode())
    for tokenizer in (byte_tokens(), torn, trained, with_byte_fallback()):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        pieces = streamed(tokenizer, ids, begins=True)
        assert "".join(pieces) == text
        assert pieces[-1] == ""
        assert "\ufffd" not in "".join(pieces).replace(text, "")
        assert sum(len(token_bytes(tokenizer)[token]) for token in ids) - len(text.encode()) in (0, 1)


@pytest.mark.parametrize(
    ("tokens", "pieces"),
    [
        ([b"\xf0", b"\x9f", b"\x99", b"\x82"], ["", "", "", "🙂", ""]),
        ([b"\xf0\x9f", b"\x99\x82\xf0", b"\x9f\x99\x83"], ["", "🙂", "🙃", ""]),
        ([b"a\xe6", b"\x97\xa5b"], ["a", "日b", ""]),  # what is whole does not wait
        ([b"\xe6\x97", b"\xa5\xe6", b"\x9c", b"\xac"], ["", "日", "", "本", ""]),
        ([b"e", b"\xcc\x81"], ["e", "\u0301", ""]),  # a combining mark is a character
        ([b"\xff", b"a"], ["\ufffd", "a", ""]),  # no character begins so
        ([b"\xe6\x97", b"a"], ["", "\ufffda", ""]),
        ([b"\xe6\x97"], ["", "\ufffd"]),  # incomplete at the end: once
        ([b"\xf0\x9f\x99"], ["", "\ufffd"]),
        ([b"\xf0", b"\x9f", b"\x99", b"\xf0", b"\x9f", b"\x99", b"\x82"], ["", "", "", "\ufffd", "", "", "🙂", ""]),
        ([b"\x97", b"\xa5"], ["\ufffd", "\ufffd", ""]),
        ([b"\xc0\xaf"], ["\ufffd\ufffd", ""]),  # overlong
        ([b"\xed\xa0\x80"], ["\ufffd\ufffd\ufffd", ""]),  # half of a surrogate pair
    ],
)
def test_what_is_not_a_whole_character_waits(tokens: list[bytes], pieces: list[str]) -> None:
    stream = TextStream(tokens)
    assert [*(stream.add(number) for number in range(len(tokens))), stream.end()] == pieces
    assert "".join(pieces) == b"".join(tokens).decode(errors="replace")


def test_streams_what_the_library_decodes() -> None:
    """Any ids, also those that make no text."""
    tokenizer = byte_tokens("日本".encode()[1:5], "🙂🙃".encode()[2:6], b"\xc3\xa9\xe6\x97")
    generator = random.Random(5)
    for _ in range(300):
        ids = generator.choices(range(128, tokenizer.get_vocab_size()), k=12)
        assert "".join(streamed(tokenizer, ids)) == tokenizer.decode(ids, skip_special_tokens=True)


def test_bytes_of_a_fallback_tokenizer() -> None:
    tokenizer = with_byte_fallback()
    ids = {token: tokenizer.token_to_id(token) for token in ("▁He", "▁", "日", "<0xE6>", "<0x0A>", "<unk>")}
    inside, first = token_bytes(tokenizer), token_bytes(tokenizer, first=True)
    assert [inside[ids[token]] for token in ids] == [b" He", b" ", "日".encode(), b"\xe6", b"\n", b"<unk>"]
    assert [first[ids[token]] for token in ("▁He", "▁", "<0xE6>")] == [b"He", b"", b"\xe6"]
    # A word after half a character ends it.
    half = [ids["<0xE6>"], ids["▁He"], ids["<0xE6>"], ids["<0xE6>"]]
    assert streamed(tokenizer, half) == ["", "\ufffd He", "", "\ufffd", "\ufffd"]


def test_special_and_added_tokens() -> None:
    tokenizer = byte_tokens()
    tokenizer.add_special_tokens(["<|user|>"])
    tokenizer.add_tokens([AddedToken("über", normalized=False), AddedToken("\u0120", normalized=False)])
    pieces = token_bytes(tokenizer)
    assert pieces[tokenizer.token_to_id("<|endoftext|>")] == pieces[tokenizer.token_to_id("<|user|>")] == b""
    assert pieces[tokenizer.token_to_id("über")] == "über".encode()
    assert streamed(tokenizer, [0xE6, tokenizer.token_to_id("<|user|>"), 0x97, 0xA5, 10**6]) == [
        "",
        "",
        "",
        "日",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("decoder", "pre_tokenizer", "token", "inside"),
    [
        (decoders.Metaspace(), pre_tokenizers.Metaspace(), "▁word", b" word"),
        (decoders.WordPiece(), pre_tokenizers.Whitespace(), "##ing", b"ing"),
        (decoders.WordPiece(), pre_tokenizers.Whitespace(), "word", b" word"),
        (decoders.BPEDecoder(suffix="</w>"), pre_tokenizers.Whitespace(), "word", b"word"),
        (None, None, "word", b"word"),
    ],
)
def test_other_decoders(decoder: decoders.Decoder, pre_tokenizer: object, token: str, inside: bytes) -> None:
    tokenizer = Tokenizer(models.WordLevel({token: 0, "x": 1}, unk_token="x"))
    if decoder is not None:
        tokenizer.decoder = decoder
    assert token_bytes(tokenizer)[0] == inside
