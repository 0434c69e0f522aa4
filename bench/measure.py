"""Runs a command in its own session and measures it: wall time, processor time, peak memory of all its processes."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.2
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_HIGHEST = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")

# One worker is one thread of work on both sides; libraries that would start more are told not to.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")
# Who sets this has every process compile all sources that are not installed: those of this repository.
_UNUSUAL = "PYTHONDONTWRITEBYTECODE"
SINGLE_THREAD = dict.fromkeys(_THREADS, "1")


@dataclass(frozen=True)
class Measurement:
    """One run of a command. Memory is the peak of the proportional set size, summed over its processes.

    `cpu_seconds` leaves out processes that its first one did not wait for, as those of a fork server. With these,
    looked at five times a second: `session_cpu_seconds`, and the most memory that one of them held, files that it
    mapped included.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    session_cpu_seconds: float = 0.0
    peak_process_bytes: int = 0


def run_measured(command: Sequence[str], folder: Path, environment: dict[str, str], log: Path) -> Measurement:
    """Run a command to its end; what it prints goes to `log`.

    Raises `RuntimeError` with the end of the log when its exit code is not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in os.environ.items() if name != _UNUSUAL}
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**own, **SINGLE_THREAD, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = watch.stop()
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; the end of {log}:\n{tail}")
    # ru_maxrss, in KiB on Linux, is of one process and without gaps; the samples are of all and with gaps.
    cpu_seconds = usage.ru_utime + usage.ru_stime
    most = usage.ru_maxrss * 1024
    return Measurement(
        wall_seconds,
        cpu_seconds,
        max(peak, most),
        max(cpu_seconds, watch.cpu_seconds()),
        max(watch.peak_process_bytes, most),
    )


class Watch:
    """Samples a number of bytes in a thread, every so many seconds, and keeps the largest."""

    def __init__(self, seconds: float, sample: Callable[[], int]) -> None:
        self._seconds = seconds
        self._sample = sample
        self._ended = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds):
            self._peak = max(self._peak, self._sample())


class _MemoryWatch(Watch):
    """Samples the memory of all processes of a session (Linux; elsewhere it sees nothing and reports 0)."""

    def __init__(self, session: int) -> None:
        super().__init__(_SAMPLE_SECONDS, self._look)
        self._session = session
        self._cpu_seconds: dict[str, float] = {}
        self.peak_process_bytes = 0

    def cpu_seconds(self) -> float:
        return sum(self._cpu_seconds.values())

    def _look(self) -> int:
        processes = _processes(self._session)
        num_bytes = sum(map(_memory_bytes, processes))
        for process in processes:
            try:
                ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                most = _HIGHEST.search((process / "status").read_bytes())
            except OSError:  # it ended while we looked
                continue
            self._cpu_seconds[process.name] = sum(map(int, ticks)) / _TICKS
            self.peak_process_bytes = max(self.peak_process_bytes, int(most.group(1)) * 1024 if most else 0)
        return num_bytes


def _processes(session: int) -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if int(fields[3]) == session:
            found.append(folder)
    return found


def _memory_bytes(process: Path) -> int:
    try:
        match = _PSS.search((process / "smaps_rollup").read_bytes())
    except OSError:  # it ended while we looked
        return 0
    return int(match.group(1)) * 1024 if match else 0
