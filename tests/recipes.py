"""The recipe of real inputs that the end-to-end tests build."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

from tests.packing import first_pages, pack_web_pages

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
paths = ["enwiki.xml.bz2"]
format = "mediawiki"
weight = 1.5
rules = []

[[sources]]
name = "itwiki"
kind = "files"
paths = ["itwiki.xml.gz"]
format = "mediawiki"
language = "it"
rules = []

[[sources]]
name = "books"
kind = "files"
paths = ["{data}/books/gitenberg/de-*", "{data}/books/gitenberg/fr-*"]
format = "text"
rules = []

[extract]
damaged = "drop"  # some of these files are cut off on purpose

[filter]
languages = ["en", "de", "es", "fr", "it", "pl"]

[tokenizer]
vocab_size = 2048

[shards]
tokens_per_shard = 200_000
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


def write_real_recipe(folder: Path, shared_data: Path) -> Path:
    """Pack pages and the first pages of two dumps in `folder` and write the recipe beside them; returns its path.

    The dumps are short: in one stream a page is found from the start, and audits look for every page.
    """
    pack_web_pages(shared_data / "web" / "trafilatura", folder / "pages.warc.gz", 150)
    wiki = shared_data / "wiki"
    (english,) = (wiki / "gensim").glob("enwiki-latest*")
    (folder / "enwiki.xml.bz2").write_bytes(bz2.compress(first_pages(bz2.decompress(english.read_bytes()), 50)))
    italian = gzip.decompress((wiki / "json-wikipedia/it__small-dump.xml.gz").read_bytes())
    (folder / "itwiki.xml.gz").write_bytes(gzip.compress(first_pages(italian, 120)))
    path = folder / "real.toml"
    path.write_text(_RECIPE.format(output=folder / "build", data=shared_data), encoding="utf-8")
    return path
