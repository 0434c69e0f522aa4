"""Superscripts and subscripts in plain text: the mark that tells 10^2 from 102, and H_2O from H2O. One rule for all.

A superscript is `^2`, a subscript `_2`, in braces where it is more than one run of word characters (`^{n+1}`), a signed
number without them (`^-3`). Without a mark stay letters of ordinals and abbreviations (1st, Mme, N.os), signs (®, *),
references to notes where no number is before them, and what begins a line.

The two functions are plain Python, and of a kind that compiles: the scanner of HTML compiles them.
"""

from __future__ import annotations

NO_MARK, MARK, MARK_BRACES = 0, 1, 2
OTHER, DIGIT, LETTER, SIGN, SYMBOL, SPACE, BRACKET = range(7)
MAX_CHARACTERS = 40  # of one: what is longer is a small line of text


def kind_of(cp: int) -> int:
    """The kind of a character (code point)."""
    if 48 <= cp <= 57:
        return DIGIT
    if 97 <= cp | 32 <= 122 and cp < 128:
        return LETTER
    if cp <= 32 or cp == 0xA0 or 0x2000 <= cp <= 0x200B or cp == 0x202F:
        return SPACE
    if cp == 43 or cp == 45 or cp == 0x2212 or cp == 0x2013:  # + - and the minus and dash that stand for it
        return SIGN
    if cp == 91:
        return BRACKET
    if cp == 42 or 0xA2 <= cp <= 0xBF or 0x2010 <= cp <= 0x205F or 0x2120 <= cp <= 0x2122 or 0x25A0 <= cp <= 0x27BF:
        return SYMBOL  # * § © ® ° º † ‡ ™ and their like
    if cp < 0xC0 or cp == 0xD7 or cp == 0xF7 or 0x2190 <= cp <= 0x2BFF:
        return OTHER
    return LETTER


def mark_of(
    is_sup: bool, before: int, before_kind: int, is_glued: bool, is_behind_digit: bool, is_variable: bool,
    is_link: bool, is_nested: bool, is_parted: bool, chars: int, digits: int, letters: int, signs: int, symbols: int,
    points: int, first: int, first_kind: int, last_kind: int, is_before_digit: bool,
) -> int:  # fmt: skip
    """How a superscript or subscript is marked.

    before: the last character before it; whether no white space stands between; whether that follows a digit. What the
    script holds: a variable in italics, a link, a script of its own, white space inside; how many characters but white
    space, and of which kinds (`points`: `.`, `:`, `,`); the first and the last. Whether a digit follows it.
    """
    if chars == 0:
        return NO_MARK
    if chars > MAX_CHARACTERS:  # or nothing closes it: a number after a number stays another one
        return MARK if is_glued and before_kind == DIGIT and first_kind in (DIGIT, SIGN) else NO_MARK
    is_number = digits > 0 and letters == 0
    if is_sup:
        if first_kind == BRACKET or symbols == chars:
            return NO_MARK
        if digits + letters + signs == 0 and first < 0xC0:
            return NO_MARK  # a comma between notes, an apostrophe
        if is_glued and is_number:
            # After a number they would make another one; after a stop or a quotation mark they are a note.
            if before == 46 or before == 44 or before == 58 or before == 39:  # . , : '
                return MARK if is_behind_digit else NO_MARK
            if before == 33 or before == 34 or before == 59 or before == 63:  # ! " ; ?
                return NO_MARK
            if before == 0xAB or before == 0xBB or 0x2018 <= before <= 0x2027 or 0x2039 <= before <= 0x203A:
                return NO_MARK
        if is_link and not (is_number and before_kind == DIGIT):
            return NO_MARK
        is_word = letters == chars or (letters > 1 and letters + points == chars)  # 1st, Mme, N.os
        if is_word and is_glued and before_kind in (LETTER, DIGIT) and not is_nested:
            if chars == 1 and not is_variable:  # letters that stand for a number, not for the end of a word
                is_variable = (
                    0x69 <= first <= 0x6B  # i j k
                    or 0x6D <= first <= 0x6E  # m n
                    or 0x70 <= first <= 0x71  # p q
                    or 0x78 <= first <= 0x7A  # x y z
                    or first == 0x4E  # N
                    or first == 0x54  # T
                    or 0x2100 <= first <= 0x214F
                    or (0x391 <= first <= 0x3C9 and before < 128 and before_kind == LETTER)  # e^π, not Greek's 1η
                )
            if not is_variable:
                return NO_MARK
    elif before == 47 or before == 0x2044 or before == 0x2215:
        return NO_MARK  # the denominator of a fraction
    is_list = points > 0 and letters <= points + 1  # i, j
    if digits == 0 and not is_nested and (not is_glued or (is_parted and not is_list)):
        return NO_MARK  # words in small letters
    if is_nested or is_parted:
        return MARK_BRACES
    if digits + letters == chars or (first_kind == SIGN and digits == chars - 1) or chars == 1:
        return MARK_BRACES if is_before_digit and last_kind == DIGIT else MARK
    return MARK_BRACES
