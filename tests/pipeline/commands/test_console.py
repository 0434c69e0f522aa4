"""What a run shows: bars with rates on a terminal, plain lines in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import pipeline.commands.console as console_module
from pipeline.commands.console import RunConsole


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(console_module, "time", clock)
    return clock


def test_a_log_gets_rate_and_time_left(clock: _Clock) -> None:
    log = io.StringIO()
    with RunConsole(Console(file=log, width=200)) as shown:
        shown.progress("acquire fetch", 0, 4, (0, 300_000_000))
        clock.now += 10
        shown.progress("acquire fetch", 1, 4, (100_000_000, 300_000_000))
        assert log.getvalue() == ""  # a line every half minute, not every half second
        clock.now += 21
        shown.progress("acquire fetch", 2, 4, (155_000_000, 300_000_000))
    assert log.getvalue() == "  acquire fetch: 2 of 4 tasks, 155.0 MB of 300.0 MB, 5.0 MB/s, 0:00:29 left\n"


def test_a_terminal_gets_a_bar_with_the_same_words(clock: _Clock) -> None:
    screen = io.StringIO()
    with RunConsole(Console(file=screen, width=200, force_terminal=True)) as shown:
        shown.progress("acquire fetch", 0, 4, (0, None))
        clock.now += 2
        shown.progress("acquire fetch", 1, 4, (30_000_000, None))
        shown._bar.refresh()  # type: ignore[union-attr]
    assert "30.0 MB, 15.0 MB/s" in screen.getvalue()
    assert "left" not in screen.getvalue()  # what is still to come is not known


def test_a_stage_without_bytes_shows_tasks_alone(clock: _Clock) -> None:
    log = io.StringIO()
    with RunConsole(Console(file=log, width=200)) as shown:
        clock.now += 31
        shown.progress("extract", 3, 7)
        shown.note("a line that matters")
    assert log.getvalue() == "  extract: 3 of 7 tasks\na line that matters\n"


def test_a_wait_is_said_at_once_and_not_too_often(clock: _Clock) -> None:
    log = io.StringIO()
    with RunConsole(Console(file=log, width=200)) as shown:
        for _ in range(70):
            shown.waiting("acquire list", "h.org answers that it is busy")
            clock.now += 0.5
    assert log.getvalue() == "  acquire list: h.org answers that it is busy\n" * 2
