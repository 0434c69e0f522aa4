"""One budget for a build: connections, rates, holds and stops, across threads and processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.errors import UserError
from pipeline.mirrors.budget import Budget, BudgetSettings, HostLimits, HostStopped, host_of, no_budget
from pipeline.mirrors.host_limits import HostState, pack, unpack

REPOSITORY = Path(__file__).resolve().parents[3]
URL = "https://data.example.org/a/b.gz"
FAST = 1e6  # requests a second, where a test is about something else


class Clock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.sleeps: list[float] = []

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps.append(seconds)

    def budget(self, folder: Path, **limits: Any) -> Budget:
        return Budget(str(folder), BudgetSettings(**limits), self.wait, lambda: self.now)


def _most_within(times: list[float], seconds: float) -> int:
    return max(sum(start <= other < start + seconds for other in times) for start in times)


def test_requests_come_at_their_rate_after_a_burst_of_a_second(tmp_path: Path) -> None:
    clock = Clock()
    budget, begun = clock.budget(tmp_path, requests_per_second=10), []
    for _ in range(50):
        with budget.request(URL):
            begun.append(clock.now)
    assert begun[:10] == [begun[0]] * 10
    assert begun[-1] - begun[0] == pytest.approx(4.0)
    assert _most_within(begun[10:], 0.999) <= 10


def test_every_host_has_its_own_limits(tmp_path: Path) -> None:
    clock = Clock()
    limits = {
        "requests_per_second": 2,
        "bytes_per_second": 100,
        "hosts": {"Fast.org:80": {"requests_per_second": FAST}},
    }
    budget = clock.budget(tmp_path, **limits)
    for url in ("http://fast.org:80/x", "http://slow.org/x"):
        for _ in range(4):
            with budget.request(url):
                pass
    assert sum(clock.sleeps) == pytest.approx(1.0)
    # What a host's table leaves out is as for every host.
    assert budget.settings.of("fast.org:80") == HostLimits(requests_per_second=FAST, bytes_per_second=100)
    assert host_of("HTTP://me:pw@Fast.org:80/x?y") == "fast.org:80"
    with pytest.raises(ValidationError, match="without scheme"):
        BudgetSettings(hosts={"https://fast.org": HostLimits()})


def test_bytes_come_at_their_rate(tmp_path: Path) -> None:
    clock = Clock()
    budget = clock.budget(tmp_path, bytes_per_second=1000)
    start = clock.now
    for _ in range(100):
        budget.spend(URL, 100)
    assert clock.now - start == pytest.approx(9.0)
    assert budget.num_bytes == 10_000


def test_bytes_of_all_processes_are_counted(tmp_path: Path) -> None:
    budget, other = (Budget(str(tmp_path), BudgetSettings()) for _ in range(2))
    for url in (URL, "http://other.org/x"):
        with other.request(url):
            other.spend(url, 70_000)
    assert budget.num_bytes == other.num_bytes == 140_000
    budget.clear()
    assert budget.num_bytes == 0


def test_a_hold_keeps_everybody_away_and_grows_while_the_storm_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    first, second = (clock.budget(tmp_path, requests_per_second=FAST) for _ in range(2))
    lengths = []
    for _ in range(9):
        first.hold(URL, 3.0)
        second.hold(URL, 2.0)  # the same storm, met by somebody else
        start = clock.now
        with contextlib.suppress(RuntimeError), second.request(URL):
            raise RuntimeError("busy again")
        lengths.append(clock.now - start)
    assert lengths == pytest.approx([3, 6, 12, 24, 48, 96, 120, 120, 120], abs=0.01)
    for _ in range(20):  # good answers: the host is well again
        with second.request(URL):
            pass
    first.hold(URL, 3.0)
    start = clock.now
    with second.request(URL):
        pass
    assert clock.now - start == pytest.approx(3, abs=0.01)
    start = clock.now
    with first.request("http://other.org/x"):
        pass
    assert clock.now == start


def test_after_a_hold_there_is_no_burst(tmp_path: Path) -> None:
    clock = Clock()
    budget, begun = clock.budget(tmp_path, requests_per_second=4), []
    budget.hold(URL, 30.0)
    held_until = clock.now + 30
    for _ in range(8):
        with budget.request(URL):
            begun.append(clock.now)
    assert begun == pytest.approx([held_until + number / 4 for number in range(8)])


def test_a_stopped_host_is_asked_no_more(tmp_path: Path) -> None:
    budget, other = (Budget(str(tmp_path), BudgetSettings()) for _ in range(2))
    budget.stop(URL, "https://data.example.org/a/b.gz: refused (403).\nWait some hours.")
    for asked in (budget, other, pickle.loads(pickle.dumps(budget))):
        with pytest.raises(HostStopped, match=r"data\.example\.org: .* kept\. .*\(403\)\. Wait some hours") as caught:
            asked.request(URL).__enter__()
        assert "\n" not in str(caught.value)
    with other.request("https://other.org/"):
        pass
    other.clear()
    with budget.request(URL):
        pass


@pytest.mark.parametrize("reason", ["slot", "hold", "turn", "bytes"])
def test_a_stop_ends_waiting(tmp_path: Path, reason: str) -> None:
    budget = Budget(str(tmp_path), BudgetSettings(connections=1, requests_per_second=0.001, bytes_per_second=1))
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            if reason == "bytes":
                budget.spend(URL, 1 << 20)
            else:
                budget.request(URL).__enter__()
        except HostStopped as error:
            failures.append(error)

    with contextlib.ExitStack() as stack:
        if reason == "slot":
            stack.enter_context(budget.request(URL))
        elif reason == "turn":
            with budget.request(URL):
                pass
        elif reason == "hold":
            budget.hold(URL, 600)
        waiting = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
        for thread in waiting:
            thread.start()
        waiting[0].join(0.05)
        Budget(str(tmp_path), BudgetSettings()).stop(URL, "403")
        for thread in waiting:
            thread.join(30)
    assert len(failures) == 3


def _ask(folder: str, connections: int, num_requests: int, log: str) -> None:
    """Work with a slot of the budget and note, in a file that all append to, when it is taken and given back."""
    budget = Budget(folder, BudgetSettings(connections=connections, requests_per_second=FAST))
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def work() -> None:
        for _ in range(num_requests):
            with budget.request(URL):
                os.write(file, b"+")
                time.sleep(0.001)
                os.write(file, b"-")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_connections_of_processes_and_threads_together(tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_ask, args=(str(tmp_path / "budget"), 3, 15, str(log))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    under_way = most = 0
    for sign in log.read_text():
        under_way += 1 if sign == "+" else -1
        most = max(most, under_way)
    assert log.read_text().count("+") == 3 * 4 * 15
    assert under_way == 0
    assert 1 < most <= 3


def test_nobody_starves(tmp_path: Path) -> None:
    """One connection and threads that want it again at once: who waits is next before who was just served."""
    budget = Budget(str(tmp_path), BudgetSettings(connections=1, requests_per_second=FAST))
    served: list[int] = []

    def work(number: int) -> None:
        while len(served) < 200:
            with budget.request(URL):
                served.append(number)
                time.sleep(0.002)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(served.count(number) for number in range(4)) >= 10


_HOLD_A_SLOT = """
import sys, time
from pipeline.mirrors.budget import BudgetSettings, Budget
budget = Budget(sys.argv[1], BudgetSettings(connections=1))
with budget.request(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD_A_SLOT, str(tmp_path), URL]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            budget = Budget(str(tmp_path), BudgetSettings(connections=1))
            got = threading.Event()

            def ask() -> None:
                with budget.request(URL):
                    got.set()

            thread = threading.Thread(target=ask, daemon=True)
            thread.start()
            assert not got.wait(0.2)
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    assert got.wait(60)
    thread.join(60)


