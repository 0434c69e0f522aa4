"""Encode in bulk with gigatoken, with ids equal to those of `tokenizers`.

gigatoken is fast (one thread, 10.8 MB of English, 32,768 ids: 45 MB/s at first and 300 once its cache of words is
warm, against 4 for `tokenizers`) but a reimplementation, so its equality is not assumed. Three things keep it:

- What is known to differ goes to `tokenizers`: the two libraries carry tables of different Unicode versions, so a
  letter or number that is younger than the older table is a word's part in one and punctuation in the other. A text
  with such a character (in practice: none in millions) is encoded by `tokenizers` itself. A test compares every code
  point.
  Likewise texts with an added token that is not special.
- `BulkEncoder.check_equal` compares at run time, on the user's own texts and tokenizer; the pipeline calls it.
- A tokenizer that gigatoken does not know, or that changes text (`tokenizer.exact`), is refused when it is loaded.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gigatoken
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from manifests.errors import UserError
from tokenizer.bpe import END_OF_TEXT
from tokenizer.exact import (
    check_added,
    check_parts,
    check_spelling,
    hard_texts,
    tokens_in_text,
    without_harmless_parts,
)
from tokenizer.panics import library_errors

IdArray = npt.NDArray[np.uint32]
OffsetArray = npt.NDArray[np.int64]

# Letters and numbers that Unicode 15 and later added, and the few neighbours that are reserved for more (first, last).
_RECENT = (
    *((0x558, 0x558), (0x58B, 0x58C), (0x88F, 0x88F), (0xC5C, 0xC5C), (0xCDC, 0xCDC), (0x1C89, 0x1C8A)),
    *((0x208F, 0x208F), (0x209D, 0x209F), (0xA7CB, 0xA7CF), (0xA7D2, 0xA7D2), (0xA7D4, 0xA7D4), (0xA7DA, 0xA7DD)),
    *((0xA7E2, 0xA7E2), (0xA7F1, 0xA7F1), (0xAB6C, 0xAB6D), (0x105C0, 0x105F3), (0x107BB, 0x107BF)),
    *((0x10940, 0x10959), (0x10D40, 0x10D85), (0x10EC2, 0x10EEE), (0x1123F, 0x11240), (0x11380, 0x113D3)),
    *((0x116D0, 0x116E3), (0x11B0A, 0x11B0A), (0x11BC0, 0x11BF9), (0x11DB0, 0x11DF1), (0x11F02, 0x11F59)),
    *((0x1246F, 0x1246F), (0x12475, 0x1247F), (0x12550, 0x12686), (0x1342F, 0x1342F), (0x13441, 0x143FA)),
    *((0x16100, 0x16139), (0x16D40, 0x16D79), (0x16EA0, 0x16ED3), (0x16FF2, 0x16FF6), (0x187F8, 0x187FF)),
    *((0x18CD6, 0x18CFF), (0x18D09, 0x191D2), (0x1B123, 0x1B168), (0x1CCF0, 0x1CCF9), (0x1D2C0, 0x1D2D3)),
    *((0x1D6A6, 0x1D6A6), (0x1DF1F, 0x1DFFF), (0x1E030, 0x1E06D), (0x1E4D0, 0x1E4F9), (0x1E5D0, 0x1E5FA)),
    *((0x1E6C0, 0x1E6FF), (0x2B739, 0x2B73F), (0x2B81E, 0x2B81E), (0x2CEA2, 0x2CEAD), (0x2EBF0, 0x2EE5D)),
    *((0x31350, 0x33479), (0x3D000, 0x3FC3F)),
)
_FIRST_RECENT = min(first for first, _ in _RECENT)


# Texts that are few, or of at least so many characters on average, are encoded one by one: a batch comes as an array of
# awkward, which takes half a second to load, and is faster (four times, at 25 characters) for short texts only.
_FEW, _LONG = 4096, 500


class BulkEncoder:
    """Texts to ids. Special tokens in a text are ordinary text: a page that says `<|endoftext|>` ends no document.

    `tokenizer_json` is the contents of a `tokenizer.json`. `num_threads` is 1 because stages run in worker processes;
    ids do not depend on it. Raises `UserError` when the tokenizer cannot be loaded by both libraries, has no
    `end_of_text` token, or has a part by which tokens spell another text than the one that was encoded.
    """

    vocab_size: int  # one more than the largest id, special tokens included
    end_of_text_id: int

    def __init__(self, tokenizer_json: str | bytes, num_threads: int = 1, end_of_text: str = END_OF_TEXT) -> None:
        if num_threads < 1:
            raise ValueError(f"num_threads must be 1 or more, not {num_threads}.")
        self.num_threads = num_threads
        data = _parse(tokenizer_json)
        try:
            check_parts(data, end_of_text)
            data = without_harmless_parts(data, end_of_text)
        except (AttributeError, LookupError, TypeError, ValueError):
            _load_reference(data)  # what it does not know either is told by its name
            raise
        self.reference = _load_reference(data)
        self.reference.encode_special_tokens = True  # a text that says one means no more than its characters
        end_of_text_id = self.reference.token_to_id(end_of_text)
        if end_of_text_id is None:
            named = [str(token["content"]) for token in data["added_tokens"] if token.get("special")]
            known = f" (it has {', '.join(named[:3])})" if named else ""
            raise UserError(
                f"the tokenizer has no token {end_of_text}{known}, which ends a document in a shard; add it to its "
                "added_tokens, or rename its own."
            )
        self.end_of_text_id = int(end_of_text_id)
        ids = self.reference.get_vocab(with_added_tokens=True).values()
        if len(set(ids)) < len(ids):  # `tokenizers` numbers added tokens anew, from the number of the others on
            raise UserError("two of its tokens have one id: write the vocabulary without gaps below its added tokens.")
        self.vocab_size = max(ids) + 1
        self._fast = _load_gigatoken(data)
        added = tokens_in_text(data, end_of_text)
        self._added = re.compile("|".join(map(re.escape, added))) if added else None
        with library_errors(lambda why: f"its tokens cannot be tried: `tokenizers` or gigatoken fails ({why})."):
            for token in added:
                check_added(token, self.decode([self.reference.token_to_id(token) or 0]))
            self.check_equal(hard_texts(added, end_of_text))

    def encode_batch(self, texts: Sequence[str]) -> tuple[IdArray, OffsetArray]:
        """The ids of all texts, flat, and where each begins: text `i` is `ids[offsets[i]:offsets[i + 1]]`.

        ids: (num_tokens,) uint32; offsets: (num_texts + 1,) int64, from 0 on. Raises `UserError` for a text that
        is not Unicode (a lone surrogate).
        """
        texts = list(texts)
        if self.num_threads == 1 or len(texts) < 2:
            return self._encode(texts)
        # Runs of texts of about the same number of characters, one a thread; the libraries release the lock.
        ends = np.cumsum([len(text) for text in texts])
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, self.num_threads) / self.num_threads)
        bounds = [0, *cuts.tolist(), len(texts)]
        runs = [texts[first:last] for first, last in itertools.pairwise(bounds)]
        with ThreadPoolExecutor(self.num_threads) as pool:
            return _join(list(pool.map(self._encode, runs)))

    def encode(self, text: str) -> IdArray:
        """The ids of one text, (num_tokens,) uint32."""
        return self._encode([text])[0]

    def decode(self, ids: npt.NDArray[Any] | Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        return str(self.reference.decode([int(token) for token in ids], skip_special_tokens=False))

    def check_equal(self, texts: Sequence[str]) -> None:
        """Raises `UserError`, naming the first text and position, if ids differ from those of `tokenizers`, if they
        spell another text, or if one of them is the end-of-text."""
        ids, offsets = self.encode_batch(texts)
        for number, text in enumerate(texts):
            found = ids[offsets[number] : offsets[number + 1]].tolist()
            expected = self._reference_ids(text)
            if found == expected:
                check_spelling(text, self.decode(found))
                if self.end_of_text_id in found:
                    raise UserError(f"the end-of-text token is found in a text ({text[:40]!r}): mark it as special.")
                continue
            position = next(
                (k for k, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
                min(len(found), len(expected)),
            )
            context = self.decode(expected[max(0, position - 3) : position + 5])
            raise UserError(
                f"gigatoken {gigatoken_version()} and tokenizers give different ids for text {number} "
                f"({text[:40]!r}) from token {position} on (near {context!r}). "
                "Use a byte-level BPE with GPT-2's or GPT-4's words, such as groundup trains."
            )

    def _encode(self, texts: list[str]) -> tuple[IdArray, OffsetArray]:
        by_reference = {
            number
            for number, text in enumerate(texts)
            if _has_recent(text, number) or (self._added is not None and self._added.search(text))
        }
        if not by_reference:
            return self._encode_fast(texts)
        ids, offsets = self._encode_fast(["" if number in by_reference else text for number, text in enumerate(texts)])
        pieces = [ids[first:last] for first, last in itertools.pairwise(offsets)]
        for number in by_reference:
            pieces[number] = np.array(self._reference_ids(texts[number]), dtype=np.uint32)
        return _join([_one(piece) for piece in pieces])

    def _encode_fast(self, texts: list[str]) -> tuple[IdArray, OffsetArray]:
        if not texts:
            return np.empty(0, np.uint32), np.zeros(1, np.int64)
        is_quick = len(texts) <= _FEW or sum(map(len, texts)) >= _LONG * len(texts)
        if is_quick and self.num_threads == 1:
            return _join([_one(self._fast.encode(text)) for text in texts])
        layout = self._fast.encode_batch(texts, parallel=False).layout
        offsets = np.asarray(layout.offsets.data, dtype=np.int64)
        ids = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
        return ids, offsets - offsets[0]

    def _reference_ids(self, text: str) -> list[int]:
        ids: list[int] = self.reference.encode(text, add_special_tokens=False).ids
        return ids

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a BulkEncoder does not travel between processes; send tokenizer.json and make one there.")


@functools.lru_cache(maxsize=2)
def bulk_encoder(tokenizer_json: bytes) -> BulkEncoder:
    """A `BulkEncoder` with one thread; a process that encodes many parts loads its tokenizer once."""
    return BulkEncoder(tokenizer_json)


def gigatoken_version() -> str:
    import importlib.metadata

    return importlib.metadata.version("gigatoken")


def _parse(tokenizer_json: str | bytes) -> dict[str, Any]:
    try:
        contents = tokenizer_json.decode("utf-8") if isinstance(tokenizer_json, bytes) else tokenizer_json
        data: dict[str, Any] = json.loads(contents)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not a tokenizer.json ({str(error).rstrip('.') or type(error).__name__}).") from None
    return data


def _load_reference(data: dict[str, Any]) -> Tokenizer:
    with library_errors(lambda why: f"not a tokenizer.json that `tokenizers` can load ({why})."):
        return Tokenizer.from_str(json.dumps(data))


def _load_gigatoken(data: dict[str, Any]) -> gigatoken.Tokenizer:
    """gigatoken without added tokens, of which it would find the special ones in raw text. Their ids stay taken."""
    with library_errors(
        lambda why: (
            f"gigatoken {gigatoken_version()} cannot load this tokenizer ({why}). "
            "Use a byte-level BPE with GPT-2's or GPT-4's words, such as groundup trains."
        )
    ):
        return gigatoken.Tokenizer.from_json(json.dumps({**data, "added_tokens": []}))


@functools.cache
def _recent_table() -> npt.NDArray[np.bool_]:
    """For every code point: may the libraries take it differently?"""
    table = np.zeros(0x110000, dtype=np.bool_)
    for first, last in _RECENT:
        table[first : last + 1] = True
    return table


def _has_recent(text: str, number: int) -> bool:
    if text.isascii():
        return False
    try:
        code_points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise UserError(
            f"text {number} ({text[:40]!a}) is not Unicode: character {error.start} is half of a surrogate pair. "
            "Decode it with errors='replace'."
        ) from None
    return bool(code_points.max() >= _FIRST_RECENT and _recent_table()[code_points].any())


def _one(ids: IdArray) -> tuple[IdArray, OffsetArray]:
    """The ids of one text as those of a batch of one."""
    return ids, np.array([0, len(ids)], dtype=np.int64)


def _join(parts: list[tuple[IdArray, OffsetArray]]) -> tuple[IdArray, OffsetArray]:
    lengths = np.concatenate([np.diff(offsets) for _, offsets in parts])
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return np.concatenate([ids for ids, _ in parts]), offsets
