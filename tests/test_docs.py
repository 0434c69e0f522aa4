"""The documentation against the code: links, commands, snippets, tables; and the floors that the design draws."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pyarrow as pa
import pytest
import typer

import groundup
from manifests.manifest import SCHEMA_FILE, Manifest, schema_bytes
from manifests.settings import validate
from model.config import PRESETS
from pipeline.dedup.schema import CANDIDATE_SCHEMA, PAIR_SCHEMA
from pipeline.documents.schema import DROP_SCHEMA
from pipeline.extractors.settings import ExtractSettings
from pipeline.filters import rules
from pipeline.filters.settings import C4Settings, FilterSettings
from pipeline.filters.text.lines import REMOVED
from pipeline.recipe import Recipe, load_recipe
from pipeline.stages.all import STAGE_CLASSES
from tests.conftest import REPOSITORY
from tests.test_own_files import smallest_recipe
from tokenizer.shards.format import INDEX_SCHEMA
from train.settings import load_run, read_tables

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")  # not `[words](address)`


def _pages() -> list[Path]:
    return sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def _text(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def _blocks(page: Path, language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def _commands(program: str) -> list[tuple[str, str]]:
    """(page, command line) of every command of a program in a shell block of the documentation."""
    found = []
    for page in _pages():
        for block in _blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.split(" #", 1)[0].strip()
                words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
                if words and words[0].rpartition("/")[2] == program:
                    found.append((page.name, shlex.join(words)))
    return found


def _id(value: object) -> str:
    return str(value).replace(" ", "_")


# Pages


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in _LINK.findall(text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_name_only_files_that_exist() -> None:
    """Paths in code marks that begin with a folder of ours and look like a file or a folder."""
    folders = "bench|docs|manifests|model|pipeline|recipes|tests|tokenizer|tools|train"
    missing = []
    for page in _pages():
        for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text(encoding="utf-8")):
            if not (REPOSITORY / name).exists():
                missing.append(f"{page.name}: {name}")
    assert missing == []


# Commands


@functools.cache
def _command_line() -> click.Command:
    return typer.main.get_command(groundup.app)  # type: ignore[return-value]


def _parse(command: click.Command, words: list[str]) -> dict[str, object]:
    """The parameters of the command that a command line calls. Raises `click.UsageError` as the program would."""
    context = command.make_context(command.name, list(words))
    while isinstance(command, click.Group) or hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)  # type: ignore[union-attr]
        context = command.make_context(name, rest, parent=context)
    return context.params


@pytest.mark.parametrize(("page", "line"), _commands("groundup"), ids=_id)
def test_command_lines_parse(page: str, line: str, tmp_path: Path) -> None:
    parameters = _parse(_command_line(), shlex.split(line)[1:])
    recipe = parameters.get("recipe")
    if recipe is None:
        return
    overrides = parameters.get("set_") or parameters.get("overrides") or []
    assert isinstance(recipe, Path)
    assert isinstance(overrides, list | tuple)
    path = REPOSITORY / recipe
    if recipe.name == "mine.toml":  # which stands on the page
        path = tmp_path / recipe
        path.write_text(smallest_recipe(), encoding="utf-8")
    load_run(path, list(overrides))
    load_recipe(path, list(overrides))
    assert parameters.get("until") in (None, *(stage.name for stage in STAGE_CLASSES))


def test_a_wrong_command_line_does_not_parse() -> None:
    assert len(_commands("groundup")) > 10
    for line in ("run", "run a.toml --untill filter", "trace build --token", "nothing build"):
        with pytest.raises(Exception, match=r"(?i)missing|no such|requires"):
            _parse(_command_line(), shlex.split(line))


@pytest.mark.parametrize(("page", "line"), _commands("torchrun"), ids=_id)
def test_torchrun_lines_name_a_recipe(page: str, line: str) -> None:
    words = shlex.split(line)
    assert words[words.index("-m") + 1] == "train"
    assert load_run(REPOSITORY / words[-1]).name


@pytest.mark.parametrize(("page", "line"), _commands("make"), ids=_id)
def test_make_targets_exist(page: str, line: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", _text("Makefile"), re.MULTILINE))
    assert set(shlex.split(line)[1:]) <= targets


def test_commands_in_the_table_of_the_readme_parse() -> None:
    rows = re.findall(r"^\|.*", _text("README.md"), re.MULTILINE)
    lines = [line for row in rows for line in re.findall("`(groundup .*?)`", row)]
    assert len(lines) > 10
    for line in lines:
        _parse(_command_line(), shlex.split(line)[1:])


def test_recipes_on_all_pages_are_valid() -> None:
    """Whole recipes as they are, and pieces of recipes in one that has little else."""
    least = {"name": "least", "output": "build", "sources": [{"name": "s", "kind": "code", "paths": ["."]}]}
    whole = set()
    for page in _pages():
        for block in _blocks(page, "toml"):
            data = tomllib.loads(block)
            if set(data) >= set(least):
                whole.add(page.name)
            validate(Recipe, least | data, page.name)
            read_tables(least | data, page.name)
    assert "README.md" in whole


def test_readme_leads_to_every_page() -> None:
    links = {target.partition("#")[0] for target in _LINK.findall(_FENCE.sub("", _text("README.md")))}
    assert {str(page.relative_to(REPOSITORY)) for page in _pages()} - {"README.md"} <= links


def test_datatrove_snippet_runs(tmp_path: Path) -> None:
    (snippet,) = _blocks(REPOSITORY / "docs" / "datatrove.md", "python")
    (tmp_path / "snippet.py").write_text(snippet, encoding="utf-8")
    (tmp_path / "documents").mkdir()
    prose = inspect.cleandoc(
        """
        A tokenizer reads the text of a page and returns the numbers that a model can learn from.
        The first thing to be said of it is that the same text must always have the same numbers, and that the numbers
        must lead back to the text. This is what the bytes are for, since every text is made of them.
        It is trained on a sample of the documents, which a hash of their names chooses, so that it does not move.
        You can measure it with the command that is described below, and compare it with the others that you have.
        """
    )
    rows = [{"id": "kept", "text": prose}, {"id": "short", "text": "Too few words."}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "documents" / "some.jsonl").write_text(lines, encoding="utf-8")
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "snippet.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    kept = pa.concat_tables([_read_json(path) for path in sorted((tmp_path / "kept").iterdir())])
    assert kept["id"].to_pylist() == ["kept"]


def _read_json(path: Path) -> pa.Table:
    import pyarrow.json as pj

    with pa.input_stream(str(path), compression="detect") as stream:
        return pj.read_json(stream).select(["id", "text"])


# Tables


def _described(page: str) -> set[str]:
    """What stands in code marks outside code blocks."""
    return set(re.findall(r"`([^`\n]+)`", _FENCE.sub("", _text(page))))


def test_filters_page_has_every_reason_and_default() -> None:
    lines = _text("docs/filters.md").splitlines()
    families = tuple(rules.RULES)
    settings = FilterSettings()
    for comparison in rules.comparisons(settings):
        setting = comparison.setting.rpartition(".")[2]
        threshold = f"{comparison.threshold:g}"
        row = rf"\| `{comparison.reason}` \| `{setting}` \| {re.escape(threshold)}(\.0)? \|"
        assert [line for line in lines if re.match(row, line)], row
    described = _described("docs/filters.md")
    for table in (settings, *(getattr(settings, name) for name in (*families, "urls", "classifier", "custom", "pii"))):
        assert set(type(table).model_fields) - set(families) <= described
    for name, default in C4Settings().model_dump().items():
        assert [line for line in lines if f"| `{name}` | {str(default).lower()} |" in line], name
    assert {f"c4_{reason}" for reason in REMOVED} <= described


def test_formats_page_has_every_column() -> None:
    described = _described("docs/formats.md")
    for schema in (DROP_SCHEMA, CANDIDATE_SCHEMA, PAIR_SCHEMA, INDEX_SCHEMA):
        assert set(schema.names) <= described
    assert set(Manifest.model_fields) <= described


def test_formats_page_has_every_reason_of_the_extractors() -> None:
    """The class docstrings list them after a colon, with what their value and detail are in brackets."""
    found = set()
    for path in sorted(
        path for part in ("extractors", "readers") for path in (REPOSITORY / "pipeline" / part).glob("*.py")
    ):
        text = path.read_text(encoding="utf-8")
        for listed in re.findall(r"(?:[Rr]easons of drops|the reasons of `TextExtractor`): ([^.]*)\.", text):
            names = re.split("[,;]", re.sub(r"\([^)]*\)|, for pages.*|those of `\w+`", "", listed, flags=re.DOTALL))
            found |= {name.strip() for name in names if name.strip()}
    assert len(found) > 15
    assert found <= _described("docs/formats.md")


def test_extraction_page_has_every_setting_with_its_default() -> None:
    lines = _text("docs/extraction.md").splitlines()
    for name, default in ExtractSettings().model_dump().items():
        starts = (f"| `{name}` | {default} |", f'| `{name}` | `"{default}"` |')
        assert [line for line in lines if line.startswith(starts)], name


def test_dependencies_page_has_every_dependency() -> None:
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    wanted = [
        *project["dependencies"],
        *(item for items in project["optional-dependencies"].values() for item in items),
    ]
    names = {re.match(r"[\w-]+", item).group() for item in wanted}  # type: ignore[union-attr]
    rows = [line for line in _text("docs/dependencies.md").splitlines() if line.startswith("|")]
    first_cells = {name for row in rows for cell in row.split("|")[1:3] for name in re.findall(r"[\w-]+", cell)}
    assert names <= first_cells


def test_training_page_has_every_preset_with_its_shape() -> None:
    lines = _text("docs/training.md").splitlines()
    for name, values in PRESETS.items():
        shape = " | ".join(str(values[key]) for key in ("num_layers", "num_heads", "width", "sequence_length"))
        assert [line for line in lines if line.startswith(f"| `{name}` | {shape} |")], name


def test_manifest_schema_is_published() -> None:
    assert SCHEMA_FILE.read_bytes() == schema_bytes()


# Floors

_FLOORS = {"manifests": 1, "model": 1, "tokenizer": 2, "pipeline": 3, "train": 3}
_MOST_LINES = 450


def _modules() -> dict[str, Path]:
    """Every module of the floors, by its dotted name."""
    found = {"groundup": REPOSITORY / "groundup.py"}
    for folder in _FLOORS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def _imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, also inside functions."""
    modules = _modules()
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found = graph[module] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: relative import"
                assert node.module
                found.update(
                    name if (name := f"{node.module}.{alias.name}") in modules else node.module for alias in node.names
                )
    return graph


