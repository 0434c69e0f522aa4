# ruff: noqa: SIM905
"""Where one word ends and the next begins, within a piece of text that holds no whitespace.

The published thresholds were set on words as spaCy's blank English tokenizer finds them (datatrove's default), where
a punctuation mark beside a word is a word of its own and `don't` is two. The same boundaries are drawn here by our
own code: peel marks off both ends, look the rest up among contractions and abbreviations, then split it inside.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

LONGEST_PIECE = 256
"""Characters. A longer piece is no word of a natural language; it is split by one linear scan."""


def _char_class(predicate: Callable[[str], bool], stop: int = 0x10000, start: int = 0x80) -> str:
    """The inside of a regex character class: all characters of a code point range that meet a predicate."""
    ranges: list[list[int]] = []
    for code in range(start, stop):
        if 0xD800 <= code < 0xE000 or not predicate(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(a)}-{chr(b)}" if b > a else chr(a) for a, b in ranges)


def _is_uncased_letter(char: str) -> bool:
    return unicodedata.category(char) == "Lo"


_SYMBOLS = _char_class(lambda char: unicodedata.category(char) == "So")
_SYMBOLS += _char_class(lambda char: unicodedata.category(char) == "So", 0x1FB00, 0x1F000)
_UNCASED = _char_class(_is_uncased_letter)
_LOWER = "a-z" + _char_class(str.islower, 0x2000) + _UNCASED
_UPPER = "A-Z" + _char_class(str.isupper, 0x2000) + _UNCASED
_LETTER = _LOWER + _UPPER

_MARKS = ",:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))
_UNITS = frozenset(
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм см мм нм кг г мг м/с км/ч кПа Па мбар".split()
)
_LONGEST_UNIT = max(map(len, _UNITS))


def _escape(chars: str) -> str:
    return "".join("\\" + char if char in "\\]^-[" else char for char in chars)


_OUTER_MARKS = _escape("—–…" + _MARKS + _QUOTES) + _SYMBOLS
_LONE_MARKS = "%=" + _OUTER_MARKS

_PREFIX = re.compile(rf"\.\.+|(?:US|[CA])\$|\+(?![0-9])|[§{_escape(_CURRENCY)}{_LONE_MARKS}]")
_SUFFIX_MARK = re.compile(rf"[{_OUTER_MARKS}]")
_BEFORE_FULL_STOP = re.compile(rf"(?:[0-9%²+\-{_escape(_MARKS + _QUOTES)}{_LOWER}]|[{_UPPER}][{_UPPER}])\Z")
_INFIX_HINT = re.compile(rf"[-+*^.,:<>=/~–—…{_SYMBOLS}]")
_INFIX = re.compile(
    rf"\.\.+|…|[{_SYMBOLS}]"
    r"|[-+*^](?<=[0-9].)(?=[0-9-])"
    rf"|\.(?<=[{_LOWER}{_escape(_QUOTES)}]\.)(?=[{_UPPER}{_escape(_QUOTES)}])"
    rf"|,(?<=[{_LETTER}],)(?=[{_LETTER}])"
    rf"|(?<=[{_LETTER}0-9])(?:---?|——|[-–—~])(?=[{_LETTER}])"
    rf"|[:<>=/](?<=[{_LETTER}0-9].)(?=[{_LETTER}])"
)
_URL = re.compile(
    r"(?:[\w+\-.]{2,}://)?(?:[^\s@]+@)?"
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    rf"|(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]*(?<!_)(?<!-)\.)+[{_LOWER}]{{2,63}})"
    r"(?::[0-9]{2,5})?(?:[/?#]\S*)?\Z"
)
_LONG_PIECE = re.compile(rf"\.\.+|[{_LONE_MARKS}]|(?:(?!\.\.)[^{_LONE_MARKS}])+")


def _contractions() -> dict[str, tuple[str, ...]]:
    """English forms that are more than one word, with and without their apostrophe."""
    forms: dict[str, tuple[str, ...]] = {}

    def add(*parts: str) -> None:
        for first in (parts[0], parts[0].title()):
            words = (first, *parts[1:])
            for apostrophe in ("'", "’", ""):
                spelled = tuple(word.replace("'", apostrophe) for word in words)
                forms["".join(spelled)] = spelled

    endings = {
        "i": "'m",
        "you": "'re 've",
        "he": "'s",
        "she": "'s",
        "it": "'s",
        "we": "'re 've",
        "they": "'re 've",
        **dict.fromkeys(("who", "what", "when", "where", "why", "how", "there", "that"), "'s 're 've"),
        "this": "'s 're 've",
    }
    for word, own in endings.items():
        for ending in [*own.split(), "'ll", "'d"]:
            add(word, ending)
        add(word, "'ll", "'ve")
        add(word, "'d", "'ve")
    add("i", "'ve")
    for word in ("these", "those"):
        add(word, "'ll")
        add(word, "'d")
    for word in "ca could do does did had may might must need ought sha should wo would".split():
        add(word, "n't")
        add(word, "n't", "'ve")
    for word in "ai are is was were have has dare".split():
        add(word, "n't")
    for word in "could might must should would not".split():
        add(word, "'ve")
    for parts in (("can", "not"), ("gon", "na"), ("got", "ta"), ("y'", "all")):
        add(*parts)
    for spelled in ("let's", "Let's", "let’s", "Let’s"):
        forms[spelled] = (spelled[:3], spelled[3:])
    for hour in range(1, 13):
        for half in ("am", "pm", "a.m.", "p.m."):
            forms[f"{hour}{half}"] = (str(hour), half)
    # Words in their own right, which only look like a contraction without its apostrophe.
    for word in "ill its hell shell shed were well".split():
        forms.pop(word, None)
        forms.pop(word.title(), None)
    return forms


_WHOLE = (
    "a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. "
    "Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. "
    "Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. "
    "N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. "
    "ma'am Ma'am o'clock O'clock ma’am o’clock and/or w/o 's 'S ’s ’S 're 'd 've 'll 'em C++ ' '' :) :-) ;) ;-) :( :-( "
    ":D :P =) <3 ^_^ -_- doin' goin' nothin' somethin' ol' lovin' havin'"
).split()

EXCEPTIONS: dict[str, tuple[str, ...]] = {
    **_contractions(),
    **{word: (word,) for word in _WHOLE},
    **{f"{letter}.": (f"{letter}.",) for letter in "abcdefghijklmnopqrstuvwxyzäöü"},
}
"""Pieces whose words are known: looked up at every step of the peeling."""


def split_piece(piece: str) -> tuple[str, ...]:
    """The words of a piece of text without whitespace; joined they are the piece again.

    Time is linear in the length of the piece.
    """
    known = EXCEPTIONS.get(piece)
    if known is not None:
        return known
    if piece.isalpha():
        return (piece,)
    stem, last = piece[:-1], piece[-1:]
    if last in ",;:!?.)" and stem.isalpha() and (last != "." or stem[-1].islower()):
        return (*EXCEPTIONS.get(stem, (stem,)), last)
    if len(piece) > LONGEST_PIECE:
        return tuple(_LONG_PIECE.findall(piece))
    before: list[str] = []
    after: list[str] = []
    rest = piece
    while rest:
        if rest in EXCEPTIONS:
            break
        prefix = _prefix_length(rest)
        if prefix and rest[prefix:] in EXCEPTIONS:
            before.append(rest[:prefix])
            rest = rest[prefix:]
            break
        suffix = _suffix_length(rest[prefix:]) if prefix < len(rest) else 0
        if suffix and rest[:-suffix] in EXCEPTIONS:
            after.append(rest[-suffix:])
            rest = rest[:-suffix]
            break
        if not prefix and not suffix:
            break
        if prefix:
            before.append(rest[:prefix])
        if suffix:
            after.append(rest[-suffix:])
        rest = rest[prefix : len(rest) - suffix]
    if rest:
        before.extend(EXCEPTIONS.get(rest) or _split_inside(rest))
    after.reverse()
    return (*before, *after)


def _prefix_length(text: str) -> int:
    match = _PREFIX.match(text)
    return match.end() if match else 0


def _suffix_length(text: str) -> int:
    last = text[-1]
    if last == ".":
        if text.endswith(".."):
            return len(text) - len(text.rstrip("."))
        return 1 if _BEFORE_FULL_STOP.search(text, max(0, len(text) - 3), len(text) - 1) else 0
    if last in "sS":
        return 2 if text[-2:-1] in ("'", "’") else 0
    if _SUFFIX_MARK.match(last):
        return 2 if text.endswith("……") else 1
    if len(text) > 1 and not last.isdigit():
        if text[-2] in "0123456789" and (last == "+" or last in _CURRENCY):
            return 1
        for length in range(1, min(_LONGEST_UNIT, len(text) - 1) + 1):
            if text[-length - 1] in "0123456789":
                return length if text[-length:] in _UNITS else 0
    return 0


def _split_inside(text: str) -> list[str]:
    if not _INFIX_HINT.search(text) or ("." in text and _URL.match(text)):
        return [text]
    words: list[str] = []
    start = 0
    for match in _INFIX.finditer(text):
        if match.start() == 0:
            continue
        if match.start() > start:
            words.append(text[start : match.start()])
        words.append(match.group())
        start = match.end()
    if start < len(text):
        words.append(text[start:])
    return words
