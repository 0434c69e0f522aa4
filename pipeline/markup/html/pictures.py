"""Kernels of the scanner for pictures and scripts: whether one may be a formula, which `formulas/find.py` finds out."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel

# What addresses and classes of pictures of formulas hold, in small letters, up to eight of them: a row each, those of
# addresses first. `cht=tx` is a chart of Google's, `h/render` a picture of Wikimedia's.
_IN_ADDRESSES = (
    *(b"codecogs", b"latex.p", b"latex?", b"tex.cgi", b"tex.exe", b"tex.php", b"tex?", b"cht=tx", b"h/render"),
    *(b"?tex=", b"?math=", b"upmath"),
)
_OF_FORMULAS = np.array(
    [list(word.ljust(9, b"\0")) for word in (*_IN_ADDRESSES, b"math", b"formula", b"equation", b"ql-", b"latex")],
    np.uint8,
)
_NUM_IN_ADDRESSES = len(_IN_ADDRESSES)
_BEGINS_ADDRESS = np.zeros(256, np.bool_)
for _word in _IN_ADDRESSES:
    _BEGINS_ADDRESS[[_word[0], _word.upper()[0]]] = True


@kernel
def _holds(data: np.ndarray, place: int, end: int, first: int, stop: int) -> bool:
    """Whether one of the rows `first` to `stop` of _OF_FORMULAS stands at `place`."""
    for word in range(first, stop):
        size = 0
        while (
            _OF_FORMULAS[word, size] and place + size < end and data[place + size] | 32 == _OF_FORMULAS[word, size] | 32
        ):
            size += 1
        if _OF_FORMULAS[word, size] == 0:
            return True
    return False


@kernel
def alt_is_formula(data: np.ndarray, start: int, end: int) -> bool:
    """Whether the alternative text of a picture may be TeX: `$x$`, `\\(x\\)`, `{\\displaystyle x}`."""
    while end > start and data[end - 1] <= 32:
        end -= 1
    while start < end and data[start] <= 32:
        start += 1
    if end - start < 3:
        return False
    return bool(
        data[start] == 92
        or (data[start] == 36 and data[end - 1] == 36)
        or (data[start] == 123 and data[start + 1] == 92)
    )


@kernel
def class_is_formula(data: np.ndarray, start: int, end: int) -> bool:
    """Whether the class of a picture may say that it is a formula: `latex`, `tex`, `mwe-math-fallback-image`."""
    for place in range(start, end - 2):
        if _holds(data, place, end, _NUM_IN_ADDRESSES, _OF_FORMULAS.shape[0]):
            return True
        is_first = place == start or data[place - 1] <= 32
        is_tex = data[place] | 32 == 116 and data[place + 1] | 32 == 101 and data[place + 2] | 32 == 120
        # tex, tex-formula, texrender
        if is_first and is_tex and (place + 3 >= end or data[place + 3] <= 45 or data[place + 3] | 32 == 114):
            return True
    return False


@kernel
def address_is_formula(data: np.ndarray, start: int, end: int) -> bool:
    """Whether the address of a picture may be that of a program that draws TeX."""
    place = start
    while place < end and not (_BEGINS_ADDRESS[data[place]] and _holds(data, place, end, 0, _NUM_IN_ADDRESSES)):
        place += 1
    return place < end


@kernel
def type_is_formula(data: np.ndarray, start: int, end: int) -> bool:
    """Whether the type of a script is `math/…`."""
    return bool(end - start > 5 and data[start] | 32 == 109 and data[start + 1] | 32 == 97 and data[start + 4] == 47)
