"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:  # before PyTorch is loaded, also by programs that tests start
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores: more threads only wait for each other

# No test is timed: a busy machine takes as long as it takes.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public test data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("GROUNDUP_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real test data is not at {folder} (set GROUNDUP_TEST_DATA)")
    return folder


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile once, before workers start that would each compile the same."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        from pipeline.commands.compiling import start_compiling

        for process in start_compiling():
            process.join()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name packed bytes after their argument: gzip writes the time into them, and the workers must name tests alike."""
    return argname if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None
