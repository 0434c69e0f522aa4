"""The recipe of real inputs that the end-to-end tests build."""

from __future__ import annotations

from pathlib import Path

from tests.packing import pack_web_pages

_RECIPE = """
name = "real"
output = "{output}"
seed = 7

[[sources]]
name = "pages"
kind = "files"
paths = ["pages.warc.gz"]
format = "warc"

[[sources]]
name = "cc"
kind = "files"
paths = ["{data}/warc/chatnoir-eu_chatnoir-resiliparse/*"]
format = "warc"
rules = ["gopher_quality"]

[[sources]]
name = "enwiki"
kind = "files"
paths = ["{data}/wiki/gensim/enwiki-latest*"]
format = "mediawiki"
weight = 1.5
rules = []

[[sources]]
name = "itwiki"
kind = "files"
paths = ["{data}/wiki/json-wikipedia/it__small-dump.xml.gz"]
format = "mediawiki"
language = "it"
rules = []

[[sources]]
name = "books"
kind = "files"
paths = ["{data}/books/gitenberg/sherlock*", "{data}/books/gitenberg/pride*"]
format = "text"
rules = []

[extract]
damaged = "drop"  # some of these files are cut off on purpose

[filter]
languages = ["en", "de", "es", "fr", "it", "pl"]

[tokenizer]
vocab_size = 2048

[shards]
tokens_per_shard = 500_000
validation_fraction = 0.05

[model]
preset = "tiny"
num_layers = 1
width = 64
num_heads = 2

[train]
sequence_length = 64
batch_tokens = 512
max_tokens = 5_120
validate_every_steps = 5
validation_tokens = 2_048
checkpoint_every_steps = 5
"""


def write_real_recipe(folder: Path, shared_data: Path, num_pages: int = 500, output: str | None = None) -> Path:
    """Pack `num_pages` pages into a WARC in `folder` and write the recipe beside it; returns the recipe's path."""
    warc = folder / "pages.warc.gz"
    if not warc.exists():
        pack_web_pages(shared_data / "web" / "trafilatura", warc, num_pages)
    path = folder / "real.toml"
    path.write_text(_RECIPE.format(output=output or folder / "build", data=shared_data), encoding="utf-8")
    return path
