"""Byte-level BPE: learn a vocabulary, load a published one, and keep either as `tokenizer.json`.

Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) starts from the 256 bytes, so every text has ids and comes
back exactly. A regular expression first cuts a text into words ("pretokens"), and merges never cross them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from manifests.errors import UserError
from manifests.storage import Folder, split_path
from tokenizer.long_words import BoundedTexts

END_OF_TEXT = "<|endoftext|>"
NUM_BYTES = 256

Pretokenizer = Literal["gpt2", "gpt4"]

# The words of GPT-4's cl100k vocabulary: letters with at most one character before them, numbers in groups of up to
# three digits, punctuation with the line ends after it. GPT-2's expression is built into `tokenizers`.
_GPT4_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = (END_OF_TEXT,),
    pretokenizer: Pretokenizer = "gpt2",
    min_frequency: int = 2,
) -> Tokenizer:
    """Learn a byte-level BPE vocabulary of at most `vocab_size` ids from `texts`.

    Ids are: the special tokens in the order given, the 256 bytes, then the merges in the order they were learned.
    There are fewer than `vocab_size` when no pair is left that occurs `min_frequency` times. The result depends on
    the texts alone: not on their order, nor on the number of threads. Very long words are cut (`BoundedTexts`, which
    counts them where `texts` is one). Raises `UserError` for a `vocab_size` that does not hold the bytes and the
    special tokens.

    The learning is that of `tokenizers`. gigatoken's `train_bpe` gives the same merges (10.8 MB of English: equal
    for 8,192 and 32,768 ids), in 0.2 against 1.1 s and 2.2 against 1.5 s, but wants the whole sample in one buffer
    or in files, knows GPT-2's words only and no minimum frequency. `tokenizers` reads a stream and keeps no more
    than the counts of the words.
    """
    smallest = NUM_BYTES + len(special_tokens)
    if vocab_size < smallest:
        raise UserError(
            f"a vocabulary of {vocab_size} does not hold {NUM_BYTES} bytes and {len(special_tokens)} special tokens; "
            f"set vocab_size to {smallest} or more."
        )
    tokenizer = _byte_level(models.BPE(), pretokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[_special(token) for token in special_tokens],
        # Sorted, because the library gives its alphabet in another order in every process.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts if isinstance(texts, BoundedTexts) else BoundedTexts(texts), trainer)
    return tokenizer


def load_merges(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    special_tokens: Sequence[str] = (END_OF_TEXT,),
    pretokenizer: Pretokenizer = "gpt2",
) -> Tokenizer:
    """A tokenizer from a vocabulary and its merges in order, both in the printable form of bytes that GPT-2 uses.

    Raises `UserError` for a merge whose parts or result the vocabulary does not have.
    """
    for left, right in merges:
        for token in (left, right, left + right):
            if token not in vocab:  # the library would panic
                raise UserError(f"the merge {left!r} {right!r} needs {token!r}, which is not in the vocabulary.")
    tokenizer = _byte_level(models.BPE(vocab=dict(vocab), merges=list(merges)), pretokenizer)
    tokenizer.add_special_tokens([_special(token) for token in special_tokens])
    return tokenizer


def load_gpt2(folder: Folder | str, vocab: str = "encoder.json", merges: str = "vocab.bpe") -> Tokenizer:
    """GPT-2's tokenizer from the two files that OpenAI published. Raises `UserError` that names a wrong file."""
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    try:
        entries = json.loads(folder.read_bytes(vocab))
        lines = [line for line in folder.read_text(merges).split("\n") if line and not line.startswith("#version")]
        pairs = [(left, right) for left, right in (line.split(" ") for line in lines)]
        if not isinstance(entries, dict) or not all(_is_id(entries[token]) for token in entries):
            raise ValueError(f"{vocab} is no table of ids")
        return load_merges(entries, pairs)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename or folder.url}: missing. GPT-2 needs {vocab} and {merges}.") from None
    except (OSError, ValueError, TypeError, OverflowError, RecursionError, UserError) as error:
        raise UserError(
            f"{folder.url}: {vocab} and {merges} are not GPT-2's vocabulary ({str(error).rstrip('.')})."
        ) from None


def _is_id(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 32


def tokenizer_bytes(tokenizer: Tokenizer) -> bytes:
    """The contents of `tokenizer.json`: UTF-8 JSON, vocabulary by id, merges in order; equal where tokenizers are."""
    return (tokenizer.to_str(pretty=True) + "\n").encode()


def read_tokenizer(path: str) -> bytes:
    """The contents of the `tokenizer.json` at a path or fsspec URL. Raises `UserError` when there is none."""
    folder, name = split_path(path)
    try:
        return folder.read_bytes(name)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(
            f"{path}: no such tokenizer.json. Give the path of one that exists, or have one trained."
        ) from None


def _byte_level(model: models.Model, pretokenizer: Pretokenizer) -> Tokenizer:
    tokenizer = Tokenizer(model)
    if pretokenizer == "gpt2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    elif pretokenizer == "gpt4":
        words = pre_tokenizers.Split(Regex(_GPT4_WORDS), behavior="isolated")
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, to_bytes])
    else:
        raise UserError(f"unknown pretokenizer {pretokenizer!r}; there are 'gpt2' and 'gpt4'.")
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _special(token: str) -> AddedToken:
    return AddedToken(token, special=True, normalized=False)
