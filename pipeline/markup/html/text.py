"""Kernels of the scanner for text: characters between tags to clean text and counts of a block."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.columns import spaceless_ranges
from pipeline.markup.html import layout as L
from pipeline.markup.html.lexing import find_byte, find_value, read_reference
from pipeline.markup.html.tables import FNV_OFFSET, FNV_PRIME

_SPACELESS = np.array(spaceless_ranges(), np.int64)
_SPACELESS_FIRST, _SPACELESS_LAST = _SPACELESS[:, 0].copy(), _SPACELESS[:, 1].copy()


@kernel
def end_block(
    blocks: np.ndarray, state: np.ndarray, text: np.ndarray, text_keys: np.ndarray, text_values: np.ndarray
) -> None:
    """End the open block: its hash, its last sentence, the known words in it."""
    count, end = state[L.S_BLOCKS], state[L.S_OUT]
    state[L.S_BLOCKS] = count + 1
    state[L.S_OPEN] = 0
    start = np.int64(blocks[count, L.B_START])
    while end > start and text[end - 1] <= 32:
        end -= 1
    blocks[count, L.B_END] = end
    whole = word = FNV_OFFSET
    letters = found = 0
    for place in range(start, end):
        byte = np.int64(text[place])
        if byte >= 128 or 97 <= byte | 32 <= 122 or 48 <= byte <= 57:
            if 65 <= byte <= 90:
                byte |= 32
            word = (word ^ np.uint64(byte)) * FNV_PRIME
            letters += 1
        elif letters:
            bit = find_value(text_keys, text_values, word)
            if bit >= 0:
                found |= 1 << bit
            whole = (whole ^ word) * FNV_PRIME
            word = FNV_OFFSET
            letters = 0
    bit = find_value(text_keys, text_values, word)
    if bit >= 0:
        found |= 1 << bit
    whole = (whole ^ word) * FNV_PRIME
    blocks[count, L.B_HASH] = np.int64(whole >> np.uint64(33))
    blocks[count, L.B_TEXT_WORDS] = found
    last = blocks[count, L.B_LAST]
    if last == 46 or last == 33 or last == 63:
        blocks[count, L.B_ENDS] += 1


@kernel
def _begin_block(blocks: np.ndarray, state: np.ndarray, stack: np.ndarray, out: int, first: int) -> None:
    """Begin a block with the character `first`."""
    count, depth, link = state[L.S_BLOCKS], state[L.S_DEPTH], state[L.S_LINK]
    blocks[count, :] = 0
    blocks[count, L.B_START] = out
    place = stack[depth, 3] if depth else -1
    blocks[count, L.B_NODE] = stack[place, 0] if place > 0 else 0
    blocks[count, L.B_INNER] = link if link >= 0 else state[L.S_CURRENT]
    blocks[count, L.B_BREAKS] = state[L.S_BREAKS]
    blocks[count, L.B_FIRST] = first
    blocks[count, L.B_IMAGES] = state[L.S_IMAGES]
    blocks[count, L.B_LINKS] = link >= 0
    state[L.S_BREAKS] = state[L.S_IMAGES] = 0
    state[L.S_OPEN] = 1


@kernel
def is_unseen(cp: int, is_inside: bool) -> bool:
    """Whether a character of General Punctuation has no shape: joiners count as text inside a block only."""
    if cp == 0x200B or cp == 0x200E or cp == 0x200F or 0x202A <= cp <= 0x202E or cp >= 0x2060:
        return True
    return (cp == 0x200C or cp == 0x200D) and not is_inside


@kernel
def is_spaceless(cp: int) -> bool:
    """Whether a line end beside a character may be nothing: see `pipeline.markup.columns`."""
    if cp < 0x1100:
        return False
    low, high = 0, _SPACELESS_FIRST.size
    while low < high:
        middle = (low + high) >> 1
        if _SPACELESS_LAST[middle] < cp:
            low = middle + 1
        else:
            high = middle
    return bool(low < _SPACELESS_FIRST.size and _SPACELESS_FIRST[low] <= cp)


@kernel
def _is_of_word(cp: int) -> bool:
    return bool(cp >= 0xAA or 48 <= cp <= 57 or 97 <= cp | 32 <= 122)


@kernel
def _is_space(pending: int, last: int, cp: int) -> bool:
    """Whether white space between two characters is shown: a line end is none between East Asian characters (CSS)."""
    if pending == L.BOX_EDGE:
        return bool(_is_of_word(last) and _is_of_word(cp))
    if pending & L.FIXED_SPACE or not pending & L.LINE_END:
        return pending & (L.SPACE | L.FIXED_SPACE | L.LINE_END) != 0
    return not (pending & L.BESIDE_BREAK or (is_spaceless(last) and is_spaceless(cp)))


@kernel
def read_text(
    data: np.ndarray, i: int, state: np.ndarray, text: np.ndarray, blocks: np.ndarray, stack: np.ndarray,
    entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray, low_characters: np.ndarray,
) -> int:  # fmt: skip
    """Read characters up to the next `<`, and at least one; returns where it stopped.

    `blocks` must have room for one block more, `text` for a quarter more than the bytes of the page. Before a block is
    open, the columns of S_GAP stand at the end of `text`: they are part of the block only where it is preformatted.
    """
    end = data.size
    flags = state[L.S_FLAGS]
    if flags & L.IN_SKIP or state[L.S_LINK_SKIP]:
        return int(find_byte(data, i + 1, 60))
    is_pre = flags & (L.IN_PRE | L.SPACES_SHOWN) != 0
    is_code = flags & L.IN_CODE != 0
    is_prose = flags & L.LINES_SHOWN != 0 and flags & (L.IN_PRE | L.IN_CODE) == 0
    is_margin = False
    out = state[L.S_OUT]
    is_open = state[L.S_OPEN] != 0
    pending = state[L.S_PENDING]
    gap = state[L.S_GAP]
    last = state[L.S_LAST]
    chars = spaces = letters = commas = ends = digits = upper = signs = cjk = 0
    second = 0
    begun = i
    limit = text.size - 8
    while (i < end or second) and out < limit:
        if second:
            cp = np.int64(second)
            second = 0
        else:
            byte = np.int64(data[i])
            if byte < 128:
                if byte == 38:
                    cp, second, i = read_reference(  # type: ignore[assignment]
                        data, i, entity_keys, entity_values, entity_characters, low_characters
                    )
                elif byte == 60 and i > begun:
                    break
                else:
                    cp = byte
                    i += 1
            elif byte < 224:
                cp = (byte & 31) << 6 | np.int64(data[i + 1]) & 63
                i += 2
            elif byte < 240:
                cp = (byte & 15) << 12 | (np.int64(data[i + 1]) & 63) << 6 | np.int64(data[i + 2]) & 63
                i += 3
            else:
                cp = (
                    (byte & 7) << 18
                    | (np.int64(data[i + 1]) & 63) << 12
                    | (np.int64(data[i + 2]) & 63) << 6
                    | np.int64(data[i + 3]) & 63
                )
                i += 4
        if cp <= 32 or cp == 0xA0 or cp == 0x3000 or 0x2000 <= cp <= 0x200A or cp == 0x2028 or cp == 0x2029:
            if not is_pre:
                if cp > 32:
                    pending |= L.FIXED_SPACE
                    if cp != 0x3000:  # which begins paragraphs
                        text[out] = 32
                        out += not is_open
                        gap += 1
                    continue
                width = 1
                is_line_end = cp == 10 or cp == 13
                while i < end and data[i] <= 32 and second == 0:
                    is_line_end = is_line_end or data[i] == 10 or data[i] == 13
                    width += 1
                    i += 1
                if not is_line_end:
                    pending |= L.SPACE
                    if is_code:
                        gap += width
                        for _ in range(0 if is_open else width):
                            text[out] = 32
                            out += 1
                    continue
                gap = 0
                if flags & L.LINES_SHOWN and is_open and text[out - 1] != 10:
                    text[out] = 10
                    out += 1
                    spaces += 1
                    pending = 0
                else:
                    pending |= L.LINE_END
                continue
            if cp == 13:
                if i < end and data[i] == 10:
                    continue
                cp = 10  # type: ignore[assignment]
            if cp == 10 and state[L.S_AFTER_PRE]:
                state[L.S_AFTER_PRE] = 0
            elif not is_open:
                text[out] = cp if cp < 33 else 32
                out += cp != 10
                gap = 0 if cp == 10 else gap + 1
            elif cp == 10 or cp == 9 or cp >= 32:
                if is_prose:  # of an editor: its lines count, not how many spaces it puts between words
                    if cp != 10 and not is_margin and text[out - 1] == 32:
                        continue
                    is_margin = cp == 10 or (is_margin and cp != 10)
                text[out] = cp if cp < 33 else 32
                out += 1
                spaces += 1
            continue
        if 0x7F <= cp <= 0xAD and (cp < 0xA0 or cp == 0xAD):  # controls, soft hyphen
            continue
        if cp == 0xFEFF or (0x200B <= cp <= 0x2069 and is_unseen(cp, is_open)):
            if cp == 0x200B:
                pending |= L.BESIDE_BREAK
            continue
        if not is_open:
            is_open = True
            is_kept = is_pre and flags & (L.IN_PRE | L.IN_CODE)
            _begin_block(blocks, state, stack, out - gap if is_kept else out, cp)  # type: ignore[arg-type]
            blocks[state[L.S_BLOCKS], L.B_INDENT] = 0 if is_kept else gap
            state[L.S_AFTER_PRE] = 0
        elif pending and _is_space(pending, last, cp) and text[out - 1] > 32:
            text[out] = 32
            out += 1
            spaces += 1
            if is_code and not pending & L.LINE_END:
                for _ in range(1, gap):
                    text[out] = 32
                    out += 1
            if last == 46 or last == 33 or last == 63:  # . ! ?
                ends += 1
        pending = gap = 0
        is_margin = False
        last = cp
        chars += 1
        if cp < 128:
            text[out] = cp
            out += 1
            if 97 <= cp <= 122:
                letters += 1
            elif 65 <= cp <= 90:
                letters += 1
                upper += 1
            elif 48 <= cp <= 57:
                digits += 1
            elif cp == 44 or cp == 59:
                commas += 1
            elif cp == 124 or cp == 47 or cp == 62 or cp == 43 or cp == 64 or cp == 95 or cp == 123 or cp == 61:
                signs += 1  # | / > + @ _ { =
        elif cp < 0x800:
            text[out] = 0xC0 | cp >> 6
            text[out + 1] = 0x80 | cp & 63
            out += 2
            if cp == 0xA9 or cp == 0xAB or cp == 0xBB or cp == 0xB7 or cp == 0xAE:
                signs += 1
            elif cp == 0x60C:
                commas += 1
            elif cp == 0x61F or cp == 0x6D4:
                ends += 1
            else:
                letters += 1
        elif cp < 0x10000:
            text[out] = 0xE0 | cp >> 12
            text[out + 1] = 0x80 | (cp >> 6) & 63
            text[out + 2] = 0x80 | cp & 63
            out += 3
            if cp == 0x3001 or cp == 0xFF0C or cp == 0xFF1B:
                commas += 1
            elif cp == 0x3002 or cp == 0xFF01 or cp == 0xFF1F or cp == 0x964:
                ends += 1
            elif cp == 0x2022 or cp == 0x203A or cp == 0x2192 or cp == 0x2190 or cp == 0x25BA or cp == 0x25B6:
                signs += 1
            elif cp >= 0x2E80 and (cp < 0xE000 or cp >= 0xF900):
                cjk += 1
                letters += 1
            elif 0x900 <= cp < 0x2000:
                letters += 1
        else:
            text[out] = 0xF0 | cp >> 18
            text[out + 1] = 0x80 | (cp >> 12) & 63
            text[out + 2] = 0x80 | (cp >> 6) & 63
            text[out + 3] = 0x80 | cp & 63
            out += 4
            if 0x20000 <= cp < 0x32000:
                cjk += 1
                letters += 1
    state[L.S_OUT] = out
    state[L.S_PENDING] = pending
    state[L.S_GAP] = gap
    state[L.S_LAST] = last
    if is_open:
        count = state[L.S_BLOCKS]
        blocks[count, L.B_CHARS] += chars
        blocks[count, L.B_SPACES] += spaces
        blocks[count, L.B_LETTERS] += letters
        blocks[count, L.B_COMMAS] += commas
        blocks[count, L.B_ENDS] += ends
        blocks[count, L.B_DIGITS] += digits
        blocks[count, L.B_UPPER] += upper
        blocks[count, L.B_SIGNS] += signs
        blocks[count, L.B_CJK] += cjk
        if chars:
            blocks[count, L.B_LAST] = last
        if state[L.S_LINK] >= 0:
            blocks[count, L.B_LINK_CHARS] += chars
        if flags & L.IN_BOLD:
            blocks[count, L.B_BOLD] += chars
    return i if out < limit else end
