"""Evaluation sets in documents: each kind of set, found where it was planted, and clean text left alone."""

from __future__ import annotations

import bz2
import json
import random
import unicodedata
from pathlib import Path

import pytest

from manifests.errors import UserError
from pipeline.dedup.decontaminate import Decontaminator
from pipeline.dedup.evaluation_sets import check_files, digests, evaluation_files, items

BEFORE = "The harbour lay quiet under a thin fog. Nobody had come down to the boats yet. "
AFTER = "Later the wind turned, and gulls began to circle above the market. It would be a long day."


def sets_of(folder: Path, **files: str) -> Decontaminator:
    """What finds the items of files, named `questions_jsonl` for `questions.jsonl`."""
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return Decontaminator(evaluation_files(["*"], lambda pattern: str(folder / pattern)), 13)


def planted(text: str) -> str:
    return BEFORE + text + " " + AFTER


def shared(index: Decontaminator, text: str) -> list[tuple[str, str]]:
    return [(found.item, text[found.start : found.end]) for found in index.find(text)]


QUESTION = "Which of these boats was the first to leave the harbour when the ice broke in spring"
SETS = [
    ("jsonl", json.dumps({"id": "q7", "question": QUESTION + "?", "answer": "the Mary"}), "q7"),
    ("ndjson", json.dumps({"a": {"b": [{"text": QUESTION}]}}), "1"),
    ("json", json.dumps([{"text": "nothing"}, {"text": QUESTION}], indent=2), "2"),
    ("csv", f'id,question,answer\n5,"{QUESTION}, said ""he"", and\nwent",Mary\n', "5"),
    ("csv", f"question;answer\n{QUESTION};Mary\n", "2"),
    ("tsv", f'first\tsecond\n1\tan "open quote\n1\t{QUESTION}\n', "3"),
    ("txt", f"a first line\n{QUESTION}\n", "2"),
    ("jsonl", json.dumps({"id": "\ud800", "text": f"\udfff {QUESTION}"}), "\ufffd"),
]


@pytest.mark.parametrize(("ending", "text", "item"), SETS)
def test_an_item_of_each_format_is_found_and_named(tmp_path: Path, ending: str, text: str, item: str) -> None:
    index = sets_of(tmp_path, **{f"set_{ending}": text})
    document = planted(QUESTION.upper() + "?")
    assert shared(index, document) == [(f"set.{ending} {item}", QUESTION.upper())]
    assert index.find(BEFORE + AFTER) == []


@pytest.mark.parametrize(
    ("item", "text", "is_found"),
    [
        ({"q": "The woman who sold fish retired"}, "and the woman who sold fish retired early", True),  # six: anywhere
        ({"q": "The old woman retired early"}, "x. The old woman retired early, y", True),  # five: parted
        ({"q": "The old woman retired early"}, "and the old woman retired early to", False),
        ({"q": "The pond froze solid."}, "x\nthe pond froze solid\ny", True),  # four: a line
        ({"q": "The pond froze solid."}, "x. The pond froze solid. y", False),
        ({"q": "Bill left early."}, "x\nBill left early.\ny", False),
        ({"q": "What grows?", "choices": ["the old oak", "grass"]}, "x. What grows? The old oak. y", True),
        ({"choices": ["the old oak", "grass"], "q": "What grows?"}, "x. What grows? The old oak. y", True),
        ({"q": "What grows?", "choices": ["the tall old oak tree", "b"]}, "x. The tall old oak tree. y", False),
        ({"q": "What grows?", "choices": ["the tall old oak", "the grass"]}, "x. The tall old oak the grass. y", False),
        ({"q": "Question: Which pond froze solid first?\nA. this"}, "x. Which pond froze solid first? y", True),
        ({"q": "17 * 94 =", "a": "1598"}, "so 17 x 94 = 1598. We see 17 * 94 = 1598. y", True),
        ({"q": "17 * 94 =", "a": "1598"}, "We see 17 * 95 = 1598. y", False),
        ({"q": "1, 2, 3, 4, 5, 6, 7"}, "a list: 1, 2, 3, 4, 5, 6, 7, 8, 9", False),
    ],
)
def test_short_items_count_where_they_are_set_apart(tmp_path: Path, item: dict, text: str, is_found: bool) -> None:
    assert bool(sets_of(tmp_path, set_jsonl=json.dumps(item)).find(text)) == is_found


