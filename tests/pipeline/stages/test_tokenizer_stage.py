"""The tokenizer stage: what it says of a vocabulary that it learned."""

from __future__ import annotations

from pathlib import Path

from manifests.manifest import Manifest
from pipeline.build import run_build
from pipeline.commands.console import stage_summary
from pipeline.recipe import load_recipe
from tokenizer.long_words import MOST_CHARACTERS

_RECIPE = """
name = "words"
output = "out"
[[sources]]
name = "texts"
kind = "files"
format = "text"
paths = ["texts/*.txt"]
rules = []
[filter]
languages = []
[tokenizer]
vocab_size = {vocab_size}
"""


def _build(folder: Path, texts: list[str], vocab_size: int = 400) -> Manifest:
    (folder / "texts").mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"texts/{number}.txt").write_text(text, encoding="utf-8")
    (folder / "recipe.toml").write_text(_RECIPE.format(vocab_size=vocab_size))
    return run_build(load_recipe(folder / "recipe.toml"), until="tokenizer").manifests["tokenizer"]


def test_cut_words_are_counted_and_said(tmp_path: Path) -> None:
    manifest = _build(
        tmp_path, ["A plain text of a few words.", f"A genome: {'ACGT' * 20_000}, and dashes: {'-' * 900}."]
    )
    assert manifest.facts["num_cut_words"] == 2
    assert manifest.facts["most_word_characters"] == MOST_CHARACTERS
    assert "; 2 words of more than 768 characters were cut to learn from" in stage_summary(manifest)


def test_a_vocabulary_that_is_smaller_than_asked_for_is_said(tmp_path: Path) -> None:
    manifest = _build(tmp_path, ["Few words are here, and few words make few pairs."], 32_768)
    size = manifest.facts["vocab_size"]
    assert 257 < size < 300
    assert manifest.facts["wanted_vocab_size"] == 32_768
    assert stage_summary(manifest) == (
        f"{size} tokens in the vocabulary, not 32,768: the text has no more pairs that occur often enough; "
        f"the model has {size}, too"
    )
    manifest = _build(tmp_path, ["Few words are here, and few words make few pairs."], 260)
    assert stage_summary(manifest) == "260 tokens in the vocabulary"
