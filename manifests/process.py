"""Tricks on the own process that libraries make necessary, and how a process ends.

Each of these works around a library and names what it works around. `tests/manifests/test_process.py` shows that each
is still needed: where a test there fails, the trick that it names may go. The pipeline and the trainer, of which
neither knows the other, both use them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from manifests.errors import one_line
from manifests.secrets import scrub


class _Missing:
    """A finder of modules that says of one library that it is not there."""

    def __init__(self, library: str) -> None:
        self._library = library

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._library:
            raise ModuleNotFoundError(f"{name} is left out here", name=name)


@contextlib.contextmanager
def not_installed(library: str) -> Iterator[None]:
    """While this holds, importing a library fails as if it were not there; one that is loaded already stays."""
    finder = _Missing(library)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def settle_arrow() -> None:
    """Make Arrow ready for this process, which must be groundup's own: Arrow knows no `pandas.NA` after it.

    - One thread. With more of them, one may still hold a Python file when the process ends, which then aborts or hangs
      (apache/arrow#50482). Tasks have processes of their own.
    - No pandas. The first array that Arrow makes of Python objects loads it (half a second), if only to see that they
      are none of its: the shim of apache/arrow#3893. It looks once, so pandas is hidden from it that once.
    """
    import pyarrow

    pyarrow.set_cpu_count(1)
    with not_installed("pandas"):
        pyarrow.array([])


def read_parquet(file: Any, columns: list[str] | None = None) -> Any:
    """The table in an open Parquet file, or some of its columns, read by this thread alone.

    Arrow's threads may abort a process that ends soon after (apache/arrow#50482), and whoever reads token shards from
    a program of their own has not called `settle_arrow`. Raises what `pyarrow.parquet` raises.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True).read(columns, use_threads=False)


def settle_numba() -> None:
    """Load numba without SciPy and awkward, each of which would cost every process half a second.

    - numba asks for `scipy.linalg` when its products of matrices are loaded, before the first function is compiled.
    - awkward, which comes with gigatoken, has an entry point `numba_extensions`, and numba loads all of those before
      the first function. No function of ours is given anything of either.

    No issue upstream asks for these to be left out; both are as numba documents them.
    """
    import numba

    with not_installed("scipy.linalg"):
        import numba.np.arraymath
    with contextlib.suppress(AttributeError):  # of another version; only time is lost
        numba.core.entrypoints._already_initialized = True


def settle_openmp(alone: bool = False) -> None:
    """Say how threads of OpenMP wait, unless the user has: `waiting_threads`; before PyTorch is imported."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ.update(waiting_threads(alone))


def waiting_threads(alone: bool) -> dict[str, str]:
    """The variables that say how threads of OpenMP wait: asleep, or for a process on an idle machine spinning for long
    enough to reach the next operation of a small model.

    GNU's OpenMP, which PyTorch uses, spins for milliseconds of itself: threads that wait so take the processor from the
    one that they wait for wherever another process runs beside them (`OMP_WAIT_POLICY`, `GOMP_SPINCOUNT` in libgomp's
    manual). alone: the process may be the only one that computes.
    """
    return {"GOMP_SPINCOUNT": "5000"} if alone and _is_idle() else {"OMP_WAIT_POLICY": "PASSIVE"}


def _is_idle() -> bool:
    """True where this process is the only one that runs; False where the system does not say."""
    try:
        for _ in range(10):
            time.sleep(0.005)
            running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]
            if int(running) <= 1:
                return True
    except (OSError, ValueError, IndexError):
        return False
    return False


def hide_unsent_workers() -> None:
    """In the server of `multiprocessing` that forks workers: one whose run ended while it was sent shows no traceback.

    The run may end at any time, by Ctrl-C or a signal, and has said so. Its worker finds half a pickle, and the server
    would print that as an error of its own (`multiprocessing/forkserver.py`). Other errors are shown as before.
    """
    show = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, EOFError | pickle.UnpicklingError):
            show(kind, error, trace)

    sys.excepthook = hook


def leave(code: Any) -> NoReturn:
    """End the process, with what `SystemExit` holds for a code, without the interpreter's clean-up.

    In it, a thread of Arrow's that still reads a Python file or frees a buffer would abort a command that has done its
    work (apache/arrow#50482), and torchrun would call the run a failure.
    """
    atexit._run_exitfuncs()  # what the worker pool shares with its workers is given back
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def say_error(program: str, message: str) -> None:
    """One line on standard error, without credentials."""
    print(f"{program}: {scrub(one_line(message))}", file=sys.stderr)
