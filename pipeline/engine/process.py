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