def _hurry(folder: str, stop: float, log: str) -> None:
    budget = Budget(folder, BudgetSettings(requests_per_second=40, bytes_per_second=200_000))
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while time.time() < stop:
        with budget.request(URL):
            os.write(file, b".")
            budget.spend(URL, 4_000)


def test_the_rate_of_two_processes_holds(tmp_path: Path) -> None:
    """With real clocks; only what is too fast can fail, so a slow machine cannot."""
    log, start = tmp_path / "log", time.time()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_hurry, args=(str(tmp_path / "b"), start + 4, str(log))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    seconds = time.time() - start
    num_requests = len(log.read_text())
    assert 2 <= num_requests <= 40 * (seconds + 1) + 2
    num_bytes = Budget(str(tmp_path / "b"), BudgetSettings()).num_bytes
    assert num_bytes == 4_000 * num_requests
    assert num_bytes <= 200_000 * (seconds + 1) + 2 * 4_000


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff" * 52, b"\x00" * 52, b"x" * 5000])
def test_a_damaged_state_starts_anew(tmp_path: Path, damage: bytes) -> None:
    clock = Clock()
    budget = clock.budget(tmp_path)
    budget.hold(URL, 600)
    (tmp_path / "data.example.org.state").write_bytes(damage)
    with budget.request(URL):
        budget.spend(URL, 5)
    assert clock.sleeps == []
    assert budget.num_bytes == 5
    assert len((tmp_path / "data.example.org.state").read_bytes()) == len(pack(HostState()))


