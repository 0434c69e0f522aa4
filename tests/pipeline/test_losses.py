"""A source that loses more than half of its documents in a stage is told why, with an example and a setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.build import run_build
from pipeline.engine.runner import Unwatched
from pipeline.recipe import load_recipe

_ENGLISH = "The town lies on the river and has a market every week, which people of the villages around come to see. "
_GERMAN = "Die Stadt liegt am Fluss und hat jede Woche einen Markt, zu dem die Leute aus den Dörfern ringsum kommen. "


class Notes(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def said(folder: Path, sources: str, until: str) -> list[str]:
    """The lines about losses of a build of these sources."""
    recipe = folder / "recipe.toml"
    recipe.write_text(f'name = "losses"\noutput = "{folder / "out"}"\nmax_dropped_fraction = 1.0\n{sources}')
    notes = Notes()
    run_build(load_recipe(recipe), until=until, watcher=notes)
    return [line for line in notes.lines if " loses " in line or line.startswith("  ")]


def rows(folder: Path, name: str, texts: list[str]) -> str:
    """A source of JSON lines; `name` is its name."""
    lines = [json.dumps({"id": f"{name}{number}", "text": text}) for number, text in enumerate(texts)]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return f'[[sources]]\nname = "{name}"\nkind = "files"\npaths = ["{name}.jsonl"]\nformat = "jsonl"\n'


def test_filter(tmp_path: Path) -> None:
    sources = (
        rows(tmp_path, "a", [_GERMAN, _GERMAN * 2, _ENGLISH, "Bonjour", _GERMAN * 3])
        + '[sources.filter]\nlanguages = ["en"]\nlanguage_threshold = 0.999\n'
        + rows(tmp_path, "b", ["Just a word.", "Two words.", "One more.", _ENGLISH * 3])
        + "[sources.filter.gopher_quality]\nmin_words = 20\n"
        + rows(tmp_path, "c", [_ENGLISH, "Half.", _ENGLISH, "Half of it."])  # half, and no more
        + '[sources.filter]\nrules = ["gopher_quality"]\n[sources.filter.gopher_quality]\nmin_words = 10\n'
    )
    lines = said(tmp_path, sources, "filter")
    assert [line for line in lines if " loses " in line] == [
        f"filter: source a loses 5 of 5 documents: language 5. See them with: groundup drops {tmp_path / 'out'} "
        "--source a --reason REASON",
        f"filter: source b loses 3 of 4 documents: gopher_too_few_words 3. See them with: groundup drops "
        f"{tmp_path / 'out'} --source b --reason REASON",
    ]
    language, words = [line for line in lines if line.startswith("  ")]
    assert language.startswith("  language: a0 (de; 0.")
    assert language.endswith("To keep them: --set sources.a.filter.languages='[]'.")
    assert words == (
        "  gopher_too_few_words: b0 (3, not at least 20). To keep them: a lower "
        "sources.b.filter.gopher_quality.min_words."
    )


def test_a_wanted_language_that_is_not_sure_enough(tmp_path: Path) -> None:
    sources = rows(tmp_path, "a", [_ENGLISH + _GERMAN]) + '[sources.filter]\nlanguages = ["en", "de"]\n'
    lines = said(tmp_path, sources + "language_threshold = 0.9999\n", "filter")
    assert "not at least 0.9999" in lines[1]
    assert lines[1].endswith("To keep them: a lower sources.a.filter.language_threshold.")


def test_the_three_largest_of_many_reasons(tmp_path: Path) -> None:
    texts = ["short"] * 4 + [f"{_ENGLISH}{{}}"] * 3 + ["- a b c d e f g h i j k l m n o p\n" * 9] * 2 + [_ENGLISH * 9]
    sources = rows(tmp_path, "a", texts) + '[sources.filter]\nrules = ["c4", "gopher_quality", "gopher_repetition"]\n'
    lines = said(tmp_path, sources + "[sources.filter.c4]\nmin_sentences = 1\n", "filter")
    assert "c4_no_lines_left 4, c4_curly_bracket 3, gopher_short_words 2, and 1 more reasons. See" in lines[0]
    assert lines[1:] == [
        "  c4_no_lines_left: a0 (0, not at least 1). To keep them: a lower sources.a.filter.c4.min_lines.",
        "  c4_curly_bracket: a4 (1, not at most 0). To keep them: a higher "
        "sources.a.filter.c4.max_curly_bracket_lines.",
        "  gopher_short_words: a7 (1, not at least 3). To keep them: a lower "
        "sources.a.filter.gopher_quality.min_mean_word_length.",
    ]


@pytest.mark.parametrize(
    ("texts", "reason", "says"),
    [
        ([_ENGLISH * 9] * 3, "exact_duplicate", "To keep them: --set dedup.exact=false."),
        (
            [" ".join(f"{word}ly" for word in (_ENGLISH * 2).split()) + end for end in (" a", " b", " c")],
            "near_duplicate",
            "To keep them: a higher dedup.minhash.threshold, or --set dedup.minhash.enabled=false.",
        ),
    ],
)
def test_dedup(tmp_path: Path, texts: list[str], reason: str, says: str) -> None:
    lines = said(tmp_path, rows(tmp_path, "a", texts), "dedup")
    assert f"dedup: source a loses 2 of 3 documents: {reason} 2." in lines[0]
    assert "copy of" in lines[1]
    assert lines[1].endswith(says)


def test_extract(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "vendor").mkdir(parents=True)
    for number in range(3):
        (checkout / f"notes{number}.blah").write_text("nothing")
    (checkout / "vendor" / "a.py").write_text("print(1)\n")
    (checkout / "empty.py").touch()
    (checkout / "kept.py").write_text("print(2)\n")
    lines = said(tmp_path, '[[sources]]\nname = "code"\nkind = "code"\npaths = ["checkout"]\n', "extract")
    assert "extract: source code loses 5 of 6 documents: not_source 3, empty_payload 1, vendored 1." in lines[0]
    assert lines[1].endswith("To keep them: their endings in sources.code.extensions.")
    assert lines[2].endswith("No setting keeps them.")
    assert lines[3].endswith("To keep them: --set sources.code.vendored=true.")


def test_reused_stages_say_nothing(tmp_path: Path) -> None:
    sources = rows(tmp_path, "a", [_ENGLISH * 9] * 3)
    assert said(tmp_path, sources, "dedup")
    assert not said(tmp_path, sources, "dedup")
