"""Compiled code that leaves its arrays is caught where `GROUNDUP_CHECK_MEMORY=1`."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.compiled.folder import MEMORY_IS_CHECKED
from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.sketch import Sketcher
from pipeline.filters.rules import judge
from pipeline.filters.settings import FilterSettings
from pipeline.filters.text import measurer
from tests.conftest import REPOSITORY

_OVERRUNS = """
import numba, numpy as np
from pipeline.compiled.memory import by_address, put32, put64, u32, u64
from pipeline.compiled.views import view

read32 = numba.njit(lambda address, index: u32(address, index))
read64 = numba.njit(lambda address, index: u64(address, index))
write32 = numba.njit(lambda address, index: put32(address, index, 5))
write64 = numba.njit(lambda address, index: put64(address, index, np.uint64(5)))
seen = numba.njit(lambda array, index: view(array)[index])

def is_caught(function, where, index):
    try:
        function(where, index)
    except IndexError:
        return True
    return False

for length in (1, 6, 1024, 4096):
    array = by_address(np.arange(length))
    assert array.tolist() == list(range(length))
    at = array.ctypes.data
    for function, number in ((read32, length), (write32, length), (read64, length // 2), (write64, length // 2)):
        for index in range(number):
            assert not is_caught(function, at, index), (function, index)
        for index in (-1, number, number + 1, 2 * number + 5, 1 << 40):
            assert is_caught(function, at, index), (function, length, index)
    assert is_caught(seen, array, length)
    assert seen(array, length - 1) == array[-1]
assert is_caught(read32, np.arange(64, dtype=np.uint32)[32:].ctypes.data, 0)  # nobody knows how large it is
"""


def test_one_element_outside_is_caught() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GROUNDUP_CHECK_MEMORY": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", _OVERRUNS], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["words", "lines", "ids", "entries", "places", "parts", "slots", "left", "counts"])
def test_memory_that_is_too_small_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some text fills more than an eighth of each piece of the measurer's memory, so an eighth is too little."""
    if not MEMORY_IS_CHECKED:
        pytest.skip("memory is not checked: make test-slow runs this with GROUNDUP_CHECK_MEMORY=1")
    texts = ["a b " * 500, "\n\n".join("ab"[n % 2] for n in range(500)), " ".join(f"w{n}" for n in range(900))]
    _judge_all(texts)
    prepare = measurer._Memory.prepare

    def prepared(self: measurer._Memory, num_words: int) -> None:
        prepare(self, num_words)
        setattr(self, name, measurer.Table.of_length(len(getattr(self, name).array) // 8))

    monkeypatch.setattr(measurer._Memory, "prepare", prepared)
    with pytest.raises(IndexError, match="outside its array"):
        _judge_all(texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_states", "_ngrams", "_offsets", "_fine_offsets"])
def test_memory_of_signatures_that_is_too_small_is_caught(name: str) -> None:
    if not MEMORY_IS_CHECKED:
        pytest.skip("memory is not checked: make test-slow runs this with GROUNDUP_CHECK_MEMORY=1")
    sketcher = Sketcher(MinHashSettings())
    sketcher.sketches(["a b c d e f g " * 10])
    whole = getattr(sketcher, name)
    setattr(sketcher, name, np.ascontiguousarray(whole[..., : 4 if whole.size < 100 else 20]))
    with pytest.raises(IndexError):
        sketcher.sketches(["a b c d e f g " * 10])


@pytest.mark.slow
@pytest.mark.parametrize("text", [".", ". .", ".a", "-", "a", "...", "a.b@c", "'s", "\n.", "x" * 300 + "."])
def test_short_texts_do_not_leave_their_memory(text: str) -> None:
    """The address of a host was looked for before the first character of a text that begins with a full stop."""
    if not MEMORY_IS_CHECKED:
        pytest.skip("memory is not checked: make test-slow runs this with GROUNDUP_CHECK_MEMORY=1")
    for language in ("en", "de", "fr", "zh"):
        judge(text, language, FilterSettings())


def _judge_all(texts: list[str]) -> None:
    for text in texts:
        judge(text, "en", FilterSettings())
