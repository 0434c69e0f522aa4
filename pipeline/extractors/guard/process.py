"""The other side of `pipeline.extractors.guard.guard`: the process in which pages are extracted."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import mmap
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any

from pipeline.extractors.guard import protocol
from pipeline.extractors.guard.protocol import Answer, pack_answer

_PR_SET_PDEATHSIG = 1
_MOST_DETAIL = 500

Extract = Callable[[bytes, str], tuple[Any, ...]]  # to title and text, and other columns of the document if there are


def serve(start: dict[str, Any]) -> None:
    """Answer requests until there are no more. `start` is what `Guard` sends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends this process
    _follow(start["parent"])
    progress, *areas = (_Shared(number) for number in start["areas"])
    requests = sys.stdin.buffer
    with open(start["answers"], "wb", buffering=0) as answers:
        name, _, function = start["extractor"].partition(":")
        module = importlib.import_module(name)
        extract: Extract = getattr(module, function)
        # Loads, and on a new machine compiles, all that it needs: no page pays for that out of its budget.
        extract(getattr(module, "WARM_UP", b""), "")
        _limit_memory(start["memory"], areas)
        _write(answers, protocol.READY)
        while len(request := requests.read(protocol.REQUEST.size)) == protocol.REQUEST.size:
            number, size, contents_start, contents_size = protocol.REQUEST.unpack(request)
            if areas[number].resize(size):
                _limit_memory(start["memory"], areas)
            area = areas[number].map
            notes, contents = json.loads(area[contents_start : contents_start + contents_size])
            packed = []
            for index, (position, length, note) in enumerate(contents):
                struct.pack_into("<q", progress.map, 0, index)
                packed.append(pack_answer(_answer(extract, area[position : position + length], notes[note])))
            body = b"".join(packed)
            _write(answers, struct.pack("<q", len(body)) + body)


def _answer(extract: Extract, data: bytes, note: str) -> Answer:
    try:
        title, text, *columns = extract(data, note)
    except MemoryError:
        return Answer(reason=protocol.OUT_OF_MEMORY)
    except (Exception, RecursionError) as error:  # parsers state no narrower type; every one is a drop
        return Answer(reason=protocol.FAILED, detail=f"{type(error).__name__}: {error}"[:_MOST_DETAIL])
    return Answer(title, text, columns=columns[0] if columns else {})


class _Shared:
    """A part of the memory that the guard shares."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.map = mmap.mmap(number, 0)

    def resize(self, size: int) -> bool:
        """Follow the guard's change of the file. Returns whether there was one."""
        if len(self.map) == size:
            return False
        self.map.close()
        _lift_limit()
        self.map = mmap.mmap(self._number, size)
        return True


def _write(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _limit_memory(page_bytes: int, areas: list[_Shared]) -> None:
    """Beyond it the parser gets no more memory: Python says so, and other code crashes, which the guard sees.

    page_bytes: a page's own budget. The pages around it, in areas that are larger than usual, are no part of it.
    """
    around = sum(len(area.map) - protocol.LEAST_AREA for area in areas)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already, or the system has none
        resource.setrlimit(resource.RLIMIT_AS, (page_bytes + around, hard))


def _lift_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _follow(parent: int) -> None:
    """End with the process that started this one, also when that is killed and this one hangs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)
