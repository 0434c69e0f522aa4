"""When attempts are repeated, who is told to leave a host alone, and what is counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import UserError
from pipeline.mirrors.budget import Budget, BudgetSettings, HostStopped, no_budget
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.retry import PROGRESS_BYTES, Retrier, RetrySettings
from pipeline.mirrors.transport import Interrupted, NotFound, Refused

URL = "https://data.example.org/a.gz"
ELSEWHERE = "https://edge.example.net/a.gz?token=abc"


class Notes(Budget):
    """A budget that notes what it is told."""

    def __init__(self) -> None:
        super().__init__("", BudgetSettings())
        self.holds: list[tuple[str, float]] = []
        self.stops: list[tuple[str, str]] = []

    def hold(self, url: str, seconds: float) -> None:
        self.holds.append((url, seconds))

    def stop(self, url: str, why: str) -> None:
        self.stops.append((url, why))


class Bench:
    """A retrier with its notes; `run` gives what an attempt raises, one after the other, and then a result."""

    def __init__(self, **settings: float) -> None:
        self.budget = Notes()
        self.waits: list[float] = []
        self.retrier = Retrier(RetrySettings(**settings), self.waits.append, self.budget)

    def run(self, *errors: Exception, faults: Counter[str] | None = None) -> str:
        left = list(errors)

        def attempt() -> str:
            if left:
                raise left.pop(0)
            return "here"

        return self.retrier.run(URL, attempt, faults=faults)


def _busy(status: int, retry_after: float | None = None, url: str | None = None) -> Interrupted:
    return Interrupted(f"status_{status}", f"answered {status}", retry_after, url=url)


def test_overload_holds_the_host_for_all() -> None:
    bench = Bench()
    assert bench.run(_busy(503), _busy(429, 7.0), _busy(502, 3.0)) == "here"
    assert [url for url, _ in bench.budget.holds] == [URL] * 3
    assert [seconds for _, seconds in bench.budget.holds] == bench.waits  # who met it waits no less
    assert 0.5 <= bench.waits[0] <= 1.0
    assert bench.waits[1] == 7.0  # never less than was asked for
    assert 3.0 <= bench.waits[2] <= 4.0


def test_a_fault_of_one_line_holds_nobody_else() -> None:
    bench = Bench()
    cut, late = Interrupted("cut", "closed"), Interrupted("timeout", "no bytes")
    assert bench.run(cut, late, _busy(500), _busy(408), Interrupted("unreachable", "refused", reached=False)) == "here"
    assert bench.budget.holds == []
    assert len(bench.waits) == 5


def test_the_host_that_answered_is_held_not_the_one_that_led_there() -> None:
    bench = Bench()
    bench.run(_busy(503, url=ELSEWHERE))
    assert [url for url, _ in bench.budget.holds] == [ELSEWHERE]


def test_the_last_failure_holds_too() -> None:
    bench = Bench(max_attempts=2)
    with pytest.raises(UserError, match="gave up after 2 failed attempts in a row, the last: answered 503"):
        bench.run(_busy(503), _busy(503))
    assert len(bench.budget.holds) == 2
    assert len(bench.waits) == 1


def test_waits_differ_between_workers() -> None:
    waits = {bench.waits[0] for bench in (Bench() for _ in range(10)) if bench.run(_busy(503))}
    assert len(waits) > 5


def test_a_refusal_stops_the_host_at_once() -> None:
    bench = Bench()
    line = "https://data.example.org/a.gz: refused by https://edge.example.net (403). Wait some hours."
    with pytest.raises(Refused, match="refused by"):
        bench.run(Refused(line, ELSEWHERE))
    assert bench.budget.stops == [(ELSEWHERE, line)]
    assert bench.waits == []
    assert bench.retrier.faults == {"refused": 1}


def test_other_threads_and_processes_meet_the_stop(tmp_path: Path) -> None:
    first, second = (Budget(str(tmp_path), BudgetSettings()) for _ in range(2))

    def refused() -> None:
        with first.request(URL):
            raise Refused(f"{URL}: refused by https://data.example.org (403). Wait some hours.", URL)

    def asked() -> None:
        with second.request(URL):
            raise AssertionError("asked again")

    with pytest.raises(Refused):
        Retrier(RetrySettings(), budget=first).run(URL, refused)
    with pytest.raises(HostStopped, match=r"what was downloaded is kept.*\(403\)\. Wait some hours"):
        Retrier(RetrySettings(), budget=second).run(URL, asked)


def test_a_missing_file_stops_nothing() -> None:
    bench = Bench()
    with pytest.raises(NotFound):
        bench.run(NotFound(f"{URL}: not found (404)."))
    assert bench.budget.stops == bench.budget.holds == []


def test_a_wait_beyond_reason_stops_the_host() -> None:
    bench = Bench()
    with pytest.raises(UserError, match=r"data\.example\.org: asks to wait 86,400 seconds .* is kept"):
        bench.run(_busy(429, 86_400.0))
    assert [url for url, _ in bench.budget.stops] == [URL]
    assert bench.waits == []


def test_new_bytes_make_failures_forgotten() -> None:
    bench, arrived = Bench(max_attempts=3), [0]

    def attempt() -> str:
        arrived[0] += PROGRESS_BYTES
        if arrived[0] < 20 * PROGRESS_BYTES:
            raise Interrupted("cut", "closed")
        return "here"

    assert bench.retrier.run(URL, attempt, lambda: arrived[0]) == "here"
    assert bench.retrier.faults["cut"] == 19
    assert max(bench.waits) <= 1.0


def test_faults_are_counted_for_the_call_and_for_all() -> None:
    bench, mine = Bench(), Counter[str]()
    bench.run(Interrupted("cut", "closed"))
    bench.run(_busy(503), Damaged("wrong sha1"), faults=mine)
    bench.retrier.count("restarted", mine)
    assert mine == {"status_503": 1, "damaged": 1, "restarted": 1}
    assert bench.retrier.faults == {"cut": 1, **mine}


def test_damage_is_fetched_twice_and_then_said() -> None:
    bench = Bench()
    with pytest.raises(UserError, match=r"damaged at the mirror: wrong sha1 \(fetched 2 times\)"):
        bench.run(Damaged("wrong sha1"), Damaged("wrong sha1"))
    assert bench.budget.holds == []


def test_threads_share_a_retrier() -> None:
    retrier = Retrier(RetrySettings(max_attempts=100), lambda seconds: time.sleep(0), no_budget())
    counts = [Counter[str]() for _ in range(8)]

    def attempts(number: int) -> Callable[[], int]:
        left = iter(range(50))

        def attempt() -> int:
            if next(left, None) is not None:
                raise Interrupted("cut", "closed")
            return number

        return attempt

    def work(number: int) -> None:
        for _ in range(20):
            assert retrier.run(f"http://h{number}/x", attempts(number), faults=counts[number]) == number

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count["cut"] for count in counts] == [1000] * 8
    assert retrier.faults == {"cut": 8000}
