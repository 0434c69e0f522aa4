"""What is compiled once on a machine: said by the stages, and done beside something else by the quickstart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.build import run_build
from pipeline.commands import compiling
from pipeline.commands.console import RunConsole
from pipeline.recipe import load_recipe
from pipeline.stages import base
from tests.conftest import REPOSITORY

_ONE_FUNCTION = """
import numpy as np
from pipeline.compiled.folder import is_compiled
assert not is_compiled("pipeline.markup.html")
from pipeline.markup.html import decide
assert not is_compiled("pipeline.markup.html")
decide._inherit(np.zeros(3, np.int32), np.zeros(3, np.int32))
assert is_compiled("pipeline.markup.html")
assert not is_compiled("pipeline.filters.text")
"""
_EVERYTHING = """
from pathlib import Path
from pipeline.commands.compiling import start_compiling
from pipeline.compiled.folder import folder_of

def code():
    return {path: path.stat().st_mtime_ns for path in Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nb?")}

import os
if __name__ == "__main__":
    processes = start_compiling()
    assert len(processes) == 2
    for process in processes:
        process.join()
        assert process.exitcode == 0
    before = code()
    assert before
    assert start_compiling() == []
    from pipeline.filters.rules import judge
    from pipeline.filters.settings import FilterSettings
    from pipeline.markup.html_backends import WARM_UP, groundup
    title, text, _ = groundup(WARM_UP, "")
    assert "longest river" in text
    judge(text, "en", FilterSettings())
    assert code() == before
"""


def _run(folder: Path, program: str) -> None:
    script = folder / "script.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NUMBA_CACHE_DIR": str(folder / "cache")}
    ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_it_is_known_whether_code_is_there(tmp_path: Path) -> None:
    _run(tmp_path, _ONE_FUNCTION)


@pytest.mark.slow
def test_everything_is_compiled_beside(tmp_path: Path) -> None:
    """What the processes leave is all that extraction and filters use."""
    _run(tmp_path, _EVERYTHING)


@pytest.mark.parametrize(("cores", "load", "idle"), [(1, 0.0, 0), (2, 0.1, 1), (2, 1.7, 0), (8, 3.2, 4), (2, 9.0, 0)])
def test_idle_cores(monkeypatch: pytest.MonkeyPatch, cores: int, load: float, idle: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    assert compiling.num_idle_cores() == idle


@pytest.mark.parametrize("is_there", [True, False])
def test_the_stages_say_that_they_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_there: bool
) -> None:
    page = "<title>x</title>" + "".join(f"<p>Paragraph {n} of the page has some words in it.</p>" for n in range(40))
    (tmp_path / "page.html").write_text(page)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "x"\noutput = "{tmp_path}/build"\nmax_dropped_fraction = 1\n'
        '[[sources]]\nname = "web"\nkind = "files"\npaths = ["page.html"]\nformat = "html"\n'
    )
    asked = []

    def is_compiled(package: str) -> bool:
        asked.append(package)
        return is_there

    monkeypatch.setattr(base, "is_compiled", is_compiled)
    run_build(load_recipe(recipe), until="filter", watcher=RunConsole())
    assert asked == ["pipeline.markup.html", "pipeline.filters.text"]
    said = [line for line in capsys.readouterr().out.splitlines() if "compiling, once on this machine" in line]
    assert [line.split(":")[0] for line in said] == ([] if is_there else ["extract", "filter"])
