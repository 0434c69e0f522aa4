"""Compiles what `extract` and `filter` need, in processes beside something else."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess

from pipeline.compiled.folder import is_compiled
from pipeline.engine.process import num_cores


def _compile_extract() -> None:
    from pipeline.markup import html_backends

    html_backends.groundup(html_backends.WARM_UP, "")


def _compile_filter() -> None:
    from pipeline.filters.rules import judge
    from pipeline.filters.settings import FilterSettings

    judge("These words are for the compiler.", "en", FilterSettings())


_COMPILERS = {"pipeline.markup.html": _compile_extract, "pipeline.filters.text": _compile_filter}


def num_idle_cores() -> int:
    """Cores beside the one of this process, which it may use and nobody has used in the last minute."""
    return max(0, round(num_cores() - os.getloadavg()[0]) - 1)


def start_compiling() -> list[BaseProcess]:
    """Start a process for each package whose compiled code is not kept on this machine.

    A stage compiles what is not there, so whatever becomes of the processes, nothing but time is lost.
    """
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = [
        context.Process(target=_run, args=(package,), name=f"compile {package}", daemon=True)
        for package in _COMPILERS
        if not is_compiled(package)
    ]
    for process in processes:
        process.start()
    return processes


def _run(package: str) -> None:
    try:
        _COMPILERS[package]()
    except Exception:  # the stage that needs it says why
        sys.exit(1)
