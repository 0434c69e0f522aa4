"""Kernels of the scanner for superscripts and subscripts: their marks (`markup/scripts.py`), and fractions.

The numbers of a fraction have no mark but its slash (3/4; 1 3/4 after a number).
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup import scripts
from pipeline.markup.html.layout import S_DUE, S_FRACTION, S_LAST, S_OPEN, S_OUT, S_PENDING
from pipeline.markup.html.lexing import change_of_depth, find_byte, read_reference
from pipeline.markup.scripts import DIGIT, LETTER, MARK, MARK_BRACES, NO_MARK, SIGN, SPACE, SYMBOL

NUMERATOR = 3
# What is due at the end of an element: a closing brace, a line end (of a line of code that is an element).
BRACE_DUE, LINE_DUE = 1, 1 << 20
_MAX_BYTES = 400  # of a script that are looked at
_MAX_TAGS = 4  # between a number and the slash of its fraction

_kind_of, _mark_of = kernel(scripts.kind_of), kernel(scripts.mark_of)


@kernel
def _after_space(
    data: np.ndarray, place: int, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """The first character from `place` on that is no white space (`<` for a tag that is no wrapper), where it and what
    follows it are. Wrappers, `<span>`, `<small>` and `<font>`, are gone past."""
    end = data.size
    tags = 0
    while place < end:
        byte = data[place]
        start = place
        if byte == 60 and place + 2 < end and tags < _MAX_TAGS:
            at = place + 1 + (data[place + 1] == 47)
            name, following = data[at] | 32, data[min(at + 1, end - 1)] | 32
            # sp(an), sm(all), fo(nt)
            if not ((name == 115 and following in (112, 109)) or (name == 102 and following == 111)):
                return 60, start, place + 1
            place = find_byte(data, place, 62) + 1
            tags += 1
            continue
        cp = np.int64(byte)
        if byte == 38:
            cp, _, place = read_reference(data, place, entity_keys, entity_values, entity_characters, low_characters)
        elif byte >= 224 and byte < 240 and place + 2 < end:
            cp = (cp & 15) << 12 | (np.int64(data[place + 1]) & 63) << 6 | np.int64(data[place + 2]) & 63
            place += 3
        elif byte >= 192 and place + 1 < end:
            cp = (cp & 31) << 6 | np.int64(data[place + 1]) & 63
            place += 2
        else:
            place += 1
        if _kind_of(cp) != SPACE:
            return int(cp), start, place
    return 0, end, end


@kernel
def after_slash(
    data: np.ndarray, place: int, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> int:  # fmt: skip
    """Where what follows the slash of a fraction starts, if there is one at `place`; else -1."""
    cp, _, place = _after_space(data, place, entity_keys, entity_values, entity_characters, low_characters)
    if cp != 47 and cp != 0x2044 and cp != 0x2215:
        return -1
    return int(_after_space(data, place, entity_keys, entity_values, entity_characters, low_characters)[1])


@kernel
def starts_tag(data: np.ndarray, place: int, first: int, second: int, third: int) -> bool:
    """Whether the start tag of three letters stands at `place`."""
    return bool(
        place + 4 < data.size
        and data[place] == 60
        and data[place + 1] | 32 == first
        and data[place + 2] | 32 == second
        and data[place + 3] | 32 == third
        and not 97 <= data[place + 4] | 32 <= 122
    )


@kernel
def script_mark(
    data: np.ndarray, place: int, name_start: int, name_end: int, is_sup: bool, before: int, is_glued: bool,
    is_behind_digit: bool, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """The mark of a superscript or subscript, and the place of the `<sub>` that follows a NUMERATOR (0: none).

    place: where its content starts. before: the last character before it. is_glued: no white space stands between the
    two. is_behind_digit: a digit stands before `before`.
    """
    end = min(data.size, place + _MAX_BYTES)
    depth = 1
    chars = digits = letters = signs = symbols = points = breaks = 0
    first = last = -1
    first_cp = 0
    is_variable = is_nested = is_link = is_parted = False
    while place < end:
        byte = data[place]
        if byte == 60:
            is_end = place + 1 < end and data[place + 1] == 47
            at = place + 1 + is_end
            depth += change_of_depth(data, place, end, name_start, name_end)
            if depth == 0:
                break
            if not is_end and at + 1 < end:
                name, following = data[at] | 32, data[at + 1]
                is_short = not 97 <= following | 32 <= 122
                is_link = is_link or (name == 97 and is_short)
                if (
                    (name == 105 and is_short)  # <i>
                    or (name == 101 and following | 32 == 109)  # <em>
                    or (name == 118 and following | 32 == 97)  # <var>
                ):
                    is_variable = True
                elif name == 115 and following | 32 == 117:  # <sup>, <sub>
                    is_nested = True
            while place < end and data[place] != 62:
                place += 1
            place += 1
            continue
        if byte == 38:
            cp, _, place = read_reference(data, place, entity_keys, entity_values, entity_characters, low_characters)
        elif byte < 128:
            cp = np.int64(byte)
            place += 1
        else:
            size = 2 if byte < 224 else 3 if byte < 240 else 4
            if place + size > end:
                return NO_MARK, 0
            cp = np.int64(byte) & (0xFF >> (size + 1))
            for offset in range(1, size):
                cp = cp << 6 | np.int64(data[place + offset]) & 63
            place += size
        kind = _kind_of(cp)
        if kind == SPACE:
            breaks += chars > 0
            continue
        if first < 0:
            first, first_cp = kind, cp
        last = kind
        chars += 1
        digits += kind == DIGIT
        letters += kind == LETTER
        signs += kind == SIGN
        symbols += kind == SYMBOL
        points += cp == 46 or cp == 58 or cp == 44
        is_parted = is_parted or breaks > 0
    if place >= end:  # nothing closes it
        chars = scripts.MAX_CHARACTERS + 1
    place = find_byte(data, place, 62) + 1  # behind the end tag
    if is_sup and (digits or letters) and chars <= scripts.MAX_CHARACTERS:
        slash = after_slash(data, place, entity_keys, entity_values, entity_characters, low_characters)
        if slash >= 0:
            if starts_tag(data, slash, 115, 117, 98):
                return NUMERATOR, slash
            if digits == chars and slash < data.size and 48 <= data[slash] <= 57:
                return NUMERATOR, 0
    is_before_digit = place < data.size and 48 <= data[place] <= 57
    return _mark_of(
        is_sup, before, _kind_of(before), is_glued, is_behind_digit, is_variable, is_link, is_nested, is_parted,
        chars, digits, letters, signs, symbols, points, first_cp, first, last, is_before_digit,
    ), 0  # fmt: skip


@kernel
def write_script(byte: int, state: np.ndarray, text: np.ndarray) -> None:
    """Write a mark of a superscript, subscript or fraction into the open block, after the white space that is due."""
    out = state[S_OUT]
    if state[S_OPEN] == 0 or out + 8 >= text.size:
        return
    if state[S_PENDING] and byte != 125:  # white space before a closing brace is that after it
        text[out] = 32
        out += 1
        state[S_PENDING] = 0
    text[out] = byte
    state[S_OUT] = out + 1


@kernel
def write_line_end(state: np.ndarray, text: np.ndarray) -> None:
    """End the line of code that is open, if it holds anything."""
    if state[S_OPEN] and state[S_OUT] + 8 < text.size and text[state[S_OUT] - 1] != 10:
        text[state[S_OUT]] = 10
        state[S_OUT] += 1
        state[S_PENDING] = 0


@kernel
def write_due(state: np.ndarray, text: np.ndarray) -> None:
    """Write what is due at the ends of elements that were closed."""
    due = state[S_DUE]
    state[S_DUE] = 0
    for _ in range(due & (LINE_DUE - 1)):
        write_script(125, state, text)  # }
    if due >= LINE_DUE:
        write_line_end(state, text)


@kernel
def begin_script(
    data: np.ndarray, i: int, tag_start: int, name_start: int, name_end: int, is_sup: bool, state: np.ndarray,
    text: np.ndarray, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> int:  # fmt: skip
    """Write what stands before a superscript or subscript in the open block; returns what is due at its end."""
    if state[S_FRACTION] > 0 and state[S_FRACTION] == tag_start:
        state[S_FRACTION] = 0
        return 0
    is_glued = state[S_PENDING] == 0
    is_behind_digit = state[S_OPEN] != 0 and state[S_OUT] > 1 and 48 <= text[state[S_OUT] - 2] <= 57
    mark, denominator = script_mark(
        data, i, name_start, name_end, is_sup, state[S_LAST], is_glued, is_behind_digit,
        entity_keys, entity_values, entity_characters, low_characters,
    )  # fmt: skip
    state[S_FRACTION] = denominator
    if mark == NUMERATOR and is_glued and 48 <= state[S_LAST] <= 57:
        write_script(32, state, text)
    elif mark in (MARK, MARK_BRACES) and state[S_OPEN]:
        write_script(94 if is_sup else 95, state, text)  # ^ _
        if mark == MARK_BRACES:
            write_script(123, state, text)  # {
            return BRACE_DUE
    return 0
