"""The quality classifier: what it reads, how a model is trained and kept, and what it decides."""

from __future__ import annotations

import itertools
import json
import random
import re
import tempfile
import xml.dom.minidom
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from manifests.errors import UserError
from pipeline.commands import classifier as classifier_cli
from pipeline.documents.schema import DOCUMENT_SCHEMA
from pipeline.filters.classifier import features
from pipeline.filters.classifier.blocks import ClassifierFilter
from pipeline.filters.classifier.calibration import calibration_bins, calibration_svg
from pipeline.filters.classifier.examples import Example, find_parts, read_examples
from pipeline.filters.classifier.features import Hasher, excerpt
from pipeline.filters.classifier.model import load_model, model_bytes, score
from pipeline.filters.classifier.settings import ClassifierSettings
from pipeline.filters.classifier.signals import (
    SCORE,
    SIGNALS,
    Classifier,
    digests,
    pareto_draw,
)
from pipeline.filters.classifier.training import TrainingSettings, matched

_GOOD = re.findall(r"\w+", "the theory was first published by an astronomer who described classes of distant stars")
_BAD = re.findall(r"\w+", "click here to buy cheap shoes now free shipping subscribe today and win our best deal ever")
_NEUTRAL = [f"word{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh"]


def _rows(words: list[str], side: str, number: int, length: int, start: int = 0) -> list[dict[str, Any]]:
    rows = []
    for index in range(start, start + number):
        rng = random.Random(f"{side}{index}")
        text = " ".join(
            rng.choice(words if rng.random() < 0.3 else _NEUTRAL) for _ in range(rng.randint(length // 2, length))
        )
        rows.append({"id": f"{side}-{index}", "text": text, "url": f"https://{side}{index % 40}.example/{index}"})
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> str:
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in DOCUMENT_SCHEMA]
    pq.write_table(pa.Table.from_arrays(columns, schema=DOCUMENT_SCHEMA), path)
    return str(path)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("parts")
    good, bad = _rows(_GOOD, "good", 160, 300), _rows(_BAD, "bad", 160, 120)
    return {
        "good": _write(folder / "part-good-0.parquet", good[:100]),
        "more": _write(folder / "part-good-1.parquet", good[100:]),
        "bad": _write(folder / "part-bad-0.parquet", bad),
    }


@pytest.fixture(scope="module")
def model(parts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("model")
    settings = TrainingSettings(bucket_bits=14)
    classifier_cli.write(classifier_cli.train_parts([parts["good"], parts["more"]], [parts["bad"]], settings), str(out))
    return str(out / "model.safetensors")


# Features


def test_case_punctuation_spaces_and_digits_do_not_count() -> None:
    hasher = Hasher(1 << 16)

    def same(first: str, second: str) -> bool:
        return hasher.buckets(first).tolist() == hasher.buckets(second).tolist()

    assert same("Don't  STOP, at\n10!", "don t stop at 99")
    assert same("ÄÖÜ Łódź Ж Ё Ω", "äöü łódź ж ё ω")
    assert same("Ｆｕｌｌ　１", "full 7")
    assert same("“a” — b…", "a b")
    assert same("a b a b", "a b a b a b")  # how often does not count
    assert not same("a b", "b a")
    assert not same("ab", "a b")


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("...", 0), ("one", 1), ("one two", 3), ("one two three", 5), ("電話", 3), ("a\0b", 2)],
)
def test_each_word_and_each_pair_is_a_feature(text: str, number: int) -> None:
    assert len(Hasher(1 << 20).buckets(text)) == number


@settings(deadline=None)  # the first call compiles
@given(st.text(max_size=60))
def test_hashing_takes_any_text_and_leaves_no_trace(text: str) -> None:
    hasher = Hasher(1 << 10)
    first = hasher.buckets(text)
    assert hasher.buckets(text).tolist() == first.tolist() == sorted(set(first.tolist()))
    assert not hasher._seen.any()
    weights = np.arange(1 << 10, dtype=np.float32)
    mean = hasher.mean_weight(text, weights)
    assert mean is None if not len(first) else mean == pytest.approx(weights[first].mean())


