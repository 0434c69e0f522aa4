"""A rule of the user's own: the example of the documentation on real text, and everything that a file can do wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from manifests.errors import UserError
from manifests.explore.build import Build
from pipeline.build import plan_build, run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.filters.chain import Chain
from pipeline.filters.custom.rule import OTHER_STAGES, OWN_REASONS, CustomRule
from pipeline.filters.custom.settings import CustomSettings
from pipeline.filters.language import Language
from pipeline.filters.settings import FilterSettings
from pipeline.recipe import load_recipe
from tests.builds import differing
from tests.conftest import REPOSITORY
from tests.signal_builds import docstrings, rows_of, signals_of

_RECIPE = """
name = "own"
output = "out"
[[sources]]
name = "library"
kind = "files"
paths = ["library-*.jsonl"]
format = "jsonl"
[[sources]]
name = "strict"
kind = "files"
paths = ["strict.jsonl"]
format = "jsonl"
[sources.filter.custom.thresholds]
shouting = 0.04
[[sources]]
name = "without"
kind = "files"
paths = ["without.jsonl"]
format = "jsonl"
[sources.filter.custom]
module = ""
[filter]
languages = []
rules = ["gopher_quality"]
[filter.gopher_quality]
min_words = 20
"""


def _example(language: str) -> str:
    """The block of a language in the section of docs/filters.md, as it stands there."""
    section = (REPOSITORY / "docs" / "filters.md").read_text(encoding="utf-8").split("\n## A rule of your own\n")[1]
    found = re.search(rf"^```{language}\n(.*?)^```$", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def _groundup(folder: Path, *arguments: str) -> str:
    """What a command prints; it runs in the folder of the recipe."""
    command = [sys.executable, "-m", "groundup", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation's module and recipe on the docstrings of Python's library, built by two workers."""
    folder = tmp_path_factory.mktemp("own")
    rows = list(docstrings())
    for number, name in enumerate(("library-0", "library-1", "strict", "without")):
        lines = (json.dumps(row) + "\n" for row in rows[number::4])
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "my_rules.py").write_text(_example("python"), encoding="utf-8")
    (folder / "recipe.toml").write_text(_RECIPE + _example("toml"), encoding="utf-8")
    _groundup(folder, "run", "recipe.toml", "--until", "dedup", "--workers", "2")
    return folder


@pytest.fixture(scope="module")
def build(folder: Path) -> Build:
    return Build(str(folder / "out"))


def _capital_fraction(text: str) -> float | None:
    num_lower, num_letters = 0, 0
    for character in text:
        num_letters += character.isalpha()
        num_lower += character.isalpha() and not character.isupper()
    return 1 - num_lower / num_letters if num_letters else None


def test_the_example_decides_and_stores_its_signals(build: Build) -> None:
    texts = {(row["source"], row["id"]): row["text"] for row in rows_of(build, "extract", dropped=False)}
    dropped = {"library": 0, "strict": 0}
    for row in signals_of(build):
        if row["source"] == "without":
            assert not any(name.startswith("custom.") for name in row)
            continue
        expected = _capital_fraction(texts[row["source"], row["id"]])
        assert row["custom.capital_fraction"] == (None if expected is None else pytest.approx(expected))
        most = 0.04 if row["source"] == "strict" else 0.1
        if row["reason"] == "shouting":
            dropped[row["source"]] += 1
            assert row["value"] == row["custom.capital_fraction"] > most
        elif row["reason"] is None:
            assert row["custom.capital_fraction"] is None or row["custom.capital_fraction"] <= most
    assert dropped["strict"] > dropped["library"] > 0
    assert build.manifest("filter").facts["comparisons"]["strict"][-2] == {
        "reason": "shouting",
        "signal": "custom.capital_fraction",
        "must_be": "at_most",
        "setting": "custom.thresholds.shouting",
        "threshold": 0.04,
    }


