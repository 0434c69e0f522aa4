"""A rule of the user's own: the example of the documentation on real text, and everything that a file can do wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.what_if import what_if
from manifests.storage import Folder
from pipeline.build import plan_build, run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.engine.tasks import TaskOutput
from pipeline.filters.chain import Chain
from pipeline.filters.custom.rule import OWN_REASONS, CustomRule
from pipeline.filters.custom.settings import CustomSettings
from pipeline.filters.language import Language
from pipeline.filters.paths import resolved
from pipeline.filters.settings import FilterSettings
from pipeline.recipe import load_recipe
from pipeline.stages.base import part_tasks
from pipeline.stages.filter import Filter, FilterStage
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
_UNSEEN = "    class Unseen(Exception):\n        __repr__ = __str__ = lambda self: 1 / 0\n"


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
            "line 3: reason 'c4_bad_words' is one of the filter's own. Give it another name.",
        ),
        (
            _ROWS + '    ("even", "a", "at_most", 10**400),\n' + _FUNCTION + "    return {}\n",
            "line 3: threshold 1000000000",
        ),
        (
            _ROWS + '    ("even", "a", "at_most", -(10**5000)),\n' + _FUNCTION + "    return {}\n",
            "line 3: threshold a value of int that cannot be shown is no finite number.",
        ),
        ("raise ValueError('\\x1b[31m' + 'x' * 100_000)\n", "line 1: ValueError: \ufffd[31mxxx"),
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
        assert len(str(error.value)) < len(str(path)) + 350
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
        (
            _UNSEEN + '    return {"oddness": Unseen()}\n',
            "line 4: signals() gives a value of Unseen that cannot be shown as",
        ),
        (
            _UNSEEN + "    raise Unseen\n",
            "line 7: Unseen: a value of Unseen that cannot be shown, on document 'one'. Mend",
        ),
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


def test_what_an_error_says_is_cut_and_has_no_control_characters(tmp_path: Path) -> None:
    """In the message, and in the trace that goes to the record of the error; where it was raised stays in there."""
    path = tmp_path / "wrong.py"
    path.write_text(_ROWS + _FUNCTION + "    raise ValueError('\\x1b[31m\\udc80' + 'red\\n' * 25_000)\n")
    chain = Chain(FilterSettings().merged({"custom": {"module": str(path)}}))
    with pytest.raises(UserError, match=r"line 5: ValueError: \ufffd\[31m\ufffdred red .*\.\.\., on document") as error:
        chain.decide(Document(text="A text.", id="\x1b" * 1000, metadata={}))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 550
    trace = "".join(traceback.format_exception(error.value))
    assert f'"{path}", line 5, in signals' in trace
    assert "\x1b" not in trace
    assert "red " * 100 not in " ".join(trace.split())


def test_a_file_that_changes_after_its_digest_was_taken_is_not_used(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    build, path = Folder(str(tmp_path / "copy" / "out")), tmp_path / "copy" / "my_rules.py"
    recipe = load_recipe(tmp_path / "copy" / "recipe.toml", [f"output={build.url}"])
    stage = FilterStage(recipe, build, "extract")
    settings = stage.settings()["filter"]
    phase = Filter({"library": resolved(recipe.filter, recipe.resolve)})
    task = part_tasks(stage.documents())[0].model_copy(update={"settings": settings})
    path.write_text(path.read_text().replace('"at_most", 0.1)', '"at_most", 0.07)'))
    with pytest.raises(UserError, match=re.escape(f"filter.custom.module: {path}: changed since")) as error:
        phase.process(task, TaskOutput(build, "filter", build.folder("other")))
    assert "\n" not in str(error.value)
    phase.process(
        task.model_copy(update={"settings": stage.settings()["filter"]}), TaskOutput(build, "filter", build.folder("o"))
    )


def test_a_source_with_its_own_module_beside_thresholds_for_another(folder: Path, tmp_path: Path) -> None:
    for name in ("library-0.jsonl", "strict.jsonl", "without.jsonl", "my_rules.py"):
        shutil.copy(folder / name, tmp_path)
    # Its reason is one of another stage: they are told apart by their stage.
    (tmp_path / "b.py").write_text(
        'COMPARISONS = [("near_duplicate", "length", "at_most", 300), ("shouting", "length", "at_most", 900)]\n'
        'def signals(document, signals):\n    return {"length": len(document.text)}\n'
    )
    text = (_RECIPE + _example("toml")).replace("[sources.filter.custom.thresholds]\nshouting = 0.04", "{of strict}")
    own = '[sources.filter.custom]\nmodule = "b.py"'
    (tmp_path / "recipe.toml").write_text(
        text.replace("{of strict}", own) + "[filter.custom.thresholds]\nshouting=0.2\n"
    )
    _groundup(tmp_path, "run", "recipe.toml", "--until", "filter")
    assert Build(str(tmp_path / "out")).manifest("filter").counts.sources["strict"].dropped["near_duplicate"] > 0

    def kept_by(change: str) -> tuple[dict[str, int], dict[str, int]]:
        """What the answer says is kept by source, and what a run keeps with the `--set` that it prints."""
        lines = _groundup(tmp_path, "drops", "out", "--what-if", change).splitlines()
        (line,) = [line for line in lines if line.startswith("to do it: groundup run RECIPE --set ")]
        rows = json.loads(_groundup(tmp_path, "drops", "out", "--what-if", change, "--json"))["sources"]
        assert any(row["kept_then"] != row["kept_now"] for row in rows)
        overrides = [line.rpartition(" ")[2], f"output={tmp_path / 'again'}"]
        counts = run_build(load_recipe(tmp_path / "recipe.toml", overrides), until="filter").manifests["filter"].counts
        kept = {name: source.documents_out for name, source in counts.sources.items()}
        return {row["source"]: row["kept_then"] for row in rows}, kept

    for change in ("custom.thresholds.shouting=0.06", "sources.strict.filter.custom.thresholds.shouting=200"):
        answer, kept = kept_by(change)
        assert answer == kept
    with pytest.raises(UsageError, match=r"ask with sources\.strict\.filter\.custom\.thresholds\.near_duplicate=5\."):
        what_if(Build(str(tmp_path / "out")), ["custom.thresholds.near_duplicate=5"])


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


def test_every_comparison_of_ours_has_a_reason_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "opt_out.txt").write_text("refused.example\n")
    (tmp_path / "list").write_text("refused.example\n")
    urls: dict[str, Any] = {"opt_out": str(tmp_path / "opt_out.txt"), "block_lists": [str(tmp_path / "list")]}
    settings = FilterSettings().merged({"urls": urls | {"adult_words": "soft"}})
    reasons = {comparison.reason for comparison in Chain(settings).comparisons}
    assert reasons == {reason for reason in OWN_REASONS if not reason.startswith("classifier_")}
