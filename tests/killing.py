"""Starts runs of a recipe and kills them, for the tests of law 3."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPOSITORY

# Starts runs without starting Python anew: it forks a child for each recipe that it reads, the leader of a process
# group, says its process id, and then how it ended.
_STARTER = """
import os, sys, traceback
from pathlib import Path
import pipeline.stages.all
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe
for line in sys.stdin:
    workers, until, recipe = line.rstrip("\\n").split(" ", 2)
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        code = 1
        try:
            executor = ExecutorSettings(workers=int(workers))
            run_build(load_recipe(Path(recipe)), until=None if until == "-" else until, executor=executor)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    try:
        os.setpgid(child, child)
    except OSError:  # it did so itself, and may have ended
        pass
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Starter:
    """A process that starts runs of a recipe; the last lines that they wrote are in `errors`."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def run(
        self,
        recipe: Path,
        workers: int = 1,
        before_kill: Callable[[int], bool] | None = None,
        until: str | None = None,
        whole_group: bool = True,
    ) -> int:
        """Run a recipe and return its exit status.

        before_kill: called with the process id; returns when to kill the run, and whether to. `whole_group` kills
        every process of the run; else its main process alone, which leaves its workers behind.
        """
        assert self._process.stdin
        self._process.stdin.write(f"{workers} {until or '-'} {recipe}\n")
        self._process.stdin.flush()
        child = self._read()
        if before_kill is not None and before_kill(child):
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself: its status says so
                (os.killpg if whole_group else os.kill)(child, signal.SIGKILL)
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self.errors
        return int(line)

    @property
    def errors(self) -> str:
        return self._errors.read_text()[-4_000:]


@contextmanager
def starter(folder: Path) -> Iterator[Starter]:
    errors = folder / "errors.txt"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-c", _STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=REPOSITORY,
        ) as process,
    ):
        yield Starter(process, errors)


def has_ended(process: int) -> bool:
    """Whether a process has ended, also where nobody has asked for its exit status yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
