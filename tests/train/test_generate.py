"""Texts of a trained model: many at once, stop strings, what is printed and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from manifests.errors import UserError
from model.sampling import Sampling
from tests.train.builds import END_OF_TEXT_ID, recipe
from tokenizer.token_bytes import TextStream
from train import cli
from train.generate import Trained, load_trained
from train.objectives.pretrain import pretrain
from train.run.folder import RunFolder
from train.run.samples import write_samples
from train.settings import TrainSettings
from train.written import TextWriter, WrittenText, in_order

Generate = Callable[..., str]


@pytest.fixture(scope="module")
def run(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(pretrain(recipe(build), tmp_path_factory.mktemp("run")).run)


@pytest.fixture(scope="module")
def trained(run: Path) -> Trained:
    return load_trained(run)


@pytest.fixture
def generate(run: Path) -> Generate:
    app = typer.Typer()
    cli.register(app)

    def generated(*options: str) -> str:
        arguments = ["generate", str(run), "--max-tokens", "20", *options]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return generated


def writer(pieces: list[bytes], *stops: str) -> TextWriter:
    return TextWriter(WrittenText(0, ""), TextStream(pieces), stops, len(pieces))


@pytest.mark.parametrize(
    ("pieces", "stops", "streamed", "text", "ended"),
    [
        (["one", " two", " three"], ["two"], ["one", " "], "one ", "stop"),
        (["one t", "w", "o three"], ["two"], ["one ", "", ""], "one ", "stop"),  # over three tokens
        (["a", "a", "a", "b", "c"], ["aab"], ["", "", "a", ""], "a", "stop"),  # its beginning repeats
        (["tw", "ice"], ["two"], ["", "twice"], "twice", "length"),  # held back for nothing
        (["x", "tw"], ["two"], ["x", "", "tw"], "xtw", "length"),  # what is held back comes at the end
        (["a\n", "\nb"], ["\n\n"], ["a", ""], "a", "stop"),
        (["abcd"], ["bcd", "c"], ["ab"], "ab", "stop"),  # the one that is complete first, as by characters
        (["a", "b", "c", "d"], ["bcd", "c"], ["a", "", "b"], "ab", "stop"),
        (["ends"], ["s", "ds"], ["en"], "en", "stop"),  # complete at once: the longer one
        (["stop"], ["stop"], [""], "", "stop"),
        (["no", " stop"], [], ["no", " stop"], "no stop", "length"),
    ],
)
def test_stop_strings(pieces: list[str], stops: list[str], streamed: list[str], text: str, ended: str) -> None:
    found = writer([piece.encode() for piece in pieces], *stops)
    shown = []
    for token in range(len(pieces)):
        shown.append(found.add(token, -1.0))
        if found.written.ended:
            break
    else:
        shown += [last] if (last := found.end("length")) else []
    assert (shown, found.written.text, found.written.ended) == (streamed, text, ended)


@given(
    text=st.text("ab\né🙂", max_size=12),
    stops=st.lists(st.text("ab\né🙂", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=12),
)
def test_tokens_may_cut_a_text_anywhere(text: str, stops: list[str], cuts: list[int]) -> None:
    """Inside characters and stop strings: the text is that of one character after the other."""
    raw, pieces = text.encode(), []
    for size in (cuts * len(raw))[: len(raw)]:
        pieces.append(raw[:size])
        raw = raw[size:]
    found = writer(pieces, *stops)
    streamed = ""
    for token in range(len(pieces)):
        streamed += found.add(token, 0.0)
        if found.written.ended:
            break
    streamed += found.end("length")
    expected, ended = text, "length"
    for end in range(1, len(text) + 1):
        if fitting := [stop for stop in stops if text[:end].endswith(stop)]:
            expected, ended = text[: end - max(map(len, fitting))], "stop"
            break
    assert streamed == found.written.text == expected
    assert found.written.ended == ended


def test_the_end_of_a_text_gives_what_was_held_back() -> None:
    found = writer([b"tw", "é".encode()[:1]], "two")
    assert [found.add(token, -0.5) for token in (0, 1, 2)] == ["", "", "tw\ufffd"]
    assert found.written.as_json() == {
        "prompt": "",
        "text": "tw\ufffd",
        "ended": "end_of_text",
        "ids": [0, 1, 2],
        "log_probabilities": [-0.5] * 3,
    }
    assert not found.end("length")
    assert found.written.ended == "end_of_text"


def test_texts_come_in_order() -> None:
    texts = [WrittenText(number, "", ended="stop") for number in (2, 0, 1, 3)]
    assert [text.number for text in in_order([*texts[:1], WrittenText(0, ""), *texts[1:]])] == [0, 1, 2, 3]


def test_ten_samples_are_the_texts_of_ten_runs(generate: Generate) -> None:
    ten = generate("--prompt", "def ", "--num-samples", "10", "--seed", "3")
    alone = [generate("--prompt", "def ", "--seed", str(3 + number)) for number in range(10)]
    assert ten == "".join(f"--- sample {number}\n{text}" for number, text in enumerate(alone, 1))
    assert len(set(alone)) == 10


def test_several_prompts_are_written_as_alone(generate: Generate, tmp_path: Path) -> None:
    prompts = ["def ", "", "é日本 and a longer prompt than the model has room for", "x"]
    given = [option for prompt in prompts for option in ("--prompt", prompt)]
    alone = [generate("--prompt", prompt) for prompt in prompts]
    assert generate(*given) == "".join(f"--- prompt {number}\n{text}" for number, text in enumerate(alone, 1))
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": prompt, "other": 1}) + "\n" for prompt in prompts))
    assert generate("--prompts", str(file)) == generate(*given)
    both = generate("--prompts", str(file), "--num-samples", "2")
    assert both.count("--- prompt 3, sample 2\n") == 1
    lines = tmp_path / "prompts.txt"
    lines.write_bytes("\ufeffdef \r\n\nx\u2028y\n".encode())
    expected = [generate("--prompt", prompt) for prompt in ("first", "def ", "x\u2028y")]
    found = generate("--prompts", str(lines), "--prompt", "first")
    assert found == "".join(f"--- prompt {number}\n{text}" for number, text in enumerate(expected, 1))


def test_json_has_tokens_and_their_log_probabilities(generate: Generate, trained: Trained) -> None:
    options = ["--prompt", "def ", "--prompt", "a", "--num-samples", "2", "--min-p", "0.05"]
    rows = [json.loads(line) for line in generate(*options, "--json").splitlines()]
    assert [row["prompt"] for row in rows] == ["def ", "def ", "a", "a"]
    plain = generate(*options)
    for row in rows:
        assert f"\n{row['prompt']}{row['text']}\n" in plain
        assert len(row["ids"]) == len(row["log_probabilities"])
        assert row["ended"] == ("end_of_text" if row["ids"][-1] == END_OF_TEXT_ID else "length")
        assert row["ended"] == "end_of_text" or len(row["ids"]) == 20
        ids = trained.tokenizer.encode(row["prompt"]).ids
        for token, log_probability in zip(row["ids"], row["log_probabilities"], strict=True):
            with torch.no_grad():
                logits = trained.model(torch.tensor([ids]))[0, -1]
            assert log_probability == pytest.approx(logits.log_softmax(-1)[token].item(), abs=1e-4)
            ids = [*ids, token]


def test_a_stop_string_ends_its_own_text(generate: Generate) -> None:
    options = ["--prompt", "def ", "--prompt", "self.", "--json", "--seed", "4"]
    free = [json.loads(line) for line in generate(*options).splitlines()]
    stop = free[0]["text"][5:7]
    found = [json.loads(line) for line in generate(*options, "--stop", stop, "--stop", "never this").splitlines()]
    for before, after in zip(free, found, strict=True):
        head, cut, _ = before["text"].partition(stop)
        assert after["text"] == head
        assert after["ended"] == ("stop" if cut else before["ended"])
        assert before["ids"][: len(after["ids"])] == after["ids"]
    assert found[0]["ended"] == "stop"
    alone = generate("--prompt", "def ", "--seed", "4", "--stop", stop)
    assert alone == f"def {found[0]['text']}\n"


def test_a_penalty_makes_repetition_rarer(generate: Generate) -> None:
    def distinct(*options: str) -> int:
        [row] = [json.loads(line) for line in generate("--temperature", "0", "--json", *options).splitlines()]
        return len(set(row["ids"]))

    assert distinct("--repetition-penalty", "5") > distinct() == distinct("--repetition-penalty", "1")


@pytest.mark.parametrize(
    ("contents", "name", "message"),
    [
        (b"", "a.txt", "a.txt: no prompts. Write one a line."),
        (b"\n \n", "a.txt", "a.txt: no prompts."),
        (b"ok\n\xff\n", "a.txt", "a.txt: not valid UTF-8 at byte 3"),
        (b'{"prompt": "x"}\nplain', "a.jsonl", 'a.jsonl:2: no object with a text "prompt"'),
        (b'{"text": "x"}', "a.jsonl", "a.jsonl:1: no object"),
        (b'{"prompt": 3}', "a.jsonl", "a.jsonl:1: no object"),
        (b'["prompt"]', "a.jsonl", "a.jsonl:1: no object"),
        (b'{"prompt": "\\ud800"}', "a.jsonl", "a.jsonl:1: no object"),
        (None, "a.txt", "a.txt: cannot be read (No such file or directory)"),
    ],
)
def test_files_of_prompts_that_cannot_be_used(
    generate: Generate, tmp_path: Path, contents: bytes | None, name: str, message: str
) -> None:
    if contents is not None:
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(UserError) as caught:
        generate("--prompts", str(tmp_path / name))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        *[["--min-p", value] for value in ("-0.1", "1.1", "nan", "inf")],
        *[["--repetition-penalty", value] for value in ("0", "-1", "nan", "inf")],
        ["--stop", ""],
        ["--stop", "caf\udce9"],
        ["--stop", "a", "--prompt", "ok", "--prompt", "\udce6"],
    ],
)
def test_options_that_make_no_sense_are_named(run: Path, options: list[str]) -> None:
    app = typer.Typer()
    cli.register(app)
    result = CliRunner().invoke(app, ["generate", str(run), *options])
    assert result.exit_code in (1, 2)
    assert not result.stdout
    named = options[-2] if "ok" not in options else "--prompt"
    assert named in (str(result.exception) if isinstance(result.exception, UserError) else result.output)


def test_samples_of_a_run_are_each_what_they_are_alone(run: Path, trained: Trained) -> None:
    prompts = ("def ", "The ", "")
    write_samples(RunFolder(run), trained.model, 99, TrainSettings(sample_prompts=prompts, sample_tokens=40), 7)
    alone = ["".join(trained.stream(prompt, 40, 0.8, 50, seed=7)) for prompt in prompts]
    heading = "=== step 99, temperature 0.8, top k 50, seed 7 ===\n"
    expected = "".join(f"{heading}{prompt}|{text}\n\n" for prompt, text in zip(prompts, alone, strict=True))
    assert (run / "samples.txt").read_text().endswith(f"\n\n{expected}")
    RunFolder(run).truncate_after(12)


def test_more_texts_than_memory_for_them_are_written_in_turns(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Sampling(temperature=0.9)
    together = trained.write(["a", "bc", "d", "a"], 8, sampling, 1)
    monkeypatch.setattr("train.generate._MOST_CACHE_BYTES", 1)
    one_by_one = trained.write(["a", "bc", "d", "a"], 8, sampling, 1)
    assert [text.text for text in one_by_one] == [text.text for text in together]
    assert [text.number for text in one_by_one] == [0, 1, 2, 3]
    assert all(math.isfinite(each) for text in together for each in text.log_probabilities)
