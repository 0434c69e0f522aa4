"""When to try again, and when to stop: the same rules for listings and for files."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from manifests.errors import UserError
from manifests.settings import Settings
from pipeline.sources.integrity import Damaged
from pipeline.sources.remote import mirror_of, public_url
from pipeline.sources.transport import Interrupted

# An attempt that brought this many new bytes was no failure: a large file over a bad line may be cut many times.
PROGRESS_BYTES = 1 << 20

T = TypeVar("T")


class RetrySettings(Settings):
    """How patiently a mirror is asked. None of it may change an output."""

    max_attempts: int = Field(default=8, ge=1)
    """Attempts in a row that bring nothing."""
    max_connect_attempts: int = Field(default=4, ge=1)
    """Attempts to connect to a mirror that has not answered yet."""
    max_damaged_attempts: int = Field(default=2, ge=1)
    """Times that a file is fetched whole although its bytes turn out wrong."""
    first_wait_seconds: float = Field(default=1.0, ge=0)
    """Wait after the first failure; it doubles with each one that follows."""
    max_wait_seconds: float = Field(default=60.0, ge=0)
    """Longest wait that is chosen here."""
    max_retry_after_seconds: float = Field(default=600.0, ge=0)
    """Longest wait that a server may ask for; beyond it the run stops and says so."""
    connect_timeout_seconds: float = Field(default=20.0, gt=0)
    """Time to connect."""
    read_timeout_seconds: float = Field(default=60.0, gt=0)
    """Time without a byte after which an answer counts as lost."""

    def wait_seconds(self, failures: int, retry_after: float | None, jitter: float) -> float:
        """Exponential back-off, halved at most by `jitter` in [0, 1), and never less than the server asks for."""
        backoff = min(self.max_wait_seconds, self.first_wait_seconds * 2.0 ** min(failures - 1, 60))
        return max(backoff * (1 - jitter / 2), retry_after or 0.0)


class Retrier:
    """Repeats attempts. `faults` counts, by name, what went wrong on the way.

    wait: called with seconds; tests give one that returns at once.
    """

    def __init__(self, settings: RetrySettings, wait: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self.faults: Counter[str] = Counter()
        self._wait = wait
        self._reached: set[str] = set()
        self._jitter = random.Random()  # workers must not come back in step; it touches no output

    def run(self, url: str, attempt: Callable[[], T], num_bytes: Callable[[], int] = lambda: 0) -> T:
        """The result of the first attempt that ends well.

        num_bytes: how much is here already; new bytes make earlier failures forgotten.
        Raises `UserError` when the attempts are used up, naming the last reason.
        """
        failures = damaged = 0
        most = num_bytes()
        while True:
            try:
                result = attempt()
            except Interrupted as interrupted:
                self.faults[interrupted.fault] += 1
                if interrupted.reached:
                    self._reached.add(mirror_of(url))
                failures = 0 if num_bytes() >= most + PROGRESS_BYTES else failures
                most = max(most, num_bytes())
                failures += 1
                self._check(url, interrupted, failures)
                retry_after = interrupted.retry_after
            except Damaged as error:
                self.faults["damaged"] += 1
                damaged += 1
                failures += 1
                if damaged >= self.settings.max_damaged_attempts:
                    raise UserError(
                        f"{public_url(url)}: damaged at the mirror: {error} (fetched {damaged} times). Nothing of it "
                        "was published; run the same command later or use another mirror."
                    ) from None
                retry_after = None
            else:
                self._reached.add(mirror_of(url))
                return result
            self._wait(self.settings.wait_seconds(failures, retry_after, self._jitter.random()))

    def _check(self, url: str, interrupted: Interrupted, failures: int) -> None:
        settings, mirror = self.settings, mirror_of(url)
        if interrupted.retry_after is not None and interrupted.retry_after > settings.max_retry_after_seconds:
            raise UserError(
                f"{mirror}: asks to wait {interrupted.retry_after:,.0f} seconds ({interrupted}). Run the same command "
                "after that, with fewer workers; what was downloaded is kept."
            )
        never_reached = not interrupted.reached and mirror not in self._reached
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
