"""What `--vary` asks for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from manifests.errors import UsageError
from train.sweep.vary import combinations, read_vary, run_name, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-3,2e-3", ["1e-3", "2e-3"]),
        ("0, 1 ,2", ["0", "1", "2"]),
        ("[0.9,0.95],[0.8,0.95]", ["[0.9,0.95]", "[0.8,0.95]"]),
        ("[[1,2],[3]],[[4]]", ["[[1,2],[3]]", "[[4]]"]),
        ('"SSSL","L"', ['"SSSL"', '"L"']),
        ("SSSL,L", ["SSSL", "L"]),
        ('"a,b",c', ['"a,b"', "c"]),
        (r'"a\",b",c', [r'"a\",b"', "c"]),
        (r"'a\',b", [r"'a\'", "b"]),
        ('["a]",2],3', ['["a]",2]', "3"]),
        ("{a=1,b=2},{a=3,b=4}", ["{a=1,b=2}", "{a=3,b=4}"]),
        ("true,false", ["true", "false"]),
        ("1", ["1"]),
    ],
)
def test_values_stand_between_commas(text: str, values: list[str]) -> None:
    assert split_values(text, "--vary") == values


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["train.learning_rate"], "write it as key=value"),
        (["=1,2"], "write it as key=value"),
        (["train.learning_rate="], "a value is empty"),
        (["train.learning_rate=1,,2"], "a value is empty"),
        (["train.betas=[0.9,0.95"], "] is missing"),
        (['model.norm="rmsnorm'], '" is missing'),
        (["tokenizer.vocab_size=1,2"], "only seed and keys of"),
        (["output=a,b"], "only seed and keys of"),
        (["name=a,b"], "only seed and keys of"),
        (["seed=0", "seed=1"], "seed is given twice"),
        (["train.warmup_fraction=0,0.1"], "train.warmup_fraction is given twice"),
        (["train.precision=\udcff"], "not valid UTF-8"),
    ],
)
def test_what_cannot_be_varied_is_refused(vary: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        read_vary(vary, ["train.warmup_fraction=0.2"])


def test_every_combination_comes_once() -> None:
    varied = read_vary(["train.learning_rate=1e-3,2e-3", "seed=0,1,2"])
    found = combinations(varied)
    assert found[:2] == [{"train.learning_rate": "1e-3", "seed": "0"}, {"train.learning_rate": "1e-3", "seed": "1"}]
    assert len(found) == 6 == len({tuple(one.items()) for one in found})


VALUES: list[Any] = [
    *[0, 1, -1, 1.0, 0.001, 0.0011, 1e-5, True, False, "1", "true", "0.001", "-1", "x", "x ", "X", "x/y", "x-y", "x.y"],
    *[
        "",
        " ",
        "[0.9, 0.95]",
        [0.9, 0.95],
        [0.9],
        [],
        ["a", "b"],
        ["a,b"],
        "ü",
        "ö",
        "..",
        "a" * 300,
        "a" * 301,
        "nan",
        "~",
    ],
]


def test_different_values_never_have_one_folder() -> None:
    names = [run_name({"train.x": value, "seed": 0}) for value in VALUES]
    assert len(set(names)) == len(VALUES)
    for name in names:
        assert len(name.encode()) <= 200
        assert not set(name) & set("/\\ \n*?[]{}'\"$:;|<>&")
        assert name.isascii()
    pairs = [run_name({"train.x": a, "train.y": b}) for a, b in itertools.product(VALUES, repeat=2)]
    assert len(set(pairs)) == len(pairs)


def test_names_are_stable() -> None:
    assert run_name({"train.learning_rate": 0.001, "seed": 2}) == "train.learning_rate=0.001,seed=2"
    assert run_name({"seed": 2, "train.learning_rate": 0.001}) == "train.learning_rate=0.001,seed=2"
    assert run_name({"model.window_pattern": "SSSL"}) == "model.window_pattern=SSSL"
    assert run_name({"train.betas": [0.9, 0.95]}) == "train.betas=0.9-0.95~a8b37cff"
