"""The threads of a call, such as a training run of a sweep."""

from __future__ import annotations

import os

import pytest

from pipeline.engine.calls import Calls
from pipeline.engine.settings import ExecutorSettings


@pytest.mark.parametrize(("workers", "threads"), [(1, None), (2, 4), (3, 2), (8, 1), (20, 1)])
@pytest.mark.parametrize("says", [True, False])
def test_local_workers_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, workers: int, threads: int | None, says: bool
) -> None:
    """Also where the system does not say which cores a process may use."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    if says:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert Calls(ExecutorSettings(workers=workers)).threads == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Calls(ExecutorSettings(workers=workers)).threads is None
