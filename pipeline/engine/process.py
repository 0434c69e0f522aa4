"""Worker processes of this machine: the server that they are forked from, and how they end with their run."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import signal
import threading

# Loaded once in the server that local workers are forked from: what sets the server up, and all stages, so that a
# worker starts in milliseconds.
_PRELOAD = ["pipeline.engine.fork_server", "pipeline.stages.all"]
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def num_cores() -> int:
    """Cores that this process may use; all of the machine where the system does not say it, as on macOS."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_forkserver() -> None:
    """Start the server that workers are forked from, with Ctrl-C left to this process: it ends the workers itself."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOAD)
    if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def outlive_signals() -> None:
    """In the server itself: a signal that all processes of a run get must not end it before the workers.

    Without the server nobody learns when a worker has ended, so that one that saves its state would not be waited for.
    The workers hear these signals from their first moment.
    """
    outlived = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]

    def behave(action: signal.Handlers) -> None:
        for number in outlived:
            signal.signal(number, action)

    behave(signal.SIG_IGN)
    os.register_at_fork(after_in_child=lambda: behave(signal.SIG_DFL))


def die_with_parent() -> None:
    """A worker must not outlive a killed run and publish beside its successor: it watches the run and follows it.

    Does nothing in the run itself, nor in a job of a cluster, which has no parent here.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()
