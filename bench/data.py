"""The data of the benches, made once under `build/bench`: real pages as one WARC file, and GPT-2's tokenizer."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path

from tests import packing

REPOSITORY = Path(__file__).resolve().parents[1]
OUTPUT = REPOSITORY / "build" / "bench"


def data_folder() -> Path:
    """Where the real data is: `GROUNDUP_TEST_DATA`, or `shared/data` beside the repository."""
    return Path(os.environ.get("GROUNDUP_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def missing_data(*names: str) -> str | None:
    """Why a bench that needs these files or folders of the data cannot run; None where all are there."""
    absent = [name for name in names if not (data_folder() / name).exists()]
    if absent:
        return f"{data_folder() / absent[0]} is not there (set GROUNDUP_TEST_DATA)"
    return None


def missing_modules(*names: str) -> str | None:
    """Why a bench that needs these modules cannot run; None where all are installed."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)} (pip install -e '.[bench]')" if absent else None


def web_warc(num_pages: int | None = None) -> Path:
    """The pages of `web/trafilatura` (the first `num_pages`; all where None) as one WARC file."""
    source = data_folder() / "web" / "trafilatura"
    made_of = hashlib.sha256(Path(packing.__file__).read_bytes() + (source / "manifest.jsonl").read_bytes())
    name = f"trafilatura-{'all' if num_pages is None else num_pages}-{made_of.hexdigest()[:8]}.warc.gz"
    target = OUTPUT / "data" / name
    if not target.exists():
        packing.pack_web_pages(source, target, num_pages)
    return target


def gpt2_tokenizer() -> Path:
    """GPT-2's vocabulary as a `tokenizer.json`, made of its published `encoder.json` and `vocab.bpe`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    target = OUTPUT / "data" / "gpt2" / "tokenizer.json"
    if not target.exists():
        source = data_folder() / "tokenizer" / "gpt2"
        vocabulary = json.loads((source / "encoder.json").read_text(encoding="utf-8"))
        lines = (source / "vocab.bpe").read_text(encoding="utf-8").splitlines()
        merges = [(left, right) for left, right in (line.split(" ") for line in lines[1:] if line)]
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name("unfinished.json")
        tokenizer.save(str(unfinished))
        os.replace(unfinished, target)
    return target
