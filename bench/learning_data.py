"""The texts that learning is measured on, as builds of our shards and as nanoGPT's folders of the same tokens.

`shakespeare_char` is cut as nanoGPT's `prepare.py` cuts it: the first nine tenths of the characters are for training,
and ids are the places of the characters in sorted order. nanoGPT reads random places of them; ours lie in passages of
some 500 characters, in an order that is drawn, as a pipeline lays its documents. `wikitext-2` has one BPE for all
sides. Both leave the last token of a split, the end of its last text, out of the measure and of nanoGPT's files: it is
no character.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bench.data import OUTPUT, data_folder
from manifests.storage import Folder
from tokenizer.bpe import END_OF_TEXT, tokenizer_bytes, train_bpe
from tokenizer.shards.read import ShardSet
from tokenizer.shards.write import WrittenShard, shard_facts, write_shard
from tokenizer.token_bytes import byte_letters

DATA = ("books/tinyshakespeare.txt", "lm/wikitext-2")
LEARNING = OUTPUT / "learning"
WIKITEXT_VOCABULARY = 4096
_TRAIN_SHARE = 0.9
_PASSAGE = 500  # characters, at least
_ARTICLE = re.compile(r"^(?= = [^=].* = $)", re.MULTILINE)  # before the title of an article


def shakespeare_char() -> Path:
    """The build of `books/tinyshakespeare.txt`, made where it is not there yet."""
    text = (data_folder() / "books" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    folder = _folder("shakespeare_char", text, str(_PASSAGE))
    if not _is_built(folder):
        train, validation = split_characters(text)
        write_build(folder, character_tokenizer(text), {"train": [shuffled(train)], "validation": [validation]})
    return folder


def shuffled(text: str) -> str:
    """The same characters, in passages that end at an empty line and lie in an order that is drawn."""
    passages = [""]
    for speech in re.split(r"(?<=\n\n)", text):
        if len(passages[-1]) >= _PASSAGE:
            passages.append("")
        passages[-1] += speech
    random.Random(0).shuffle(passages)
    return "".join(passages)


def wikitext_2() -> Path:
    """The build of WikiText-2's articles: those to train on in an order that is drawn, as a pipeline's are."""
    texts = {
        split: (data_folder() / "lm" / "wikitext-2" / name).read_text(encoding="utf-8")
        for split, name in (("train", "train.txt"), ("validation", "valid.txt"))
    }
    folder = _folder("wikitext-2", str(WIKITEXT_VOCABULARY), *texts.values())
    if not _is_built(folder):
        articles = {split: [part for part in _ARTICLE.split(text) if part.strip()] for split, text in texts.items()}
        random.Random(0).shuffle(articles["train"])
        write_build(folder, train_bpe(articles["train"], WIKITEXT_VOCABULARY), articles)
    return folder


def split_characters(text: str) -> tuple[str, str]:
    """The characters to train on and those to validate on."""
    first = int(len(text) * _TRAIN_SHARE)
    return text[:first], text[first:]


def character_tokenizer(text: str) -> Tokenizer:
    """A token for each character of an ASCII text, in sorted order, and the end of text after them."""
    characters = sorted(set(text))
    if not text.isascii():
        raise ValueError("a character is a byte here, and this text has others than those of ASCII")
    letters = {byte: letter for letter, byte in byte_letters().items()}
    vocabulary = {letters[ord(character)]: number for number, character in enumerate(characters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def write_build(folder: Path, tokenizer: Tokenizer, texts: dict[str, Sequence[str]]) -> None:
    """A build that `train` can read: a shard of each split, their tokenizer, and last the manifest of the shards."""
    shutil.rmtree(folder, ignore_errors=True)
    vocab_size, end_of_text_id = tokenizer.get_vocab_size(), tokenizer.token_to_id(END_OF_TEXT)
    contents = tokenizer_bytes(tokenizer)
    Folder(folder / "tokenizer").publish_bytes("tokenizer.json", contents)
    shards = Folder(folder / "shards")
    splits: dict[str, list[WrittenShard]] = {
        split: [write_shard(shards, f"{split}/shard-00000", _rows(split, tokenizer, of), vocab_size, end_of_text_id)]
        for split, of in texts.items()
    }
    outputs = [
        {"path": file.path, "bytes": file.bytes, "sha256": file.sha256}
        for written in splits.values()
        for shard in written
        for file in shard.files
    ]
    facts = shard_facts(vocab_size, end_of_text_id, splits) | {"tokenizer_sha256": hashlib.sha256(contents).hexdigest()}
    manifest = {"stage": "shards", "outputs": outputs, "facts": facts}
    shards.publish_bytes("manifest.json", json.dumps(manifest).encode())


def open_split(build: Path, split: str) -> ShardSet:
    """A split of a build's tokens."""
    return ShardSet.open(Folder(build).folder("shards"), split)


def num_validation_targets(build: Path) -> int:
    """Tokens that all sides are measured on: all but the first, and the end of the last text."""
    return open_split(build, "validation").num_tokens - 2


def write_nanogpt_data(build: Path, folder: Path) -> None:
    """The build's tokens as `train.bin`, `val.bin` (16 bits each) and `meta.pkl`, which nanoGPT's `train.py` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab_size = 0
    for split, name in (("train", "train.bin"), ("validation", "val.bin")):
        shards = open_split(build, split)
        ids = shards.read(0, shards.num_tokens - 1)
        vocab_size = max(vocab_size, int(ids.max()) + 1)
        ids.astype(np.uint16).tofile(folder / name)
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": vocab_size}))


def _rows(split: str, tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[tuple[npt.NDArray[Any], dict[str, Any]]]:
    for number, text in enumerate(texts):
        ids = np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)
        row = {"id": f"{split}-{number}", "source": "bench", "url": f"bench:{split}/{number}", "part": ""}
        yield ids, row | {"num_bytes": len(text.encode()), "row": number, "copy": 0}


def _folder(name: str, *made_of: str) -> Path:
    digest = hashlib.sha256("\0".join(made_of).encode())
    return LEARNING / "builds" / f"{name}-{digest.hexdigest()[:8]}"


def _is_built(folder: Path) -> bool:
    return (folder / "shards" / "manifest.json").exists()
