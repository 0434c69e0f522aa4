"""The guard: no page holds up, exhausts or kills the worker that extracts it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from datatrove.data import Document

from manifests.errors import UserError
from pipeline.extractors.guard.guard import Budget, Guard
from pipeline.extractors.guard.protocol import Answer, Page, pack_answer, parse_answers
from pipeline.extractors.html import HtmlExtractor
from tests.packing import read_web_pages
from tests.pipeline.extractors import hostile_extractor

EXTRACTOR = f"{hostile_extractor.__name__}:{hostile_extractor.extract.__name__}"


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard(EXTRACTOR, Budget(seconds=0.5, memory_bytes=4 << 30))
    yield guard
    guard.close()


def ask(guard: Guard, *pages: str | Page) -> list[tuple[str, str]]:
    """Reason and text of each page."""
    guard.submit([page if isinstance(page, Page) else Page(page.encode()) for page in pages])
    return [(answer.reason, answer.text) for answer in guard.answers()]


def test_pages_that_misbehave_are_named_and_the_others_answered(guard: Guard, tmp_path: Path) -> None:
    pages = ["a", "loop", "b", "crash", "raise", "memory", "exit", "print", f"crash-once {tmp_path / 'x'}", "c"]
    reasons = ["", "page_timeout", "", "extractor_crashed", "extraction_error", "page_memory", "extractor_crashed"]
    answers = ask(guard, *pages)
    assert [reason for reason, _ in answers] == [*reasons, "", "", ""]
    assert [text for reason, text in answers if not reason] == [
        page.upper() for page, (reason, _) in zip(pages, answers, strict=True) if not reason
    ]
    # Each death starts it anew; a crash, or too much memory, is only believed of the first page of a new process. The
    # deaths of the others come before that, and the first to be tried again finds a process that has answered.
    timeouts, crashes, tried_again = 1, 3, 4
    assert guard.num_started == 1 + timeouts + crashes + tried_again


@pytest.mark.parametrize("order", ["need", "crash-in-need"])
def test_memory_that_pages_before_left_is_held_against_no_page(order: str, guard: Guard) -> None:
    """The budget is 4 GiB: each of the pages fits into it, and no two of them do."""
    fits, too_much = f"{order} 2500", f"{order} 4500"
    alone = [ask(guard, page) for page in (fits, too_much)]
    assert [reason for ((reason, _),) in alone] == ["", "page_memory" if order == "need" else "extractor_crashed"]
    together = ask(guard, "hoard 2500", fits, too_much, "a", fits)
    assert together[1:] == [*alone[0], *alone[1], ("", "A"), *alone[0]]


def test_large_pages_around_are_no_part_of_a_page_s_memory(guard: Guard) -> None:
    needs = 4096 - 200  # mebibytes: leaves room for the process itself, but not for the others' pages
    assert ask(guard, f"need {needs}") == [("", str(needs))]
    large = Page(b"x" * (200 << 20))
    guard.submit([Page(f"need {needs}".encode()), large])
    assert next(answer.reason for answer in guard.answers()) == ""


def test_a_large_page_before_leaves_no_more_memory_to_the_next(guard: Guard) -> None:
    too_much = "need 4200"
    assert ask(guard, too_much)[0][0] == "page_memory"
    for pages in ([Page(b"x" * (300 << 20))], ["a"], ["b"]):  # both areas are large at first, and then usual again
        ask(guard, *pages)
    assert ask(guard, too_much)[0][0] == "page_memory"
    assert ask(guard, "need 3800")[0][0] == ""


def test_details_say_what_happened(guard: Guard) -> None:
    guard.submit([Page(b"crash"), Page(b"exit"), Page(b"raise"), Page(b"loop")])
    details = [answer.detail for answer in guard.answers()]
    assert details == ["signal 11", "exit code 3", "ValueError: told to", "stopped after 0.5 s"]


@pytest.mark.parametrize("order", ["native-loop", "sleep"])
def test_a_page_that_waits_for_ever_is_stopped_by_the_wall_clock(
    order: str, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.extractors.guard.guard._MOST_WAITED", 1.0)
    assert ask(guard, "a", order, "b") == [("", "A"), ("page_timeout", ""), ("", "B")]


def test_two_batches_under_way_and_a_death_in_the_first(guard: Guard) -> None:
    guard.submit([Page(b"a"), Page(b"crash")])
    guard.submit([Page(b"b", "note"), Page(b"loop"), Page(b"c")])
    with pytest.raises(RuntimeError, match="under way"):
        guard.submit([])
    assert [answer.reason for answer in guard.answers()] == ["", "extractor_crashed"]
    guard.submit([Page(b"d")])
    assert guard.answers() == [
        Answer("note", "B"),
        Answer(reason="page_timeout", detail="stopped after 0.5 s"),
        Answer("", "C"),
    ]
    assert guard.answers() == [Answer("", "D")]


def test_a_process_killed_between_batches_is_started_again(guard: Guard) -> None:
    assert ask(guard, "a") == [("", "A")]
    assert guard._process is not None
    guard._process.kill()
    guard._process.wait()
    assert ask(guard, "b", "c") == [("", "B"), ("", "C")]


def test_pages_of_any_size_and_any_text(guard: Guard) -> None:
    large = "ä" * 5_000_000
    assert ask(guard, "x", large, "") == [("", "X"), ("", large.upper()), ("", "")]
    many = [f"página {number} \N{ROCKET}" for number in range(500)]
    assert ask(guard, *many) == [("", page.upper()) for page in many]
    assert ask(guard) == []
    assert ask(guard, "y") == [("", "Y")]


def test_answers_survive_the_pipe() -> None:
    answers = [Answer("t", "x" * 70_000), Answer(), Answer(reason="r", detail="\u2028"), Answer(text="\0")]
    assert list(parse_answers(b"".join(map(pack_answer, answers)))) == answers


def test_an_extractor_that_cannot_be_loaded_is_said() -> None:
    guard = Guard("pipeline.extractors.no_such:function")
    with pytest.raises(UserError, match="did not start: exit code 1"):
        ask(guard, "a")
    guard.close()


def test_the_process_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pipeline.extractors.guard.guard import *\n"
        "from pipeline.extractors.guard.protocol import Page\n"
        f"g = Guard({EXTRACTOR!r}); g.submit([Page(b'a')]); g.answers(); g.submit([Page(b'loop')])\n"
        "print(g._process.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        os.kill(pid, 0)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        deadline = time.monotonic() + 20
        while _runs(pid):
            assert time.monotonic() < deadline, "the process outlived its worker"
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


PAGE = "<h1>Head</h1><p>The first paragraph has a <a href=/>linked word</a> and goes on for a while, as one does.</p>"


class Sink:
    def __init__(self) -> None:
        self.drops: list[tuple[str, str, float | None]] = []

    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        self.drops.append((document.id, reason, value))


def test_documents_keep_their_order_and_are_kept_or_dropped() -> None:
    extractor = HtmlExtractor(max_characters=1_000_000)
    extractor.drops = sink = Sink()
    texts = [
        PAGE,
        "<p>",
        "x" * 1_000_001,
        "plain <b>",
        *[PAGE.replace("first", f"{number}th") for number in range(300)],
    ]
    documents = [Document(text=text, id=str(number), metadata={}) for number, text in enumerate(texts)]
    documents[3].metadata["plain_text"] = True
    kept = list(extractor.run(documents))
    assert [document.id for document in kept] == ["0", "3", *map(str, range(4, 304))]
    assert sink.drops == [("1", "empty_text", None), ("2", "page_too_large", 1_000_001)]
    assert kept[0].metadata["title"] == "Head"
    assert kept[1].text == "plain <b>"
    assert kept[1].metadata == {}
    assert "299th paragraph" in kept[-1].text


def test_whoever_stops_in_the_middle_leaves_nothing_behind() -> None:
    extractor = HtmlExtractor()
    for _ in range(2):
        stream = extractor.run(Document(text=PAGE, id=str(number)) for number in range(1000))
        assert next(stream).id == "0"
        stream.close()
    assert [document.id for document in extractor.run([Document(text=PAGE, id="last")])] == ["last"]


@pytest.mark.parametrize("backend", ["groundup", "resiliparse"])
def test_hostile_pages_of_html(backend: str) -> None:
    """Each page is kept or dropped within the budget, and the page after it is extracted."""
    extractor = HtmlExtractor(backend, budget=Budget(seconds=2.0))
    extractor.drops = sink = Sink()
    hostile = {
        "deep": "<div>" * 200_000 + "deep",
        "wide": f"<table><tr><td colspan=1000000000 rowspan=1000000000>{PAGE}</table>",
        "attributes": "<p " + "a=1 " * 300_000 + ">x",
        "open": "<a><b><i><p>" * 50_000,
        "large": "<p>x</p>" * 13_000_000,
    }
    documents = []
    for name, html in hostile.items():
        documents += [Document(text=html, id=name), Document(text=PAGE, id=f"after {name}")]
    kept = [document.id for document in extractor.run(documents)]
    assert [f"after {name}" for name in hostile] == [name for name in kept if name.startswith("after")]
    assert len(kept) + len(sink.drops) == len(documents)
    assert ("large", "page_too_large", 104_000_000.0) in sink.drops
    if backend == "resiliparse":  # its time grows with the square of the depth
        assert ("deep", "page_timeout", 2.0) in sink.drops


def test_nothing_is_left_to_compile_when_the_first_page_comes(shared_data: Path) -> None:
    """Else the first pages of a machine would pay for it out of their budget, and be dropped."""
    script = (
        "import sys, json, numba, pipeline.markup.html_backends as h\n"
        "h.groundup(h.WARM_UP)\n"
        "known = lambda: {f'{m}.{n}': len(f.signatures) for m, v in sorted(sys.modules.items())\n"
        "    if m.startswith('pipeline.markup.html') for n, f in vars(v).items()\n"
        "    if hasattr(f, 'signatures')}\n"
        "before = known()\n"
        "for page in json.load(sys.stdin): h.groundup(page.encode())\n"
        "after = known(); print([name for name in after if after[name] != before.get(name)], sum(after.values()))\n"
    )
    pages = [page.html.decode("utf-8", "replace") for page in read_web_pages(shared_data / "web" / "trafilatura", 60)]
    hostile = ["", "<p>", "<table><td>", "<pre>", "<ol><li>a<li>b", "text", "<div>" * 2000]
    run = [sys.executable, "-c", script]
    result = subprocess.run(run, input=json.dumps([*pages, *hostile]), capture_output=True, text=True, check=True)
    names, number = result.stdout.rsplit(" ", 1)
    assert names == "[]"
    assert int(number) >= 4


def test_no_room_in_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(number: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match=r"no room for 8 MB of pages in /dev/shm and .*TMPDIR"):
        Guard(EXTRACTOR)


def test_pages_move_to_temporary_files_where_shared_memory_is_full(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(guard, "a") == [("", "A")]
    fallocate = os.posix_fallocate
    calls = []

    def once_full(number: int, start: int, size: int) -> None:
        calls.append(size)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        fallocate(number, start, size)

    monkeypatch.setattr("os.posix_fallocate", once_full)
    assert ask(guard, "b" * (9 << 20), "c") == [("", "B" * (9 << 20)), ("", "C")]
    assert ask(guard, "d") == [("", "D")]
    assert len(calls) >= 2
