"""A folder of one's own files: the README's smallest recipe, from the files to a text of the model."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import sys
from pathlib import Path

import pytest

import groundup
from manifests.manifest import read_manifest
from manifests.storage import Folder
from tests.conftest import REPOSITORY

_MODULES = (
    "argparse bisect calendar cmd codecs configparser csv decimal difflib doctest fractions functools getopt gettext "
    "heapq imaplib logging optparse pickle random shlex statistics string tarfile textwrap trace zipfile"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty files: Markdown, reStructuredText, text and Python, made of the standard library's documentation."""
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "mine.toml").write_text(smallest_recipe())
    names = iter(_MODULES.split())
    for number in range(20):
        name = next(name for name in names if len(_documentation(name)) > 400)
        text, place = _documentation(name), tmp_path / "notes" / ("deep" if number % 3 == 0 else "") / name
        if number < 8:
            place.with_suffix(".md").write_text(f"# {name}\n\n{text}\n\n```python\nimport {name}\nhelp({name})\n```\n")
        elif number < 13:
            place.with_suffix(".rst").write_text(
                f"{name}\n======\n\n{text}\n\n.. code-block:: python\n\n   import {name}\n"
            )
        elif number < 17:
            place.with_suffix(".txt").write_text(text)
        else:
            place.with_suffix(".py").write_text(inspect.getsource(importlib.import_module(name))[:3_000])
    return tmp_path


def smallest_recipe() -> str:
    """The recipe of the README's section on one's own files."""
    section = (REPOSITORY / "README.md").read_text().partition("## Your own files\n")[2]
    found = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def _documentation(name: str) -> str:
    module = importlib.import_module(name)
    documented = [module, *(value for key, value in sorted(vars(module).items()) if inspect.isclass(value))]
    own = [value for value in documented if getattr(value, "__module__", name) == name]
    return "\n\n".join(filter(None, map(inspect.getdoc, own)))[:1_800]


def _run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """A command as it is typed in this folder: its exit code, and what it prints."""
    printed, errors, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["groundup", *arguments]
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            groundup.main()
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue(), errors.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("main did not exit")


@pytest.mark.slow
def test_from_twenty_files_to_a_text(folder: Path) -> None:
    code, printed, errors = _run(folder, "run", "mine.toml")
    assert code == 0, errors
    assert "filter: notes: no rules, any language\n" in printed
    assert "takes none of 20 documents; one is taken" in printed
    build = Folder(str(folder / "build" / "mine"))
    for stage in ("extract", "filter", "dedup"):
        manifest = read_manifest(build.folder(stage))
        assert manifest is not None
        assert (manifest.counts.documents_in, manifest.counts.documents_out) == (20, 20)
    code, printed, errors = _run(folder, "train", "mine.toml", "--set", "model.num_layers=1")
    assert code == 0, errors
    said = printed + errors
    assert re.search(r"train.batch_tokens 16,384 -> 512: the corpus has [0-9,]+ training tokens", said)
    assert re.search(r"train.max_tokens \(not set\) -> [0-9,]+: \d+ steps, \d\.\d times through the corpus", said)
    first, last = re.findall(r"validation loss ([0-9.]+) -> ([0-9.]+)", said)[0]
    assert float(last) < float(first) - 0.5
    code, printed, errors = _run(folder, "generate", "build/mine/train", "--prompt", "The ", "--max-tokens", "20")
    assert code == 0, errors
    assert len(printed) > 30
    code, printed, errors = _run(folder, "audit", "build/mine", "--deep")
    assert code == 0, printed + errors


def test_a_tiny_file_is_too_little_and_the_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "hello.md").write_text("Hello world.\n")
    (tmp_path / "mine.toml").write_text(smallest_recipe())
    code, _, errors = _run(tmp_path, "run", "mine.toml")
    assert code == 0, errors
    code, _, errors = _run(tmp_path, "train", "mine.toml")
    assert code == 1
    assert re.fullmatch(r"groundup: \S+: 13 training tokens are too few to train on; at least 33 [^\n]*\n", errors)
