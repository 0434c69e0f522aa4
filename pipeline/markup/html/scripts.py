"""Kernels of the scanner for superscripts and subscripts: the mark that tells 10^2 from 102, and H_2O from H2O.

A superscript is `^2`, a subscript `_2`, in braces where it is more than one run of word characters (`^{n+1}`), a signed
number without them (`^-3`). Without a mark stay letters of ordinals and abbreviations (1st, Mme), signs (®, *),
references to notes, and the numbers of a fraction, which has a slash (3/4; 1 3/4 after a number).
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import S_DUE, S_FRACTION, S_LAST, S_OPEN, S_OUT, S_PENDING
from pipeline.markup.html.lexing import read_reference

NO_MARK, MARK, MARK_BRACES, NUMERATOR = 0, 1, 2, 3
# What is due at the end of an element: a closing brace, a line end (of a line of code that is an element).
BRACE_DUE, LINE_DUE = 1, 1 << 20
_MAX_BYTES = 400  # of a script that are looked at
_MAX_CHARACTERS = 40  # of one: what is longer is a small line of text
_OTHER, _DIGIT, _LETTER, _SIGN, _SYMBOL, _SPACE, _BRACKET = range(7)
_VARIABLES = np.zeros(128, np.bool_)  # letters that stand for a number, not for the end of a word
_VARIABLES[[ord(letter) for letter in "nxkmijpqyzNT"]] = True


@kernel
def _kind(cp: int) -> int:
    if 48 <= cp <= 57:
        return _DIGIT
    if 97 <= cp | 32 <= 122 and cp < 128:
        return _LETTER
    if cp <= 32 or cp == 0xA0 or 0x2000 <= cp <= 0x200B:
        return _SPACE
    if cp == 43 or cp == 45 or cp == 0x2212 or cp == 0x2013:  # + - and the minus and dash that stand for it
        return _SIGN
    if cp == 91:
        return _BRACKET
    if cp == 42 or 0xA2 <= cp <= 0xBF or 0x2010 <= cp <= 0x205F or 0x2100 <= cp <= 0x214F or 0x25A0 <= cp <= 0x27BF:
        return _SYMBOL  # * § © ® ° º † ‡ ™ and their like
    if cp < 0xC0 or cp == 0xD7 or cp == 0xF7 or 0x2190 <= cp <= 0x2BFF:
        return _OTHER
    return _LETTER


@kernel
def after_slash(data: np.ndarray, place: int) -> int:
    """Where what follows the slash of a fraction starts, if there is one at `place`; else -1."""
    end = data.size
    while place < end and data[place] <= 32:
        place += 1
    if place < end and data[place] == 47:
        place += 1
    elif (
        place + 2 < end
        and data[place] == 0xE2
        and (
            (data[place + 1] == 0x81 and data[place + 2] == 0x84)
            or (data[place + 1] == 0x88 and data[place + 2] == 0x95)
        )
    ):  # fraction slash, division slash
        place += 3
    elif (
        place + 6 < end
        and data[place] == 38
        and data[place + 6] == 59
        and (
            (data[place + 1] == 102 and data[place + 2] == 114 and data[place + 5] == 108)  # &frasl;
            or (data[place + 1] == 35 and data[place + 2] == 56 and data[place + 3] == 50 and data[place + 4] == 54)
        )
    ):  # &#8260;
        place += 7
    elif (
        place + 7 < end
        and data[place] == 38
        and data[place + 7] == 59
        and (data[place + 1] == 35 and data[place + 2] | 32 == 120 and data[place + 4] == 48 and data[place + 5] == 52)
    ):  # &#x2044;
        place += 8
    else:
        return -1
    while place < end and data[place] <= 32:
        place += 1
    return place


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
    data: np.ndarray,
    place: int,
    name_start: int,
    name_end: int,
    is_sup: bool,
    before: int,
    is_glued: bool,
    entity_keys: np.ndarray,
    entity_values: np.ndarray,
    entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> tuple[int, int]:
    """How a script whose content starts at `place` is marked, and of a NUMERATOR where its `<sub>` starts (0: none).

    before: the last character before it, and whether no white space stands between.
    """
    end = min(data.size, place + _MAX_BYTES)
    length = name_end - name_start
    depth = 1
    chars = digits = letters = signs = symbols = points = breaks = 0
    first = last = -1
    first_cp = 0
    is_variable = has_mark = False
    while place < end:
        byte = data[place]
        if byte == 60:
            is_end = place + 1 < end and data[place + 1] == 47
            at = place + 1 + is_end
            same = at + length < end and not 97 <= data[at + length] | 32 <= 122
            for offset in range(length):
                if not same:
                    break
                same = data[at + offset] | 32 == data[name_start + offset] | 32
            if same:
                depth += -1 if is_end else 1
                if depth == 0:
                    break
            if not is_end and at + 1 < end:
                name, following = data[at] | 32, data[at + 1]
                if name == 97 and not 97 <= following | 32 <= 122:  # a link: a reference
                    return (NO_MARK, 0) if is_sup else (MARK_BRACES, 0)
                if name == 105 and not 97 <= following | 32 <= 122:  # <i>
                    is_variable = True
                elif name == 115 and following | 32 == 117:  # <sup>, <sub>
                    has_mark = True
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
        kind = _kind(cp)
        if kind == _SPACE:
            breaks += chars > 0
            continue
        if first < 0:
            first, first_cp = kind, cp
        last = kind
        chars += 1
        digits += kind == _DIGIT
        letters += kind == _LETTER
        signs += kind == _SIGN
        symbols += kind == _SYMBOL
        points += cp == 46 or cp == 58 or cp == 44
        if breaks == 1 and last != _SPACE:
            breaks = 2  # white space inside, not at the end
    if place >= end or chars == 0 or chars > _MAX_CHARACTERS:
        return NO_MARK, 0
    while place < data.size and data[place] != 62:
        place += 1
    place += 1  # behind the end tag
    before_kind = _kind(before)
    if is_sup:
        slash = after_slash(data, place) if digits or letters else -1
        if slash >= 0:
            if starts_tag(data, slash, 115, 117, 98):
                return NUMERATOR, slash
            if digits == chars and slash < data.size and 48 <= data[slash] <= 57:
                return NUMERATOR, 0
        if first == _BRACKET or symbols == chars:
            return NO_MARK, 0
        if is_glued and digits == chars and before_kind == _SYMBOL:
            return NO_MARK, 0  # after a quotation mark: a note
        if is_glued and digits and not letters and before in (33, 34, 39, 44, 46, 58, 59, 63):  # ! " ' , . : ; ?
            return NO_MARK, 0
        is_word = letters == chars or (letters > 1 and letters + points == chars)  # 1st, Mme, N.os
        if is_word and is_glued and before_kind in (_LETTER, _DIGIT) and not has_mark:
            is_variable = is_variable or (chars == 1 and first_cp < 128 and _VARIABLES[first_cp])
            if not is_variable:
                return NO_MARK, 0
    elif before == 47 or before == 0x2044:
        return NO_MARK, 0  # the denominator of a fraction
    if digits == 0 and not has_mark and (not is_glued or breaks > 1):
        return NO_MARK, 0  # words in small letters
    words = digits + letters
    if has_mark or breaks > 1:
        return MARK_BRACES, 0
    if words == chars or (first == _SIGN and digits == chars - 1) or chars == 1:
        follows = place < data.size and 48 <= data[place] <= 57 and last == _DIGIT
        return (MARK_BRACES if follows else MARK), 0
    return MARK_BRACES, 0


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
    data: np.ndarray,
    i: int,
    tag_start: int,
    name_start: int,
    name_end: int,
    is_sup: bool,
    state: np.ndarray,
    text: np.ndarray,
    entity_keys: np.ndarray,
    entity_values: np.ndarray,
    entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> int:
    """Write what stands before a superscript or subscript in the open block; returns what is due at its end."""
    if state[S_FRACTION] > 0 and state[S_FRACTION] == tag_start:
        state[S_FRACTION] = 0
        return 0
    is_glued = state[S_PENDING] == 0
    mark, denominator = script_mark(
        data, i, name_start, name_end, is_sup, state[S_LAST], is_glued,
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