def test_drops_near_what_if_and_audit_know_the_rule(folder: Path, build: Build, tmp_path: Path) -> None:
    assert "shouting" in _groundup(folder, "drops", "out")
    near = json.loads(_groundup(folder, "drops", "out", "--reason", "shouting", "--near", "--sample", "4", "--json"))
    assert {row["setting"] for row in near["near"]} == {"custom.thresholds.shouting"}
    assert sorted(row["failed"] for row in near["near"]) == [False] * 4 + [True] * 4
    assert "audit of out: passed" in _groundup(folder, "audit", "out", "--deep")
    # What the answer says of another threshold is what a build with it does; the change is written as `--set` takes it.
    change = "custom.thresholds.shouting=0.06"
    answer = json.loads(_groundup(folder, "drops", "out", "--what-if", change, "--json"))
    (library,) = [source for source in answer["sources"] if source["source"] == "library"]
    shutil.copytree(folder / "out", tmp_path / "out")
    overrides = [f"output={tmp_path / 'out'}", f"filter.{change}"]
    report = run_build(load_recipe(folder / "recipe.toml", overrides), until="filter")
    assert report.reused == ["acquire", "extract"]
    kept = {name: counts.documents_out for name, counts in report.manifests["filter"].counts.sources.items()}
    assert library["kept_then"] == kept["library"] != library["kept_now"]
    before = build.manifest("filter").counts.sources
    assert [kept[name] for name in ("strict", "without")] == [before[n].documents_out for n in ("strict", "without")]


def test_one_worker_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "out" / "acquire", tmp_path / "out" / "acquire")
    shutil.copytree(folder / "out" / "extract", tmp_path / "out" / "extract")
    shutil.copy(folder / "out" / "groundup.json", tmp_path / "out")
    recipe = load_recipe(folder / "recipe.toml", [f"output={tmp_path / 'out'}"])
    run_build(recipe, until="filter", executor=ExecutorSettings(workers=1))
    assert differing(folder / "out" / "filter", tmp_path / "out" / "filter") == []