@settings(deadline=None)  # the first call compiles
@given(st.text(alphabet="aB cé É-ßλΛжЖ9_.7\n“\u3000電", max_size=30))
def test_words_are_runs_of_letters_and_digits(text: str) -> None:
    folded = re.sub(r"\d", "0", text.lower())
    words = re.findall(r"電|[^\W_電]+", folded)
    expected = {(word,) for word in words} | set(itertools.pairwise(words))
    assert len(Hasher(1 << 22).buckets(text)) == len(expected)


def test_excerpts_are_of_the_whole_text() -> None:
    text = "".join(map(str, range(10_000)))
    read = excerpt(text)
    assert len(read) == features.EXCERPT_CHARACTERS + features.EXCERPT_PIECES - 1
    assert read.startswith(text[:1000])
    assert read.endswith(text[-1000:]) or text.endswith(read[-900:])
    assert excerpt(text[:4000]) == text[:4000]


# Training


def test_the_model_tells_the_sides_and_says_what_by(model: str) -> None:
    facts = load_model(model).facts
    assert facts["held_out"]["auc"] > 0.97
    assert 0.4 < facts["held_out"]["auc_of_length"] < 0.65  # the good ones were more than twice as long
    assert facts["documents"]["learned"]["positive"] + facts["documents"]["held_out"]["positive"] == 160
    assert len(facts["made_of"]["positive"]) == 2
    assert len(set(facts["words"]["positive"][:8]) & set(_GOOD)) >= 6
    assert len(set(facts["words"]["negative"][:8]) & set(_BAD)) >= 6


def test_the_same_parts_give_the_same_bytes_wherever_they_are(
    parts: dict[str, str], model: str, tmp_path: Path
) -> None:
    moved = tmp_path / "part-good-1.parquet"
    moved.write_bytes(Path(parts["more"]).read_bytes())
    settings = TrainingSettings(bucket_bits=14)
    again = classifier_cli.train_parts([str(moved), parts["good"], parts["good"]], [parts["bad"]], settings)
    assert again.data == Path(model).read_bytes()
    other = classifier_cli.train_parts([str(moved), parts["good"]], [parts["bad"]], settings._replace(seed=1))
    assert other.data != again.data


def test_held_out_hosts_were_not_learned_from(parts: dict[str, str]) -> None:
    examples = read_examples(find_parts([parts["bad"]], "negative"), [], 1000, 0)
    assert {example.group for example in examples} == {f"host bad{number}.example" for number in range(40)}
    few = read_examples(find_parts([parts["bad"]], "negative"), [], 30, 0)
    assert [example.document for example in few] == [example.document for example in examples[:30]]


def test_a_host_that_is_most_of_a_side_is_split_by_document(tmp_path: Path) -> None:
    rows = [{"id": str(number), "text": f"text {number}", "url": "https://one.example/"} for number in range(20)]
    examples = read_examples(find_parts([_write(tmp_path / "part-a.parquet", rows)], "positive"), [], 100, 0)
    assert len({example.group for example in examples}) == 20


def test_a_book_gives_sections_and_no_more_than_twenty(tmp_path: Path) -> None:
    rows = [{"id": "book", "text": "word " * 300_000}, {"id": "page", "text": "word " * 1000}]
    examples = read_examples(find_parts([_write(tmp_path / "part-a.parquet", rows)], "positive"), [], 100, 0)
    assert sorted(example.document for example in examples) == ["book"] * 20 + ["page"]
    assert len({example.group for example in examples}) == 2


def test_lengths_are_alike_after_matching() -> None:
    def side(name: str, lengths: list[int]) -> list[Example]:
        return [Example(n, f"{name}{n}", 0, "", "x" * length) for n, length in enumerate(lengths)]

    rng = random.Random(0)
    short = side("a", [rng.randint(100, 2000) for _ in range(3000)])
    long = side("b", [rng.randint(1000, 4000) for _ in range(3000)])
    means = [np.mean([len(example.text) for example in examples]) for examples in matched(short, long, 0)]
    assert abs(means[0] - means[1]) < 0.05 * means[0]


