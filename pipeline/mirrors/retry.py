"""When to try again, and when to stop: the same rules for listings and for files."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import Field

from manifests.errors import UserError
from manifests.settings import Settings
from pipeline.mirrors.budget import Budget, no_budget
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.remote import mirror_of, public_url
from pipeline.mirrors.transport import Interrupted, Refused

# An attempt that brought this many new bytes was no failure: a large file over a bad line may be cut many times.
PROGRESS_BYTES = 1 << 20
# Answers that speak for the whole host, as every answer does that names a time to come back.
_HOST_FAULTS = frozenset({"status_429", "status_503", "status_509", "status_529"})

T = TypeVar("T")


class RetrySettings(Settings):
    """How patiently a mirror is asked."""

    max_attempts: int = Field(default=8, ge=1)
    """Attempts in a row that bring nothing before the run gives up."""
    max_connect_attempts: int = Field(default=4, ge=1)
    """Attempts to connect to a mirror that has not answered yet."""
    max_damaged_attempts: int = Field(default=2, ge=1)
    """Times that a file is fetched whole although its bytes turn out wrong."""
    first_wait_seconds: float = Field(default=1.0, ge=0)
    """Seconds to wait after the first failure; they double with each one that follows."""
    max_wait_seconds: float = Field(default=60.0, ge=0)
    """Longest wait in seconds that is chosen here."""
    max_retry_after_seconds: float = Field(default=600.0, ge=0)
    """Longest wait in seconds that a server may ask for; beyond it the run stops and says so."""
    connect_timeout_seconds: float = Field(default=20.0, gt=0)
    """Seconds that connecting may take."""
    read_timeout_seconds: float = Field(default=60.0, gt=0)
    """Seconds without a byte after which an answer counts as lost."""

    def wait_seconds(self, failures: int, retry_after: float | None, jitter: float) -> float:
        """Exponential back-off, halved at most by `jitter` in [0, 1), and never less than the server asks for."""
        backoff = min(self.max_wait_seconds, self.first_wait_seconds * 2.0 ** min(failures - 1, 60))
        return max(backoff * (1 - jitter / 2), retry_after or 0.0)


class Retrier:
    """Repeats attempts; several threads may share one. `faults` counts, by name, what went wrong on the way.

    wait: called with seconds; tests give one that returns at once.
    budget: hears which hosts are to be left alone: for a while where one is overloaded, for good where one refuses.
    """

    def __init__(
        self, settings: RetrySettings, wait: Callable[[float], None] = time.sleep, budget: Budget | None = None
    ) -> None:
        self.settings = settings
        self.faults: Counter[str] = Counter()
        self._wait = wait
        self._budget = no_budget() if budget is None else budget
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._reached: set[str] = set()
        self._jitter = random.Random()  # workers must not come back in step; it touches no output

    def run(
        self,
        url: str,
        attempt: Callable[[], T],
        num_bytes: Callable[[], int] = lambda: 0,
        faults: Counter[str] | None = None,
    ) -> T:
        """The result of the first attempt that ends well.

        num_bytes: how much is here already; new bytes make earlier failures forgotten.
        faults: gets the counts of this call alone.
        Raises `UserError` when the attempts are used up, naming the last reason; `Refused` and `HostStopped` at once.
        """
        failures = damaged = 0
        most = num_bytes()
        while True:
            try:
                result = attempt()
            except Interrupted as interrupted:
                self.count(interrupted.fault, faults)
                asked = interrupted.url or url
                if interrupted.reached:
                    self._note_reached(asked)
                failures = 0 if num_bytes() >= most + PROGRESS_BYTES else failures
                most = max(most, num_bytes())
                failures += 1
                self._check_retry_after(asked, interrupted)
                seconds = self.settings.wait_seconds(failures, interrupted.retry_after, self._jitter.random())
                # Also after the last attempt: other files' attempts go on.
                if interrupted.retry_after is not None or interrupted.fault in _HOST_FAULTS:
                    self._budget.hold(asked, seconds)
                self._check_attempts(url, asked, interrupted, failures)
            except Refused as refused:
                self.count("refused", faults)
                self._budget.stop(refused.url, str(refused))
                raise
            except Damaged as error:
                self.count("damaged", faults)
                damaged += 1
                failures += 1
                if damaged >= self.settings.max_damaged_attempts:
                    raise UserError(
                        f"{public_url(url)}: damaged at the mirror: {error} (fetched {damaged} times). Nothing of it "
                        "was published; run the same command later or use another mirror."
                    ) from None
                seconds = self.settings.wait_seconds(failures, None, self._jitter.random())
            else:
                self._note_reached(url)
                return result
            self._wait(seconds)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """The faults of what this thread does inside, whatever other threads do."""
        self._thread.faults = Counter()
        try:
            yield self._thread.faults
        finally:
            del self._thread.faults

    def count(self, fault: str, faults: Counter[str] | None = None) -> None:
        """Count a fault, and in `faults` too, which belongs to one call."""
        with self._lock:
            self.faults[fault] += 1
        own = getattr(self._thread, "faults", None)
        if own is not None:
            own[fault] += 1
        if faults is not None:
            faults[fault] += 1

    def _note_reached(self, url: str) -> None:
        with self._lock:
            self._reached.add(mirror_of(url))

    def _was_reached(self, url: str) -> bool:
        with self._lock:
            return mirror_of(url) in self._reached

    def _check_retry_after(self, asked: str, interrupted: Interrupted) -> None:
        seconds = interrupted.retry_after
        if seconds is not None and seconds > self.settings.max_retry_after_seconds:
            error = UserError(
                f"{mirror_of(asked)}: asks to wait {seconds:,.0f} seconds ({interrupted}). Run the same command "
                "after that, with a lower acquire.connections; what was downloaded is kept."
            )
            self._budget.stop(asked, str(error))
            raise error

    def _check_attempts(self, url: str, asked: str, interrupted: Interrupted, failures: int) -> None:
        settings, mirror = self.settings, mirror_of(asked)
        never_reached = not interrupted.reached and not self._was_reached(asked)
        if failures >= (settings.max_connect_attempts if never_reached else settings.max_attempts):
            if not interrupted.reached:
                raise UserError(
                    f"{mirror}: cannot be reached ({interrupted}). Check the network and the source's mirror, then run "
                    "the same command again; what was downloaded is kept."
                )
            raise UserError(
                f"{public_url(url)}: gave up after {failures} failed attempts in a row, the last: {interrupted}. Run "
                "the same command again later; what was downloaded is kept."
            )
