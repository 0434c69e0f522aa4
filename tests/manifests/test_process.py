"""The tricks that are played on libraries: that they work, and that without them the trouble is still there.

Where one of the tests named `..._still_...` fails, the library has changed: take the trick out of
`manifests/process.py`, and the test with it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests import process
from manifests.process import say_error
from tests.conftest import REPOSITORY

_COMPILE = "import numba; numba.njit(lambda x: x + 1)(1)"
_OPENMP = "OMP_WAIT_POLICY"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if name != _OPENMP}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**inherited, **environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def loaded(code: str) -> set[str]:
    """Which of the libraries that are kept out a program loads."""
    ended = run(f"{code}\nimport sys; print(*{{'awkward', 'pandas', 'scipy.linalg'}} & set(sys.modules))")
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def test_numba_still_loads_scipy_and_awkward() -> None:
    assert loaded(_COMPILE) >= {"scipy.linalg", "awkward"}, "settle_numba: what is missing here need not be kept out"


def test_numba_is_settled_where_functions_are_compiled() -> None:
    assert loaded(f"import pipeline.compiled.cache; {_COMPILE}") == set()


def test_arrow_still_loads_pandas() -> None:
    assert "pandas" in loaded("import pyarrow; pyarrow.array([1])"), "settle_arrow: pandas need not be kept out"


def test_arrow_is_settled_without_pandas() -> None:
    code = "import pyarrow; from manifests.process import settle_arrow; settle_arrow(); pyarrow.array(['a', None])"
    assert loaded(f"{code}; assert pyarrow.cpu_count() == 1") == set()


# A thread of Arrow's reads ahead in a Python file, slowly, while the main thread has come to its end.
_READS_AHEAD = """
import io, time
import pyarrow.csv
from manifests.process import leave

class Slow(io.FileIO):
    def read(self, size=-1):
        time.sleep(0.5)
        return super().read(size)

rows = pyarrow.csv.open_csv(Slow({path!r}), pyarrow.csv.ReadOptions(block_size=1 << 16))
rows.read_next_batch()
print("done", flush=True)
"""


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    (tmp_path / "numbers.csv").write_text("a,b\n" + "1,2\n" * 1_000_000)
    return str(tmp_path / "numbers.csv")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="a thread that wants the interpreter then waits for ever")
def test_arrow_still_aborts_a_process_that_ends_while_it_reads_a_python_file(numbers: str) -> None:
    ended = run(_READS_AHEAD.format(path=numbers))
    assert ended.stdout == "done\n", ended.stderr
    assert ended.returncode == -signal.SIGABRT, "leave, read_parquet, set_cpu_count(1): a process ends well without"


@pytest.mark.parametrize(("given", "code"), [("None", 0), ("0", 0), ("3", 3), ("'a text'", 1)])
def test_a_process_leaves_with_its_code_whatever_arrow_does(numbers: str, given: str, code: int) -> None:
    said = "import atexit; atexit.register(print, 'at exit'); print('last', end=' ')"
    ended = run(f"{_READS_AHEAD.format(path=numbers)}{said}; leave({given})")
    assert (ended.returncode, ended.stdout) == (code, "done\nlast at exit\n"), ended.stderr


# The server forks a worker, which is sent a part of what it is to run, as by a run that ends meanwhile.
_SENDS_A_PART = """
import multiprocessing.forkserver as forkserver, os, pickle
forkserver.set_forkserver_preload({preload})
reader, writer = forkserver.connect_to_new_process([])
whole = pickle.dumps({{"name": "worker"}}) + pickle.dumps("no worker" * 100)
os.write(writer, whole[:len(whole) * {tenths} // 10])
os.close(writer)
while os.read(reader, 1000):  # until the worker has ended
    pass
"""


def complaint(preload: list[str], tenths: int) -> str:
    """What a worker says that got only so many tenths of what it is to run."""
    ended = run(_SENDS_A_PART.format(preload=preload, tenths=tenths))
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_a_forked_worker_that_was_not_sent_whole_still_shows_a_traceback() -> None:
    assert "UnpicklingError" in complaint([], 9), "hide_unsent_workers: the server hides it of itself"


@pytest.mark.parametrize("tenths", [0, 1, 5, 9])
def test_a_worker_whose_run_ended_while_it_was_sent_is_silent(tenths: int) -> None:
    assert complaint(["pipeline.engine.fork_server"], tenths) == ""


def test_a_worker_that_fails_otherwise_says_so() -> None:
    assert "has no attribute '_bootstrap'" in complaint(["pipeline.engine.fork_server"], 10)


_linux = pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has GNU's OpenMP on Linux alone")


def spins(code: str, **environment: str) -> int:
    """How often a waiting thread of PyTorch's OpenMP looks before it sleeps, as that says itself when it is loaded."""
    shown = run(f"{code}\nimport torch", OMP_DISPLAY_ENV="VERBOSE", **environment).stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\d+)'", shown)
    assert found, shown
    return int(found[1])


@_linux
def test_openmp_still_waits_by_spinning() -> None:
    assert spins("") > 0, "settle_openmp: threads sleep of themselves"


@pytest.mark.parametrize(("running", "alone", "spin"), [(1, True, True), (1, False, False), (2, True, False)])
def test_threads_spin_where_nothing_else_computes(
    monkeypatch: pytest.MonkeyPatch, running: int, alone: bool, spin: bool
) -> None:
    monkeypatch.setattr(process.Path, "read_text", lambda *_, **__: f"2.00 2.00 2.00 {running}/321 4567")
    assert list(process.waiting_threads(alone)) == (["GOMP_SPINCOUNT"] if spin else ["OMP_WAIT_POLICY"])


@_linux
def test_threads_sleep_beside_a_busy_process() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        assert process.waiting_threads(alone=True) == {"OMP_WAIT_POLICY": "PASSIVE"}
    finally:
        busy.kill()
        busy.wait()


@_linux
@pytest.mark.parametrize("program", ["groundup", "train.__main__"])
def test_commands_let_threads_sleep_unless_the_user_wants_otherwise(program: str) -> None:
    code = f"import sys, {program} as program; sys.argv[1:] = ['--help']\ntry: program.main()\nexcept SystemExit: pass"
    assert spins(code) == 0
    assert spins(code, OMP_WAIT_POLICY="ACTIVE") > 0


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a\nb", "a b"),
        ("no column `\x00`", "no column `\\x00`"),
        ("\x1b[31mred \u202eleft", "\\x1b[31mred \\u202eleft"),
        ("a lone \ud800", "a lone \\ud800"),
        ("漢字 é", "漢字 é"),
    ],
)
def test_what_strangers_wrote_is_printed_on_one_line(
    message: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say_error("groundup", message)
    assert capsys.readouterr().err == f"groundup: {line}\n"


def test_a_long_message_keeps_its_ends(capsys: pytest.CaptureFixture[str]) -> None:
    say_error("groundup", "where: " + "x" * 100_000 + ". What to do.")
    said = capsys.readouterr().err
    assert len(said) < 3000
    assert said.startswith("groundup: where: ")
    assert said.endswith(". What to do.\n")
