"""The bytes that each token stands for, and text out of tokens as they come.

A token is a piece of bytes, not of characters: it may end one character and begin the next.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from tokenizers import Tokenizer, decoders

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # the spelling of a byte that SentencePiece falls back to
_ANCHOR = "a"


def token_bytes(tokenizer: Tokenizer, first: bool = False) -> list[bytes]:
    """The bytes of every id in a text, by id; none for special tokens and for ids that are not in use.

    Byte-level vocabularies spell each byte as a letter, those with byte fallback some as `<0x0A>`; any other token is
    what the tokenizer's decoder makes of it after another token. first: of a token that begins a text, whose space
    some decoders take away.
    """
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    found = [b""] * (max(vocabulary.values(), default=-1) + 1)
    decoder = tokenizer.decoder
    is_byte_level = decoder is not None and decoder.decode(["\u0120"]) == " "
    falls_back = decoder is not None and decoder.decode(["<0x41>"]) == "A"
    letters = byte_letters()
    for token, number in vocabulary.items():
        if is_byte_level and all(letter in letters for letter in token):
            found[number] = bytes(letters[letter] for letter in token)
        elif falls_back and (byte := _BYTE.fullmatch(token)):
            found[number] = bytes([int(byte[1], 16)])
        else:
            found[number] = _decoded(decoder, token, first).encode()
    for number, added in tokenizer.get_added_tokens_decoder().items():
        found[number] = b"" if added.special else added.content.encode()
    return found


class TextStream:
    """Text from tokens one after the other. What is not yet a whole character waits for the next token.

    Bytes that no token can make a character become U+FFFD, one for each longest beginning of a character, as Unicode
    recommends (and as `bytes.decode` has it).
    """

    def __init__(self, pieces: Sequence[bytes], first: Sequence[bytes] | None = None) -> None:
        """pieces: what `token_bytes` gives. first: the same for a first token, where the stream begins a text."""
        self._pieces = pieces
        self._first = first
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """The characters that this token completes; empty where there are none. Unknown ids are empty."""
        pieces, self._first = self._pieces if self._first is None else self._first, None
        return self._decoder.decode(pieces[token] if token < len(pieces) else b"")

    def end(self) -> str:
        """What is left at the end: U+FFFD in place of a character that was not completed."""
        return self._decoder.decode(b"", final=True)


def byte_letters() -> dict[str, int]:
    """GPT-2's letter for each byte: printable ones of Latin-1 are themselves, the others follow from U+0100 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + number): byte for number, byte in enumerate(hidden)}


def _decoded(decoder: decoders.Decoder | None, token: str, first: bool) -> str:
    if decoder is None:
        return token
    if first:
        return str(decoder.decode([token]))
    alone: str = decoder.decode([_ANCHOR])
    both: str = decoder.decode([_ANCHOR, token])
    return both.removeprefix(alone)