def test_numbers_that_differ_do_not_match(tmp_path: Path) -> None:
    text = "A robe takes 2 bolts of blue fiber and 7 bolts of white fiber in all"
    index = sets_of(tmp_path, set_txt=text)
    assert index.find(planted(text))
    assert index.find(planted(text.replace("2", "3").replace("7", "8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Élan vital, déjà vu et l'été à Besançon: où êtes-vous allés, mes très chers élèves, hier soir?",
        "Η πρώτη βάρκα που έφυγε από το λιμάνι όταν έσπασε ο πάγος την άνοιξη ήταν η μικρή κόκκινη",
        "Первая лодка, которая вышла из гавани, когда весной сломался лёд, была ещё совсем новая и красная",
        "春天冰融化的时候最先离开港口的船是哪一艘呢",
        "봄에 얼음이 깨졌을 때 항구를 가장 먼저 떠난 배는 이 배들 중에서 어느 배 입니까 말해 보세요",
        "أي من هذه القوارب كان أول من غادر الميناء عندما انكسر الجليد في الربيع يا صديقي العزيز",
    ],
)
def test_case_accents_and_unicode_forms_do_not_count(tmp_path: Path, text: str) -> None:
    index = sets_of(tmp_path, set_txt=unicodedata.normalize("NFC", text))
    for form in ("NFC", "NFD"):
        document = planted(unicodedata.normalize(form, text).upper())
        ((_, cut),) = shared(index, document)
        assert document.replace(cut, "") in (planted(""), planted("?"))  # no mark stays behind


def test_overlaps_are_one_find_and_the_first_item_names_it(tmp_path: Path) -> None:
    words = [f"w{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(40)]
    index = sets_of(tmp_path, a_txt=" ".join(words[5:25]), b_txt=" ".join(words[15:35]), c_txt=" ".join(words[5:25]))
    text = "Start here. " + " ".join(words) + " end."
    ((item, cut),) = shared(index, text)
    assert (item, cut) == ("a.txt 1", " ".join(words[5:35]))
    assert index.num_items == {"a.txt": 1, "b.txt": 1, "c.txt": 1}


def test_long_texts_are_looked_at_in_pieces(tmp_path: Path) -> None:
    index = sets_of(tmp_path, set_txt=QUESTION)
    filler = "and so the boats went out " * 50_000
    text = filler[:-11] + " " + QUESTION + " " + filler
    found = index.find(text)
    assert [text[one.start : one.end] for one in found] == [QUESTION]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.jsonl", b'{"text": "open', "cannot be read as an evaluation set"),
        ("a.txt", b"caf\xe9 au lait\n", "UTF-8"),
        ("a.txt", b"\n \n", "has no item"),
        ("a.csv", b"", "has no item"),
        ("a.txt.bz2", bz2.compress(b"a line of words " * 5000)[:-20], "cannot be read as an evaluation set"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        check_files(evaluation_files([name], lambda path: str(tmp_path / path)))
    with pytest.raises(UserError, match="no such file"):
        evaluation_files([name, "absent/*.jsonl"], lambda path: str(tmp_path / path))


def test_files_are_named_below_the_folder_that_they_share(tmp_path: Path) -> None:
    for name in ("one/val.jsonl", "two/val.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text('{"text": "a"}')
    files = evaluation_files(["two/*", "**/*.jsonl"], lambda path: str(tmp_path / path))
    assert [file.name for file in files] == ["one/val.jsonl", "two/val.jsonl"]
    before = digests(files)
    (tmp_path / "two/val.jsonl").write_text('{"text": "b"}')
    assert {name for name, digest in digests(files).items() if before[name] != digest} == {"two/val.jsonl"}


REAL_SETS = [
    "glue/RTE/dev.tsv",
    "glue/MRPC/msr_paraphrase_test.txt",
    "hellaswag/hellaswag_val_500_ru_edited.jsonl",
    "hellaswag/hellaswag_val_full.txt.bz2",
    "llm-foundry/commonsense_reasoning__openbook_qa.jsonl",
    "llm-foundry/symbolic_problem_solving__gsm8k.jsonl",
    "sms_spam/sms.tsv",
    "superglue/WSC/val.jsonl",
]


def test_real_items_are_found_in_real_pages_and_clean_pages_stay(shared_data: Path) -> None:
    files = evaluation_files(REAL_SETS, lambda name: str(shared_data / "eval" / name))
    index = Decontaminator(files, 13)
    with (shared_data / "web" / "wcxb-dev" / "manifest.jsonl").open(encoding="utf-8") as lines:
        pages = [json.loads(line)["gold"] for line in lines][:400]
    clean = [page for page in pages if not index.find(page)]
    assert len(clean) >= 0.995 * len(pages)
    chooser = random.Random(0)
    for file in files:
        for item in chooser.sample(list(items(file)), 30):
            text = "\n".join(piece.text for piece in item.pieces)
            if len(text.split()) < 5:
                continue
            lines = chooser.choice(clean).split("\n")
            lines.insert(len(lines) // 2, text)
            assert index.find("\n".join(lines)), (file.name, item)