def _folder(module: str) -> str:
    return module.split(".")[0]


def test_imports_go_down_only() -> None:
    wrong = []
    for module, imported in _imports().items():
        for other in sorted(imported):
            mine, theirs = _folder(module), _folder(other)
            if mine == theirs or mine == "groundup":
                continue
            if theirs in ("groundup", "bench", "tests", "tools", "recipes") or (
                theirs in _FLOORS and _FLOORS[theirs] >= _FLOORS[mine]
            ):
                wrong.append(f"{module} imports {other}")
            if mine == "model" and theirs in _FLOORS:
                wrong.append(f"{module} imports {other}, but model/ stands alone")
    assert wrong == []


def test_no_circles_between_modules() -> None:
    graph = {module: {name for name in imported if name in _imports()} for module, imported in _imports().items()}
    assert sum(map(len, graph.values())) > 100
    while graph:
        free = [module for module, imported in graph.items() if not imported - {module}]
        assert free, f"a circle among {', '.join(sorted(graph))}"
        for module in free:
            del graph[module]
        for imported in graph.values():
            imported.difference_update(free)


def test_parts_of_the_pipeline_do_not_know_stages() -> None:
    """What stages are made of can be used without them, in anyone's datatrove pipeline."""
    parts_below: dict[str, tuple[str, ...]] = {
        "charsets": (),
        "compiled": (),
        "dedup": ("engine",),
        "documents": ("engine",),
        "extractors": ("markup", "readers"),
        "filters": ("engine",),
        "markup": (),
        "mirrors": (),
        "readers": ("charsets", "markup", "sources"),
        "sources": ("charsets", "mirrors"),
    }
    shared = ("compiled", "documents", "units")
    wrong = []
    for module, imported in _imports().items():
        parts = module.split(".")
        if parts[0] != "pipeline" or len(parts) < 2 or parts[1] not in parts_below:
            continue
        own = tuple(f"pipeline.{part}." for part in (parts[1], *parts_below[parts[1]], *shared))
        for other in sorted(imported):
            if other.startswith("pipeline.") and not f"{other}.".startswith(own):
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_modules_are_small() -> None:
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in _modules().items()}
    assert {module: number for module, number in lines.items() if number > _MOST_LINES} == {}
