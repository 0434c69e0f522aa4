"""Units of texts that repeat across documents, and how they are cut out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.candidates import ENTRY
from pipeline.dedup.lines import REPEAT, cut, places_to_cut, repeats, units, whole


def entries_of(texts: list[str], unit: str, ranks: list[int] | None = None) -> np.ndarray:
    found = []
    for number, text in enumerate(texts):
        keys = np.unique(units(text, unit).keys)
        entries = np.zeros(len(keys), ENTRY)
        entries["key"], entries["document"] = keys, number
        entries["rank"] = (ranks or [0] * len(texts))[number] << 32
        found.append(entries)
    return np.concatenate(found)


def without_repeats(texts: list[str], unit: str, min_documents: int = 2, ranks: list[int] | None = None) -> list[str]:
    repeated = repeats(entries_of(texts, unit, ranks), min_documents)
    left = []
    for number, text in enumerate(texts):
        mine, found = repeated[repeated["document"] == number], units(text, unit)
        places = [place for place, _ in places_to_cut(found.keys, mine)]
        left.append(cut(text, [whole(text, int(found.starts[at]), int(found.ends[at])) for at in places])[0])
    return left


SAME_PARAGRAPH = [
    ("Posted on 12 May 2024, 3 comments by admin", "POSTED on 07 May 1999 - 5 comments by Admin!"),
    ("Élan vital à Paris en été", "Elan vital a PARIS en ete."),
    ("Читайте нас в Telegram каждый день", "читайте нас в telegram — каждый день"),
    ("本网站所刊载信息2012", "本网站所刊载信息，2024"),
    ("Διαβάστε περισσότερα για το θέμα", "διαβαστε ΠΕΡΙΣΣΟΤΕΡΑ για το θεμα…"),
    ("اقرأ المزيد عن هذا الموضوع", "اقرأ المزيد عن هذا الموضوع."),
]


@pytest.mark.parametrize(("one", "other"), SAME_PARAGRAPH)
def test_paragraphs_are_equal_without_digits_marks_and_case(one: str, other: str) -> None:
    (key,), (same,) = units(f"  {one}\n", "paragraph").keys, units(other, "paragraph").keys
    assert key == same
    assert units(one, "line").keys[0] != units(other, "line").keys[0]
    assert units(f" {one} ", "line").keys[0] == units(one.upper().lower(), "line").keys[0] or not one.isascii()


@pytest.mark.parametrize(
    "text", ["}", "* * *", "ROMEO:", "else:", "No, sir.", "1 2 3 4 5 6", "12:30 | 13:45 | 14:00", ""]
)
@pytest.mark.parametrize("unit", ["line", "paragraph"])
def test_short_lines_are_no_units(text: str, unit: str) -> None:
    assert without_repeats([f"a\n{text}\nb"] * 3, unit) == [f"a\n{text}\nb"] * 3


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A\nthis is a repeated line\nB", "A\nB"),
        ("A\n\nthis is a repeated line\n\nB", "A\n\nB"),
        ("A\n\nthis is a repeated line\n", "A"),
        ("this is a repeated line\n\n    B", "    B"),
        ("  this is a repeated line  \n\tB", "\tB"),
        ("A\nthis is a repeated line\nthis is a repeated line", "A\n"),
        ("this is a repeated line", ""),
    ],
)
def test_a_line_goes_with_its_line_end(text: str, left: str) -> None:
    kept = "this is a repeated line\nand what is longer than all"
    assert without_repeats([text, kept], "paragraph", ranks=[1, 0]) == [left, kept]


def test_the_preferred_document_keeps_the_first_copy_alone() -> None:
    line = "This line is in all of them"
    texts = [f"{line}\na", f"b\n{line}\nc\n{line}", f"{line}\nd"]
    assert without_repeats(texts, "line", ranks=[2, 1, 3]) == ["a", f"b\n{line}\nc", "d"]
    assert without_repeats(texts, "line", min_documents=4) == texts
    assert without_repeats([f"{line}\n{line}"], "line") == [f"{line}\n{line}"]  # one document alone


def test_three_sentences_in_a_row_are_cut_where_all_three_repeat() -> None:
    shared = "We met at noon. It was cold outside! Who would have come?"
    texts = [
        f"{shared} I stayed.",
        f"It rained. {shared} You left.",
        f"It was cold outside! Nobody came. {shared[:15]}",
    ]
    assert without_repeats(texts, "three_sentences") == [texts[0], "It rained. You left.", texts[2]]
    overlapping = [f"{shared} And then we all went home.", f"X. {shared} And then we all went home. Y."]
    assert without_repeats(overlapping, "three_sentences")[1] == "X. Y."
    assert without_repeats(["甲乙。丙丁。戊己。", "他说。甲乙。丙丁。戊己。"], "three_sentences")[1] == "他说。"


@given(st.lists(st.sampled_from(["one two three four", "five six seven eight", "x", "", " y "]), max_size=8))
def test_what_is_cut_and_what_is_left_are_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = units(text, "paragraph")
    spans = [whole(text, int(start), int(end)) for start, end in zip(found.starts, found.ends, strict=True)]
    left, cuts = cut(text, spans)
    assert len(cuts) == len(spans)
    bounds = [bound for one in cuts for bound in one[:2]]
    assert bounds == sorted(bounds)
    assert Counter(left) + Counter("".join(text[one.start : one.end] for one in cuts)) == Counter(text)


def test_repeats_do_not_depend_on_the_order_of_entries() -> None:
    texts = [f"line number one is here {chr(97 + number % 3)}\nand a line that all of us have" for number in range(20)]
    entries = entries_of(texts, "paragraph", ranks=[number % 5 for number in range(20)])
    expected = repeats(entries, 3)
    assert expected.dtype == REPEAT
    assert expected["keeps"].sum() == len(np.unique(expected["key"])) == 4
    shuffled = np.random.default_rng(0).permutation(entries)
    assert np.array_equal(repeats(shuffled, 3), expected)


@pytest.mark.parametrize("unit", ["line", "paragraph", "three_sentences"])
def test_news_pages_of_one_host_lose_their_boilerplate(shared_data: Path, unit: str) -> None:
    """Cleaned pages lose little; the same pages with the host's notice under each lose just that."""
    notice = "Terms of use of this site. All rights are reserved by us. Do not copy any of it."
    with (shared_data / "web" / "waddle-daniel" / "manifest.jsonl").open(encoding="utf-8") as rows:
        pages = [json.loads(row)["gold"].replace("<p>", "").replace("</p>", "") for row in rows]
    pages = sorted({page.strip() for page in pages if len(page) > 500})[:300]
    cleaned = without_repeats(pages, unit)
    assert sum(map(len, cleaned)) > 0.9 * sum(map(len, pages))
    left = without_repeats([f"{page}\n{notice}" for page in pages], unit)
    assert sum(notice in text for text in left) == 1
    assert sum(one.strip() == other.strip() for one, other in zip(left, cleaned, strict=True)) >= 0.98 * len(pages)
