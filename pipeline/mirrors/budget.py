"""How much a build may ask of each host: one budget for all of its processes and threads.

What the processes share is in small files, one set for each host: `.slot-N`, locked while a request is under way;
`.queue`, locked by who is next; `.state`, what was asked lately; `.stopped`, why nobody may ask any more. Locks are
`flock` on file descriptions of their own, so threads exclude each other as processes do, and the kernel frees what a
killed process held.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from manifests.errors import UserError
from manifests.secrets import scrub
from manifests.storage import writing
from pipeline.mirrors.host_limits import BudgetSettings, HostLimits, HostState, pack, unpack

__all__ = ["Budget", "BudgetSettings", "HostLimits", "HostStopped", "host_of", "no_budget"]

_FLUSH_BYTES, _FLUSH_SECONDS = 4 << 20, 0.2  # how far a process may be ahead of the shared count
_LOOK_SECONDS = 0.5  # between looks at a stop, while waiting
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.001, 0.02  # between looks for a free slot, by the first of the queue


class HostStopped(UserError):
    """A host refused earlier in this run, and is not asked again."""


class Budget:
    """What hosts may be asked, shared by every process that has a budget of the same folder.

    folder: local path; made when it is needed. On several machines it must be on a file system with `flock` that they
    share, and their clocks must agree.
    wait, clock: as `time.sleep` and `time.time`; tests give their own.

    Raises `UserError` where the folder cannot be written. It can be pickled.
    """

    def __init__(
        self,
        folder: str,
        settings: BudgetSettings,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = str(folder)
        self.settings = settings
        self._wait, self._clock = wait, clock
        self._lock = threading.Lock()
        self._unflushed: Counter[str] = Counter()
        self._flushed_at: defaultdict[str, float] = defaultdict(time.monotonic)
        self._limits: dict[str, HostLimits] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.settings, self._wait, self._clock)

    @contextlib.contextmanager
    def request(self, url: str) -> Iterator[None]:
        """Stands around one request and its answer, body included. Not to be nested for one host.

        Waits for a free connection, for its turn, and for the end of a hold. Raises `HostStopped` where the host was
        stopped, also while it waits.
        """
        host = host_of(url)
        slot = self._take_slot(host)
        try:
            in_storm = self._wait_for_turn(host)
            yield
            if in_storm:
                self._update(host, HostState.answered_well)
        finally:
            _unlock(slot)
            self._flush(host, at_least=1)

    def spend(self, url: str, num_bytes: int) -> None:
        """Count bytes that arrived, and sleep as the limit of bytes asks."""
        host = host_of(url)
        with self._lock:
            self._unflushed[host] += num_bytes
            unflushed, late = self._unflushed[host], time.monotonic() - self._flushed_at[host]
        limited = self._limits_of(host).bytes_per_second is not None
        if limited or unflushed >= _FLUSH_BYTES or late >= _FLUSH_SECONDS:
            seconds = self._flush(host)
            if seconds:
                self._sleep(host, seconds)

    def hold(self, url: str, seconds: float) -> None:
        """Everybody leaves the host alone for at least so many seconds."""
        host = host_of(url)
        self._update(host, lambda state: state.hold_for(seconds, self._limits_of(host)))

    def stop(self, url: str, why: str) -> None:
        """Nobody asks this host again in this run. why: one line that says what it answered, and what to do."""
        path = self._path(host_of(url), "stopped")
        temporary = f"{path}.{os.getpid()}-{threading.get_ident()}"
        with self._writing(path):
            os.makedirs(self.folder, exist_ok=True)
            Path(temporary).write_text(scrub(" ".join(why.split())), encoding="utf-8")
            os.replace(temporary, path)

    def clear(self) -> None:
        """Forget stops, holds and counts: a run begins. Connections that are in use stay so."""
        with self._lock:
            self._unflushed.clear()
        for path in self._files(".stopped"):
            with self._writing(str(path)):
                path.unlink(missing_ok=True)
        for path in self._files(".state"):
            with self._locked(str(path)) as file:
                os.ftruncate(file, 0)

    @property
    def held(self) -> dict[str, float]:
        """Hosts that everybody leaves alone now, and the seconds until they are asked again."""
        held = {}
        for path in self._files(".state"):
            with self._locked(str(path)) as file:
                state = unpack(os.pread(file, 1024, 0))
            state.advance(self._clock())
            if state.hold:
                held[unquote(path.name.removesuffix(".state"))] = state.hold
        return held

    @property
    def num_bytes(self) -> int:
        """Bytes that arrived in this run, from all hosts; other processes' last moments may be missing."""
        with self._lock:
            total = self._unflushed.total()
        for path in self._files(".state"):
            with self._locked(str(path)) as file:
                total += unpack(os.pread(file, 1024, 0)).num_bytes
        return total

    def _limits_of(self, host: str) -> HostLimits:
        if host not in self._limits:
            self._limits[host] = self.settings.of(host)
        return self._limits[host]

    def _take_slot(self, host: str) -> int:
        """An open file with the lock of one of the host's connections.

        Who comes first waits in the kernel for the lock of the queue, looks for a free slot while it has it, and lets
        the next one in: nobody who comes later can be faster.
        """
        self._check_stopped(host)
        queue = self._open(self._path(host, "queue"))
        try:
            fcntl.flock(queue, fcntl.LOCK_EX)
            poll = _FIRST_POLL_SECONDS
            while True:
                self._check_stopped(host)
                for number in range(self._limits_of(host).connections):
                    slot = self._open(self._path(host, f"slot-{number}"))
                    try:
                        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        os.close(slot)
                    except BaseException:
                        os.close(slot)
                        raise
                    else:
                        return slot
                time.sleep(poll)
                poll = min(2 * poll, _LAST_POLL_SECONDS)
        finally:
            _unlock(queue)

    def _wait_for_turn(self, host: str) -> bool:
        """Wait until a request may begin. True where the host's last hold is not forgotten yet."""
        limits = self._limits_of(host)
        while True:
            hold, seconds, storm = self._update(
                host, lambda state: (state.hold, 0.0 if state.hold else state.ask(limits), state.storm)
            )
            if hold:
                self._sleep(host, hold, in_hold=True)
                continue
            if not seconds:
                return bool(storm)
            self._sleep(host, seconds)
            # While it waited for its turn, others may have met a storm. Then it asks for a new turn.
            if not self._update(host, lambda state: state.hold):
                return bool(storm)

    def _sleep(self, host: str, seconds: float, in_hold: bool = False) -> None:
        """Sleep, in pieces: a stop ends it, and a hold may meanwhile have been made longer or forgotten."""
        while seconds > 0:
            self._check_stopped(host)
            piece = min(seconds, _LOOK_SECONDS)
            self._wait(piece)
            seconds -= piece
            if in_hold and seconds > 0:
                return
        self._check_stopped(host)

    def _check_stopped(self, host: str) -> None:
        path = Path(self._path(host, "stopped"))
        with self._writing(str(path)):
            try:
                why = path.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return
        raise _stopped(host, why)

    def _flush(self, host: str, at_least: int = 0) -> float:
        """Bring this process's bytes to the shared count; seconds to sleep."""
        with self._lock:
            num_bytes = self._unflushed[host]
            if num_bytes < at_least:
                return 0.0
            self._unflushed[host] = 0
            self._flushed_at[host] = time.monotonic()
        seconds: float = self._update(host, lambda state: state.spend(num_bytes, self._limits_of(host)))
        return seconds

    def _update(self, host: str, change: Callable[[HostState], Any]) -> Any:
        """Change a host's state, alone, and return what the change returns."""
        with self._locked(self._path(host, "state")) as file:
            state = unpack(os.pread(file, 1024, 0))
            state.advance(self._clock())
            result = change(state)
            data = pack(state)
            os.pwrite(file, data, 0)
            os.ftruncate(file, len(data))
        return result

    @contextlib.contextmanager
    def _locked(self, path: str) -> Iterator[int]:
        file = self._open(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            with self._writing(path):
                yield file
        finally:
            _unlock(file)

    def _open(self, path: str) -> int:
        with self._writing(path):
            try:
                return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:
                os.makedirs(self.folder, exist_ok=True)
                return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def _writing(self, path: str) -> contextlib.AbstractContextManager[None]:
        return writing(self.folder, os.path.basename(path))

    def _path(self, host: str, kind: str) -> str:
        return f"{self.folder}/{_file_name(host)}.{kind}"

    def _files(self, suffix: str) -> list[Path]:
        return sorted(path for path in Path(self.folder).glob(f"*{suffix}"))


class _NoBudget(Budget):
    """Without limits and within one process. Hosts that refuse are stopped all the same."""

    def __init__(self) -> None:
        super().__init__("", BudgetSettings())
        self._stopped: dict[str, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    @contextlib.contextmanager
    def request(self, url: str) -> Iterator[None]:
        host = host_of(url)
        if host in self._stopped:
            raise _stopped(host, self._stopped[host])
        yield

    def spend(self, url: str, num_bytes: int) -> None:
        with self._lock:
            self._unflushed[host_of(url)] += num_bytes

    def hold(self, url: str, seconds: float) -> None:
        """Nothing: who met the storm waits by itself."""

    def stop(self, url: str, why: str) -> None:
        self._stopped[host_of(url)] = scrub(" ".join(why.split()))

    @property
    def held(self) -> dict[str, float]:
        return {}

    def clear(self) -> None:
        self._stopped.clear()
        with self._lock:
            self._unflushed.clear()

    @property
    def num_bytes(self) -> int:
        with self._lock:
            return self._unflushed.total()


def no_budget() -> Budget:
    """A budget of this process alone that has no limits."""
    return _NoBudget()


@functools.lru_cache(4096)
def host_of(url: str) -> str:
    """Host and port of a URL in small letters (for cloud storage, the bucket); empty for a local path."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


@functools.lru_cache(256)
def _file_name(host: str) -> str:
    name = quote(host or "local", safe="")
    return name if len(name) <= 200 else hashlib.sha256(host.encode()).hexdigest()


def _unlock(file: int) -> None:
    # Said aloud, since a forked process may hold the same file open.
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def _stopped(host: str, why: str) -> HostStopped:
    return HostStopped(
        f"{host}: asked for nothing more in this run, since it refused; what was downloaded is kept. Its answer: {why}"
    )