def test_a_folder_that_vanishes_or_cannot_be_written(tmp_path: Path) -> None:
    clock = Clock()
    budget = clock.budget(tmp_path / "deep" / "budget")
    budget.clear()
    assert budget.num_bytes == 0
    assert not (tmp_path / "deep").exists()  # nothing was asked yet
    with budget.request(URL):
        for path in (tmp_path / "deep" / "budget").iterdir():
            path.unlink()
        (tmp_path / "deep" / "budget").rmdir()
    budget.stop(URL, "403")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        clock.budget(tmp_path / "file").request(URL).__enter__()


@pytest.mark.parametrize(
    "url", ["/a/local/path", "s3://bucket/key", "http://[::1]:80/x", f"http://{'h' * 300}/", "http://../x"]
)
def test_any_host_has_a_file_of_its_own(tmp_path: Path, url: str) -> None:
    budget = Budget(str(tmp_path / "b"), BudgetSettings())
    with budget.request(url):
        budget.spend(url, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert budget.num_bytes == 1


def test_no_budget_counts_and_stops_and_never_waits() -> None:
    budget = no_budget()
    budget.hold(URL, 600)
    for _ in range(1000):
        with budget.request(URL):
            budget.spend(URL, 1 << 40)
    assert budget.num_bytes == 1000 << 40
    budget.stop(URL, "403")
    with pytest.raises(HostStopped):
        budget.request(URL).__enter__()
    assert no_budget().num_bytes == 0
    assert pickle.loads(pickle.dumps(budget)).num_bytes == 0


_LIMITS = st.builds(
    HostLimits,
    requests_per_second=st.floats(0.01, 1000),
    bytes_per_second=st.floats(1, 1e9),
)


@settings(max_examples=200, deadline=None)
@given(limits=_LIMITS, pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60), window=st.floats(0.01, 20))
def test_no_window_of_time_has_more_than_its_rate_and_a_burst(
    limits: HostLimits, pauses: list[float], window: float
) -> None:
    state, now, begun = HostState(), 1_000.0, []
    for pause in pauses:
        now += pause
        state.advance(now)
        begun.append(now + state.ask(limits))
    rate = limits.requests_per_second
    assert begun == sorted(begun)  # who asks first is first
    assert _most_within(begun, window) <= rate * window + max(1.0, rate) + 1e-6 * len(begun) + 1


@settings(max_examples=200, deadline=None)
@given(
    limits=_LIMITS,
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "spend", "hold"]), st.floats(-1e6, 1e6), st.floats(0, 100)), max_size=40
    ),
)
def test_a_clock_that_jumps_makes_nobody_wait_for_longer_than_was_asked(
    limits: HostLimits, steps: list[tuple[str, float, float]]
) -> None:
    state, now, requests, num_bytes, hold = HostState(), 1_000.0, 0, 0, 0.0
    state.advance(now)
    for what, jump, amount in steps:
        now += jump
        state.advance(now)
        if what == "ask":
            requests += 1
            most = requests / limits.requests_per_second + 120.0 + hold + 1 / limits.requests_per_second + 1
            assert 0 <= state.ask(limits) <= most
        elif what == "spend":
            num_bytes += int(amount)
            assert 0 <= state.spend(int(amount), limits) <= num_bytes / limits.bytes_per_second + 1e-6
        else:
            hold = max(hold, amount)
            state.hold_for(amount, limits)
            assert amount <= state.hold <= max(120.0, hold)
        assert unpack(pack(state)) == state


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def test_a_hold_can_be_seen_by_another_process(tmp_path: Path) -> None:
    Budget(str(tmp_path), BudgetSettings()).hold("https://h.org:8000/a", 30)
    (host, seconds), *more = Budget(str(tmp_path), BudgetSettings()).held.items()
    assert host == "h.org:8000"
    assert 0 < seconds <= 30
    assert not more