def test_a_changed_file_rebuilds_the_filter_and_what_follows(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    recipe = load_recipe(copy / "recipe.toml", [f"output={copy / 'out'}"])
    assert [plan.action for plan in plan_build(recipe, "dedup")] == ["reuse"] * 4
    (copy / "my_rules.py").write_text(_example("python").replace('"at_most", 0.1)', '"at_most", 0.07)'))
    plans = {plan.stage: plan for plan in plan_build(recipe, "dedup")}
    assert [plans[stage].action for stage in plans] == ["reuse", "reuse", "build", "follow"]
    assert any(reason.startswith("filter.digests.custom_module: ") for reason in plans["filter"].reasons)
    assert run_build(recipe, "dedup").rebuilt == ["filter", "dedup"]


# What a file can do wrong

_ROWS = 'COMPARISONS = [\n    ("odd", "oddness", "at_most", 1),\n'
_FUNCTION = "]\ndef signals(document, signals):\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "no such file. Give the path of a Python file, relative to the recipe."),
        ("x = 1\nif x\n", "line 2: no Python that can be read (expected ':'). Mend it."),
        ("x = 1\n\ny = 1 / 0\n", "line 3: ZeroDivisionError: division by zero. Mend it: the file must run by itself."),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3. Mend it"),
        ("import nowhere_at_all\n", "line 1: ModuleNotFoundError: No module named 'nowhere_at_all'. Mend it"),
        (_ROWS + "]\n", "no function signals. Write def signals(document, signals)."),
        (_ROWS + "]\ndef signals(text):\n    return {}\n", "line 4: signals() does not take two arguments. Write def"),
        ("def signals(a, b):\n    return {}\n", "no list COMPARISONS with a comparison in it. Write COMPARISONS = ["),
        (
            "\nCOMPARISONS = []\ndef signals(a, b):\n    return {}\n",
            "line 2: no list COMPARISONS with a comparison in it.",
        ),
        (_ROWS + '    ("even", "a"),\n' + _FUNCTION + "    return {}\n", "line 3: COMPARISONS has a row that is no"),
        (
            _ROWS + '    ("Even!", "a", "at_most", 1),\n' + _FUNCTION + "    return {}\n",
            "line 3: reason 'Even!' is not snake_case.",
        ),
        (
            _ROWS + '    ("even", "a.b", "at_most", 1),\n' + _FUNCTION + "    return {}\n",
            "line 3: signal 'a.b' is not snake_case.",
        ),
        (_ROWS + '    ("odd", "a", "at_most", 1),\n' + _FUNCTION + "    return {}\n", "line 3: reason 'odd' has two"),
        (
            _ROWS + '    ("c4_bad_words", "a", "at_most", 1),\n' + _FUNCTION + "    return {}\n",
            "line 3: reason 'c4_bad_words' is one of groundup's own. Give it another name.",
        ),
        (
            _ROWS + '    ("near_duplicate", "a", "at_most", 1),\n' + _FUNCTION + "    return {}\n",
            "line 3: reason 'near_duplicate' is one of groundup's own.",
        ),
        (
            _ROWS + '    ("even", "a", "below", 1),\n' + _FUNCTION + "    return {}\n",
            "line 3: 'below' is no comparison.",
        ),
        (
            _ROWS + '    ("even", "a", "at_most", "1"),\n' + _FUNCTION + "    return {}\n",
            "line 3: threshold '1' is no finite number.",
        ),
        (
            _ROWS + '    ("even", "a", "at_most", float("nan")),\n' + _FUNCTION + "    return {}\n",
            "line 3: threshold nan is no finite number.",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_runs(
    folder: Path, tmp_path: Path, source: str | None, said: str
) -> None:
    path = tmp_path / "wrong.py"
    if source is not None:
        path.write_text(source)
    recipe = load_recipe(folder / "recipe.toml", [f"output={tmp_path / 'out'}", f"filter.custom.module={path}"])
    for start in (plan_build, run_build):
        with pytest.raises(UserError, match=re.escape(f"filter.custom.module: {path}: {said}")) as error:
            start(recipe)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "acquire").exists()


def test_thresholds_that_nothing_asks_for_are_refused(folder: Path, tmp_path: Path) -> None:
    overrides = [f"output={tmp_path / 'out'}", "filter.custom.thresholds.shoutin=0.2"]
    with pytest.raises(UserError, match=r"my_rules\.py has no reason 'shoutin'; did you mean 'shouting'\?"):
        plan_build(load_recipe(folder / "recipe.toml", overrides))
    with pytest.raises(UserError, match="thresholds are given without a module"):
        FilterSettings().merged({"custom": {"thresholds": {"shouting": 0.2}}})
    own = FilterSettings().merged({"custom": {"module": "a.py", "thresholds": {"shouting": 0.2}}})
    assert own.merged({"custom": {"module": ""}}).custom == CustomSettings()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '    return {"oddness": len(document.text) / 0}\n',
            "line 5: ZeroDivisionError: division by zero, on document",
        ),
        ("    def deep():\n        raise KeyError('k')\n    deep()\n", "line 6: KeyError: 'k', on document 'one'"),
        ("    raise SystemExit\n", "line 5: SystemExit, on document 'one'. Mend signals(), or return None for it."),
        ('    signals["a"] = 1.0\n', "line 5: TypeError: 'mappingproxy' object does not support item assignment"),
        ("    return 0.5\n", "line 4: signals() returns float for document 'one'. Return a dict"),
        ("    return {}\n", "line 4: signals() returns no 'oddness' for document 'one'. Return None where it"),
        (
            '    return {"oddness": 1, "more": 2}\n',
            "line 4: signals() returns 'more' for document 'one', which no row of",
        ),
        (
            '    return {"oddness": "1"}\n',
            "line 4: signals() gives '1' as 'oddness' of document 'one'. Return a finite",
        ),
        ('    return {"oddness": float("nan")}\n', "line 4: signals() gives nan as 'oddness' of document 'one'."),
        ('    return {"oddness": 10**400}\n', "line 4: signals() gives 1000"),
        ('    return {"oddness": [1] * 999}\n', "line 4: signals() gives [1, 1, 1"),
    ],
)
def test_what_goes_wrong_on_a_document_names_file_line_and_document(tmp_path: Path, body: str, said: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(_ROWS + _FUNCTION + body)
    chain = Chain(FilterSettings().merged({"custom": {"module": str(path)}}))
    chain.compile()  # calls nothing of the user's
    with pytest.raises(UserError, match=re.escape(f"filter.custom.module: {path}: {said}")) as error:
        chain.decide(Document(text="A text.", id="one", metadata={}))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 200


def test_an_error_on_a_document_comes_from_a_worker_in_one_line(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(_ROWS + _FUNCTION + '    return {"oddness": 1 / document.text.count("e")}\n')
    recipe = load_recipe(
        folder / "recipe.toml",
        [f"output={tmp_path / 'out'}", f"filter.custom.module={path}", "sources.strict.filter.custom.thresholds={}"],
    )
    with pytest.raises(UserError, match=re.escape(f"{path}: line 5: ZeroDivisionError")) as error:
        run_build(recipe, until="filter", executor=ExecutorSettings(workers=2))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("filter: ")


def test_a_function_sees_the_label_and_changes_nothing(tmp_path: Path) -> None:
    """Its document is a copy, numbers of any kind are taken, None drops nothing, and a file may have a dataclass."""
    path = tmp_path / "own.py"
    path.write_text(
        "from __future__ import annotations\nimport dataclasses, fractions\n"
        "@dataclasses.dataclass\nclass Found:\n    kind: str\n"
        'COMPARISONS = [("odd", "oddness", "at_most", 1), ("even", "a", "at_least", 1)]\n'
        'COMPARISONS += [("any", "oddness", "at_least", 0)]\n'
        "def signals(document, signals):\n"
        "    found = Found(document.metadata['language'])\n"
        "    document.metadata['url'] = document.text = 'changed'\n"
        "    assert document.metadata['language_score'] == 0.5 and signals['text.num_words'] == 3\n"
        "    return {'oddness': fractions.Fraction(1, 2), 'a': found.kind == 'de' or None}\n"
    )
    rule = CustomRule(CustomSettings(module=str(path), thresholds={"odd": 0.25}))
    document = Document(text="A text.", id="one", metadata={"url": "u"})
    for language, expected in (("de", 1.0), ("en", None)):
        found = rule.signals(document, {"text.num_words": 3.0}, Language(language, 0.5))
        assert found == {"custom.oddness": 0.5, "custom.a": expected}
    assert (document.text, document.metadata) == ("A text.", {"url": "u"})
    assert [comparison.threshold for comparison in rule.comparisons] == [0.25, 1.0, 0.0]
    assert not (tmp_path / "__pycache__").exists()


def test_reasons_of_other_stages_are_those_of_the_documentation() -> None:
    formats = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
    table = formats.split("Reasons of `extract`:")[1].split("The limits behind them")[0]
    (of_dedup,) = re.findall(r"Those of `dedup` are (.*)\.", formats)
    counted = {"not_sampled", "mixture_weight"}
    assert set(re.findall(r"`(\w+)`", table + of_dedup)) | counted == OTHER_STAGES
    filters = (REPOSITORY / "docs" / "filters.md").read_text(encoding="utf-8")
    assert not [reason for reason in OWN_REASONS if f"`{reason}`" not in filters]


def test_every_comparison_of_ours_has_a_reason_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "opt_out.txt").write_text("refused.example\n")
    (tmp_path / "list").write_text("refused.example\n")
    urls: dict[str, Any] = {"opt_out": str(tmp_path / "opt_out.txt"), "block_lists": [str(tmp_path / "list")]}
    settings = FilterSettings().merged({"urls": urls | {"adult_words": "soft"}})
    reasons = {comparison.reason for comparison in Chain(settings).comparisons}
    assert reasons == {reason for reason in OWN_REASONS if not reason.startswith("classifier_")}