def test_errors_of_training_are_one_line(parts: dict[str, str], tmp_path: Path) -> None:
    few = _write(tmp_path / "part-few.parquet", _rows(_GOOD, "few", 20, 50))
    damaged = tmp_path / "part-damaged.parquet"
    damaged.write_bytes(b"PAR1 not really")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "part-other.parquet")
    cases = [
        ([parts["good"]], [parts["good"]], "the same part is on both sides"),
        ([few], [parts["bad"]], r"the positive side has \d+ documents to learn from, and at least 40 are needed"),
        ([parts["good"]], [str(tmp_path / "none-*.parquet")], "no Parquet parts for the negative side"),
        ([parts["good"]], [str(damaged)], "cannot be read as Parquet"),
        ([parts["good"]], [str(tmp_path / "part-other.parquet")], "has no columns id and text"),
        ([], [parts["bad"]], "name parts of both sides"),
    ]
    for positive, negative, message in cases:
        with pytest.raises(UserError, match=message) as error:
            classifier_cli.train_parts(positive, negative, TrainingSettings(bucket_bits=12))
        assert "\n" not in str(error.value)


# The model file


def test_a_model_file_that_is_none_is_refused(model: str, tmp_path: Path) -> None:
    data = Path(model).read_bytes()
    flipped = bytearray(data)
    flipped[-100] ^= 1
    weights = np.zeros(16, np.float16)
    newer = model_bytes(weights, {"bias": 0.0, "languages": []}).replace(b'\\"format\\":1', b'\\"format\\":2')
    cases = [
        (data[: len(data) // 2], "not a classifier's model, or damaged"),
        (b"", "not a classifier's model, or damaged"),
        (bytes(flipped), "the weights are damaged"),
        (newer, "a model of format 2"),
    ]
    facts = {"bias": 0.0, "languages": []}
    for wrong in (
        np.zeros(0, np.float16), np.zeros((4, 4), np.float16), np.zeros(16, np.int64), np.zeros(24, np.float16),
        np.full(16, np.nan, np.float16),
    ):  # fmt: skip
        cases.append((model_bytes(wrong, facts), "not a classifier's model, or damaged"))
    cases += [
        (model_bytes(weights, {"bias": 0.0, "languages": "en"}), "not a classifier's model, or damaged"),
    ]
    for number, (content, message) in enumerate(cases):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            load_model(str(path))
    with pytest.raises(UserError, match="groundup classifier train"):
        load_model(str(tmp_path / "absent"))
    with pytest.raises(UserError, match="cannot be read"):
        load_model(str(tmp_path))


def test_a_model_that_is_replaced_is_read_again(model: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(np.zeros(16, np.float16), {"bias": 0.0, "languages": []}))
    first = digests(ClassifierSettings(model=str(path)))
    path.write_bytes(Path(model).read_bytes())
    assert digests(ClassifierSettings(model=str(path))) != first
    assert digests(ClassifierSettings()) == {}


def test_held_out_scores_are_those_of_the_written_model(parts: dict[str, str]) -> None:
    settings = TrainingSettings(bucket_bits=14)
    trained = classifier_cli.train_parts([parts["good"], parts["more"]], [parts["bad"]], settings)
    sides = [
        read_examples(find_parts(paths, "any"), [], 1000, 0)
        for paths in ([parts["bad"]], [parts["good"], parts["more"]])
    ]
    texts = [example.text for side in matched(sides[0], sides[1], 0) for example in side]
    model = load_model_of(trained.data)
    every = [score(model, model.hasher(), text) for text in texts]
    for value in trained.scores:
        assert min(abs(value - other) for other in every if other is not None) < 1e-6


def load_model_of(data: bytes) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        return load_model(file.name)


# Decisions


def test_threshold_and_signals(model: str) -> None:
    settings = ClassifierSettings(model=model, min_score=0.5)
    good, bad = (" ".join(words * 3) for words in (_GOOD, _BAD))
    judge = Classifier(settings)
    assert judge.signals(good, "a")[SCORE] > 0.9 > 0.1 > judge.signals(bad, "a")[SCORE]  # type: ignore[operator]
    assert judge.signals("...", "a") == dict.fromkeys(SIGNALS)
    block = ClassifierFilter(settings)
    documents = [Document(text=text, id=name, metadata={}) for name, text in (("g", good), ("b", bad), ("n", "..."))]
    assert [document.id for document in block.run(documents)] == ["g", "n"]
    assert int(block.stats["dropped_classifier_low_score"].total) == 1


def test_languages_that_the_model_was_not_trained_for_are_not_judged(parts: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(np.full(16, -9, np.float16), {"bias": 0.0, "languages": ["en"]}))
    judge = Classifier(ClassifierSettings(model=str(path)))
    assert judge.signals("ein Text", "a", "de") == dict.fromkeys(SIGNALS)
    assert judge.signals("a text", "a", "en")[SCORE] is not None
    assert judge.signals("a text", "a", None)[SCORE] is not None


def test_the_pareto_rule_keeps_as_many_as_the_paper_says() -> None:
    """Against numpy's own draws: the shares of documents kept at each score."""
    draws = np.array([pareto_draw(f"document {number}", 0, 9.0) for number in range(20_000)])
    theirs = np.random.default_rng(0).pareto(9.0, 20_000)
    for kept_from in (0.0, 0.5, 0.8, 0.9, 0.95):
        expected = (1 + (1 - kept_from)) ** -9.0
        assert (draws > 1 - kept_from).mean() == pytest.approx(expected, abs=0.012)
        assert (theirs > 1 - kept_from).mean() == pytest.approx(expected, abs=0.012)
    assert draws.min() >= 0.0
    assert pareto_draw("a", 0, 9.0) == pareto_draw("a", 0, 9.0) != pareto_draw("a", 1, 9.0)


def test_the_pareto_rule_decides_by_the_margin(model: str) -> None:
    settings = ClassifierSettings(model=model, rule="pareto")
    text = " ".join(_BAD * 3)
    judge = Classifier(settings)
    for name in map(str, range(50)):
        value, margin = judge.signals(text, name).values()
        assert value is not None
        assert margin == pytest.approx(pareto_draw(name, 0, 9.0) - (1 - value))
    block = ClassifierFilter(settings)
    documents = [Document(text=" ".join(_GOOD), id=str(number), metadata={}) for number in range(400)]
    assert len(list(block.run(documents))) > 250
    assert [comparison.row() for comparison in judge.comparisons] == [
        {
            "reason": "classifier_pareto",
            "signal": "classifier.pareto_margin",
            "must_be": "at_least",
            "setting": "classifier.min_pareto_margin",
            "threshold": 0.0,
        }
    ]


def test_calibration() -> None:
    scores = np.array([0.1, 0.15, 0.85, 0.95, 1.0])
    labels = np.array([0, 1, 1, 1, 1])
    bins = calibration_bins(scores, labels, np.full(5, 0.2))
    assert [(bin_.number, round(bin_.share, 2)) for bin_ in bins] == [(2, 0.5), (1, 1.0), (2, 1.0)]
    drawing = calibration_svg(scores, labels, "a < b")
    assert drawing.startswith("<svg")
    assert "a &lt; b" in drawing
    assert len(xml.dom.minidom.parseString(drawing).getElementsByTagName("circle")) == 3


def test_commands(parts: dict[str, str], tmp_path: Path) -> None:
    app = typer.Typer()
    classifier_cli.register(app)
    out = tmp_path / "out"
    folder = str(Path(parts["good"]).parent)
    good, bad = f"{folder}/part-good-*.parquet", f"{folder}/part-bad-*.parquet"
    command = ["classifier", "train", "--positive", good, "--negative", bad, "--out", str(out), "--bucket-bits", "14"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["calibration.svg", "model.safetensors", "report.json"]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    shown = CliRunner().invoke(app, ["classifier", "show", str(out), "--json"])
    facts = json.loads(shown.output)
    assert {name: facts[name] for name in report} == report
    assert f"AUC {report['held_out']['auc']:.4f}" in CliRunner().invoke(app, ["classifier", "show", str(out)]).output
