"""The guard: runs an extractor in a process of its own, so that no page can hold up, exhaust or kill a worker.

A page that takes more processor time or memory than its budget, or that brings the parser down, becomes an answer like
any other; the process is started again and goes on with the page after it. Memory and crashes only count of a page that
is the first of a new process, so that no page before it has a part in that. Pages travel through shared memory and in
batches, and the next batch is read while the last is extracted, so the price is a few hundredths of a page's time.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import mmap
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from manifests.errors import UserError
from pipeline.extractors.guard import process as guard_process
from pipeline.extractors.guard import protocol
from pipeline.extractors.guard.protocol import Answer, Page

BATCH_BYTES = protocol.LEAST_AREA // 2
BATCH_PAGES = 64
# A process that waits for something (a full disk, a stopped machine) uses no processor time: these limits are for it.
_MOST_WAITED = 30.0  # times the budget, in seconds of the wall clock
_START_SECONDS = 900.0  # to load, and on a new machine to compile
_LOOKS = 20  # at the clock, for each budget
_SHARED = Path("/dev/shm")


@dataclass(frozen=True)
class Budget:
    """The budget of one page: seconds of processor time, bytes of memory of the whole process."""

    seconds: float = 10.0
    memory_bytes: int = 4 << 30


class _Gone(Exception):
    """The process ended, or was ended, while it had a page: reason and detail of the drop."""


class _Area:
    """Shared memory that both processes see: a file without a name, mapped. Raises `UserError` where there is no room.

    It is in memory where that has room, else among temporary files. Room is taken before it is written to: a page of a
    mapped file that turns out to have none would end this process.
    """

    def __init__(self, size: int) -> None:
        self._file = _new_file(size)
        self.size = size
        self.map = mmap.mmap(self.fileno, size)

    @property
    def fileno(self) -> int:
        return self._file.fileno()

    def resize(self, size: int) -> bool:
        """Returns whether it is another file now; else the other process maps it anew when told of another size."""
        self.map.close()
        moved = False
        try:
            self._file.truncate(size)
            os.posix_fallocate(self.fileno, 0, size)
        except OSError:
            self._file.close()
            self._file = _new_file(size)
            moved = True
        self.map = mmap.mmap(self.fileno, size)
        self.size = size
        return moved

    def close(self) -> None:
        self.map.close()
        self._file.close()


def _new_file(size: int) -> IO[bytes]:
    for folder in ([str(_SHARED)] if os.access(_SHARED, os.W_OK) else []) + [tempfile.gettempdir()]:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the area
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            file.close()
            failure = error
        else:
            return file
    raise UserError(
        f"extract: no room for {size >> 20} MB of pages in {_SHARED} and {tempfile.gettempdir()}: {failure.strerror}. "
        "Free some, or set TMPDIR to a folder with room."
    )


@dataclass
class _Batch:
    pages: list[Page]
    answers: list[Answer | None] = field(default_factory=list)
    area: int = 0  # which of the areas it lies in
    suspects: list[int] = field(default_factory=list)  # numbers of pages to be tried again, each in a new process

    def __post_init__(self) -> None:
        self.answers = [None] * len(self.pages)

    @property
    def asked(self) -> list[int]:
        """Numbers of the pages to be extracted next: those without an answer but the suspects, then one suspect."""
        open_ = [number for number, answer in enumerate(self.answers) if answer is None]
        return [number for number in open_ if number not in self.suspects] or open_[:1]

    @property
    def is_alone(self) -> bool:
        """True where the page to be extracted next is a suspect."""
        return any(number in self.suspects for number in self.asked)

    def contents(self) -> bytes:
        """The place of each page that is asked for in the area, and its note, as `guard_process` reads it."""
        asked = self.asked
        notes = {note: place for place, note in enumerate(dict.fromkeys(self.pages[number].note for number in asked))}
        starts = [0, *itertools.accumulate(len(page.data) for page in self.pages)]
        rows = [(starts[number], len(self.pages[number].data), notes[self.pages[number].note]) for number in asked]
        return json.dumps([list(notes), rows]).encode()


class Guard:
    """One process that runs one extractor, started when first needed. Not for two threads at a time.

    extractor: `module:function`, which takes a page's bytes and note and returns its title and text, and where it
    knows more, a dict of other columns of the document.
    `submit` gives batches and `answers` takes their answers, in the same order; with two batches under way the process
    never waits for this one. Raises `UserError` where the process does not start or there is no room for pages.
    """

    def __init__(self, extractor: str, budget: Budget | None = None) -> None:
        self.extractor = extractor
        self.budget = budget or Budget()
        self.num_started = 0
        self._is_new = False  # whether the process that runs has not answered anything yet
        self._process: subprocess.Popen[bytes] | None = None
        self._areas = [_Area(protocol.LEAST_AREA), _Area(protocol.LEAST_AREA)]
        self._progress = _Area(mmap.PAGESIZE)
        self._waiting: deque[_Batch] = deque()
        self._next_area = 0

    def submit(self, pages: list[Page]) -> None:
        """Hand over a batch. At most two may be under way: take the answers of the first before the third."""
        if len(self._waiting) == len(self._areas):
            raise RuntimeError("two batches are under way already")
        batch = _Batch(pages, area=self._next_area)
        self._next_area = 1 - self._next_area
        self._lay_out(batch)
        self._waiting.append(batch)
        if self._process is not None:
            try:
                self._send(batch)
            except BrokenPipeError:
                self._stop()  # `answers` starts it again and finds out which page it was

    @property
    def process_id(self) -> int:
        """Of the process that runs now; 0 where none does."""
        return self._process.pid if self._process else 0

    def answers(self) -> list[Answer]:
        """The answers of the oldest batch, one for each of its pages."""
        batch = self._waiting[0]
        while batch.asked:
            if batch.is_alone and not self._is_new:
                self._stop()
            self.start()
            try:
                self._receive(batch)
            except _Gone as gone:  # the page that it died with is to blame
                asked = batch.asked
                number = asked[min(max(self._at_page(), 0), len(asked) - 1)]
                self._stop()
                reason, detail = gone.args
                self._judge(batch, number, Answer(reason=reason, detail=detail))
        self._waiting.popleft()
        return [answer for answer in batch.answers if answer is not None]

    def forget(self) -> None:
        """Let go of batches whose answers nobody will take."""
        if self._waiting:
            self._stop()
            self._waiting.clear()

    @staticmethod
    def _judge(batch: _Batch, number: int, answer: Answer) -> None:
        """Take an answer, unless it may not be the page's doing: pages before it leave memory behind, and a process may
        be killed. Then the page is tried once more, as the first of a new process.
        """
        if answer.reason in (protocol.CRASHED, protocol.OUT_OF_MEMORY) and number not in batch.suspects:
            batch.suspects.append(number)
        else:
            batch.answers[number] = answer

    def start(self) -> None:
        """Start the process where it does not run, wait until it has loaded, and hand it what is under way."""
        if self._process is not None:
            return
        areas = [self._progress.fileno, *(area.fileno for area in self._areas)]
        answer_from, answer_to = os.pipe()
        start = {"path": sys.path, "areas": areas, "answers": answer_to, "memory": self.budget.memory_bytes}
        start |= {"extractor": self.extractor, "parent": os.getpid()}
        code = "import json,sys; s=json.loads(sys.argv[1]); sys.path[:]=s['path']; "
        code += f"from {guard_process.__name__} import serve; serve(s)"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # what a library prints is nobody's answer
            pass_fds=[*areas, answer_to],
        )
        os.close(answer_to)
        self._answers = open(answer_from, "rb", buffering=0)  # noqa: SIM115 - closed in `_stop`
        self.num_started += 1
        self._is_new = True
        try:
            struct.pack_into("<q", self._progress.map, 0, protocol.LOADING)
            if self._read(1, loading=True) != protocol.READY:
                raise _Gone(protocol.CRASHED, "no sign of life")
        except _Gone as gone:
            self._stop()
            raise UserError(
                f"extract: the process that extracts pages ({self.extractor}) did not start: {gone.args[1]}. What it "
                "printed says why; extract.page_memory_megabytes may be too small for it."
            ) from None
        with contextlib.suppress(BrokenPipeError):  # `_receive` will see its end
            for batch in self._waiting:
                self._send(batch)

    def _lay_out(self, batch: _Batch) -> None:
        """Copy a batch's pages into its area."""
        area = self._areas[batch.area]
        size = sum(len(page.data) for page in batch.pages) + len(batch.contents())
        moved = False
        if size > area.size:
            moved = area.resize(size + (size >> 2))
        elif area.size > protocol.LEAST_AREA >= size:
            moved = area.resize(protocol.LEAST_AREA)
        if moved:
            self._stop()  # it knows the old file; `answers` starts it again
        position = 0
        for page in batch.pages:
            area.map[position : position + len(page.data)] = page.data
            position += len(page.data)

    def _send(self, batch: _Batch) -> None:
        """Tell the process which pages of a batch to extract: a few bytes, which a full pipe never holds up."""
        if not batch.asked:
            return  # nobody would take an answer
        assert self._process is not None
        assert self._process.stdin is not None
        area = self._areas[batch.area]
        start = sum(len(page.data) for page in batch.pages)
        contents = batch.contents()
        area.map[start : start + len(contents)] = contents
        self._process.stdin.write(protocol.REQUEST.pack(batch.area, area.size, start, len(contents)))
        self._process.stdin.flush()

    def _receive(self, batch: _Batch) -> None:
        """Wait for the answers to the open pages of the oldest batch. Raises `_Gone`."""
        numbers = batch.asked
        (size,) = struct.unpack("<q", self._read(8))
        for number, answer in zip(numbers, protocol.parse_answers(self._read(size)), strict=True):
            self._judge(batch, number, answer)
        self._is_new = False

    def _read(self, size: int, loading: bool = False) -> bytes:
        """`size` bytes of the process's answers, looking at the clock meanwhile. Raises `_Gone`."""
        assert self._process is not None
        chunks = bytearray()
        clock = _Clock(self._process.pid)
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while len(chunks) < size:
            ready = poll.poll(1000 * self.budget.seconds / _LOOKS)
            if ready:
                chunk = self._answers.read(size - len(chunks))
                if not chunk:
                    code = self._process.wait()
                    raise _Gone(protocol.CRASHED, f"signal {-code}" if code < 0 else f"exit code {code}")
                chunks += chunk
                continue
            used, waited = clock.spent(self._at_page())
            if loading:
                if waited > _START_SECONDS:
                    raise _Gone(protocol.TIMED_OUT, f"not loaded after {_START_SECONDS:.0f} s")
            elif used > self.budget.seconds or waited > _MOST_WAITED * self.budget.seconds:
                self._process.kill()
                raise _Gone(protocol.TIMED_OUT, f"stopped after {self.budget.seconds:g} s")
        return bytes(chunks)

    def _at_page(self) -> int:
        return int(struct.unpack_from("<q", self._progress.map)[0])

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._answers.close()
        self._process = None

    def close(self) -> None:
        """End the process and give the memory back."""
        self._stop()
        for area in (*self._areas, self._progress):
            area.close()


class _Clock:
    """The time that the process has been at one page, by its processor clock and by the wall's."""

    def __init__(self, pid: int) -> None:
        self._clock = (~pid << 3) | 2  # Linux: the processor clock of another process
        self._page: int | None = None
        self._since = 0.0, 0.0

    def spent(self, page: int) -> tuple[float, float]:
        """Seconds at a page by each, from when it was first asked for."""
        wall = time.monotonic()
        try:
            used = time.clock_gettime(self._clock)
        except OSError:  # it has just ended, or this system has no such clock: the wall's must do
            used = wall
        if page != self._page:
            self._page, self._since = page, (used, wall)
        return used - self._since[0], wall - self._since[1]


_guards: dict[tuple[str, Budget], Guard] = {}


def guard_for(extractor: str, budget: Budget) -> Guard:
    """This process's guard for an extractor. It is kept for the tasks that follow."""
    key = (extractor, budget)
    if key not in _guards:
        if not _guards:
            atexit.register(close_guards)
        _guards[key] = Guard(extractor, budget)
    return _guards[key]


def close_guards() -> None:
    """End every process that extracts for this one."""
    while _guards:
        _guards.popitem()[1].close()
