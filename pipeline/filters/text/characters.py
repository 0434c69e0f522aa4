"""Which characters are what: one number a code point, with a bit for each class that the rules ask about.

The classes follow Python's own methods (`isspace`, `isalpha`, `splitlines`), Unicode's categories as Python has them,
and the lists of datatrove and of spaCy's tokenizers that the published thresholds were set with.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

SPACE = 1  # str.isspace
LINE_BREAK = 2  # ends a line of str.splitlines
ALPHABETIC = 4  # str.isalpha
MARK = 8  # not a word by itself: `PUNCTUATION`
PUNCTUATION_CATEGORY = 16  # Unicode's P*
SENTENCE_END = 32
TERMINAL = 64  # may end a line in FineWeb's terms
UNSPACED_SCRIPT = 128  # a word by itself, with the marks upon it, where words have no spaces between them
WORD = 256  # \w of Python's expressions
LOWER_CASE = 512  # str.islower
# Classes of the word boundaries (`boundaries`).
OUTER = 1 << 10  # peeled off the end of a piece
PREFIX = 1 << 11  # peeled off its beginning
LONE = 1 << 12  # splits a very long piece
LOWER = 1 << 13  # lower-case letters, and letters without case
UPPER = 1 << 14
QUOTE = 1 << 15
BEFORE_FULL_STOP = 1 << 16  # a full stop after it is a word by itself
CURRENCY = 1 << 17
SYMBOL = 1 << 18
INFIX_HINT = 1 << 19
DIGIT = 1 << 20  # 0 to 9
ANY_DIGIT = 1 << 21  # str.isdigit
HOST = 1 << 22  # may stand in a host name
HYPHEN = 1 << 23  # joins two words
# What C4's lines are searched for.
OPENING_BRACKET = 1 << 24
CURLY_BRACKET = 1 << 25
PHRASE_HINT = 1 << 26  # stands in one of the phrases, in either case
LETTER = LOWER | UPPER
DECIMAL = 1 << 27  # \d of Python's expressions
IN_WORD = 1 << 28  # a letter, or what stands upon or joins letters: vowel signs, tone marks, the joiners of no width
ON_LETTER = 1 << 30  # the latter alone
SEPARATOR = 1 << 29  # stands between two words or syllables as a space does, in a script that has it

# Marks that datatrove does not take for words by themselves: ASCII and common CJK and typographic punctuation, control
# characters, and the sentence terminals of the world's scripts (Unicode's Sentence_Terminal, as far as listed there).
_MARKS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
_CONTROLS = "".join(map(chr, [*range(9), 11, 12, *range(13, 32), *range(127, 160)]))


def _range(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


SENTENCE_ENDS = frozenset(
    "!.?։؟۔܀܁܂߹।॥၊။።፧፨᙮᜵᜶᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡。"
    "\U00010a56\U00010a57\U00011047\U00011048\U00011141\U00011142\U00011143\U000111c5\U000111c6\U000111cd\U000111de"
    "\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U0001144b\U0001144c\U000115c2\U000115c3\U00011641"
    "\U00011642\U0001173c\U0001173d\U0001173e\U00011a42\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00016a6e"
    "\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U0001bc9f\U0001da88"
    # Hebrew, Sinhala, Tibetan; Ethiopic's word space, which two of make a full stop.
    "\u05c3\u0df4\u0f0d\u0f0e\u0f0f\u0f10\u0f11\u0f12\u0f14\u1361" + _range(0x110BE, 0x110C1) + _range(0x115C9, 0x115D7)
)
"""Marks that end a sentence, in all scripts."""
TERMINAL_PUNCTUATION = SENTENCE_ENDS | frozenset(
    "\u061d\u061e\u0837\u0839\u083d\u083e\u0e5a\u0e5b\u1b7d\u1b7e\u2e53\u2e54"
    "\u17d4\u17d5\u17d6\u17d9\u17da"
    "\U00011944\U00011946\U00011ef7\U00011ef8\U00011f43\U00011f44\U00016e98"
    + _range(0x10F55, 0x10F59)
    + _range(0x10F86, 0x10F89)
)
"""Characters that may end a line in FineWeb's terms."""
PUNCTUATION = frozenset(_MARKS) | frozenset(_CONTROLS) | TERMINAL_PUNCTUATION

# Thai and Lao, Myanmar, Khmer, New Tai Lue, Buginese, Tai Tham, Balinese, Batak, ideographs, kana, Yi, Vai, Rejang,
# Javanese, Cham, Tai Viet, cuneiform, hieroglyphs, Tangut.
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1980, 0x1AAF), (0x1B00, 0x1B7F), (0x1BC0, 0x1BFF),
    (0x3005, 0x3007), (0x3040, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x9FFF), (0xA000, 0xA4CF),
    (0xA500, 0xA63F), (0xA930, 0xA95F), (0xA980, 0xAADF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x12000, 0x146FF),
    (0x17000, 0x18DFF), (0x1B000, 0x1B2FF), (0x20000, 0x3FFFF),
)  # fmt: skip
# Between words: Ethiopic, Runic, Aegean, Ugaritic, Old Persian, Phoenician, and the space of no width, which shows
# where lines may break. Between syllables: Tibetan.
_SEPARATORS = "\u0f0b\u0f0c\u1361\u16eb\u16ec\u16ed\u200b\U00010100\U00010101\U0001039f\U000103d0\U0001091f"
_JOINERS = "\u200c\u200d"
_VARIATION_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))  # which say how a letter or an emoji looks
# Marks of the scripts beyond Latin, Greek and Cyrillic; those of the general blocks are listed by name.
_FIRST_OTHER_SCRIPT, _GENERAL = 0x0530, (0x2000, 0x303F)
# Where Unicode has assigned characters; elsewhere only what is set by range.
_ASSIGNED = ((0, 0x34000), (0xE0000, 0xE0200))
_FIRST_ALIKE = 0x3400  # from here on every letter without case is alphabetic, a word character and nothing else

_BOUNDARY_MARKS = ",:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴" + _range(0x20A0, 0x20BF)

PHRASE_HINTS = "vkfp"
"""Lower-case letters of which each phrase of C4's has one: the rarest that do (`lines`)."""
KELVIN = "\u212a"
"""The one character beyond ASCII whose lower case is a letter of ASCII alone, `k`."""


@functools.cache
def classes() -> npt.NDArray[np.uint32]:
    """The classes of every code point, surrogates included."""
    table = np.zeros(sys.maxunicode + 1, np.uint32)

    def mark(bit: int, characters: Iterable[str]) -> None:
        table[[ord(character) for character in characters]] |= bit

    _add_predicates(table)
    for first, last in _UNSPACED_RANGES:
        table[first : last + 1] |= UNSPACED_SCRIPT
    mark(LINE_BREAK, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
    mark(MARK, PUNCTUATION)
    mark(SENTENCE_END, SENTENCE_ENDS)
    mark(TERMINAL, TERMINAL_PUNCTUATION)
    mark(SEPARATOR, _SEPARATORS)
    mark(IN_WORD, _JOINERS)
    mark(WORD, "_")
    mark(DIGIT, "0123456789")
    mark(CURRENCY, _CURRENCY)
    mark(QUOTE, _QUOTES)
    outer = "—–…" + _BOUNDARY_MARKS + _QUOTES
    mark(OUTER | PREFIX | LONE, outer)
    marks = _marks_of_other_scripts(table)
    table[marks] |= np.uint32(OUTER | PREFIX | LONE | MARK)
    mark(PREFIX | LONE, "%=")
    mark(PREFIX, "§" + _CURRENCY)
    mark(BEFORE_FULL_STOP, "0123456789%²+-" + _BOUNDARY_MARKS + _QUOTES)
    mark(INFIX_HINT, "-+*^.,:<>=/~–—…")
    mark(HYPHEN, "-–—~")
    mark(OPENING_BRACKET, "[")
    mark(CURLY_BRACKET, "{")
    mark(PHRASE_HINT, PHRASE_HINTS + PHRASE_HINTS.upper() + KELVIN)
    symbols = (table & SYMBOL) != 0
    table[symbols] |= np.uint32(OUTER | PREFIX | LONE | INFIX_HINT)
    table[(table & LOWER) != 0] |= np.uint32(BEFORE_FULL_STOP)
    table[(table & (IN_WORD | ALPHABETIC)) == IN_WORD] |= np.uint32(ON_LETTER | BEFORE_FULL_STOP)
    table[0xA1:0x10000] |= np.uint32(HOST)
    mark(HOST, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    table.setflags(write=False)
    return table


def _marks_of_other_scripts(table: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Punctuation of the scripts beyond Latin, Greek and Cyrillic, but for what joins words or parts them."""
    codes = np.flatnonzero((table & (PUNCTUATION_CATEGORY | SEPARATOR)) == PUNCTUATION_CATEGORY)
    first, last = _GENERAL
    codes = codes[(codes >= _FIRST_OTHER_SCRIPT) & ((codes < first) | (codes > last))]
    return np.array([code for code in codes.tolist() if unicodedata.category(chr(code)) not in ("Pc", "Pd")])


def _add_predicates(table: npt.NDArray[np.uint32]) -> None:
    """Set the bits that depend on a character's properties."""
    codes = np.concatenate([np.arange(first, last) for first, last in _ASSIGNED])
    categories = np.array(list(map(unicodedata.category, map(chr, codes.tolist()))))

    def add(bit: int, codes: npt.NDArray[np.int64], start: int = 0, stop: int = sys.maxunicode + 1) -> None:
        table[codes[(codes >= start) & (codes < stop)]] |= bit

    # Ideographs and syllables are most of what there is, and all alike; what is not assigned has no property.
    alike = (categories == "Lo") & (codes >= _FIRST_ALIKE)
    add(ALPHABETIC | WORD, codes[alike])
    others = codes[~alike & ~np.isin(categories, ("Cn", "Co", "Cs"))]
    characters = list(map(chr, others.tolist()))

    def by_method(bit: int, method: Callable[[str], bool], start: int = 0, stop: int = sys.maxunicode + 1) -> None:
        add(bit, others[np.fromiter(map(method, characters), np.bool_, len(characters))], start, stop)

    by_method(SPACE, str.isspace)
    by_method(ALPHABETIC, str.isalpha)
    by_method(IN_WORD, str.isalpha)
    add(IN_WORD, codes[alike | np.isin(categories, ("Mn", "Mc"))])
    for first, last in _VARIATION_SELECTORS:
        table[first : last + 1] &= ~np.uint32(IN_WORD)
    by_method(WORD, str.isalnum)
    by_method(LOWER_CASE, str.islower)
    by_method(ANY_DIGIT, str.isdigit)
    by_method(DECIMAL, str.isdecimal)
    add(PUNCTUATION_CATEGORY, codes[np.char.startswith(categories, "P")])
    # Letters in the sense of the word boundaries: with case up to U+1FFF, without case in the whole first plane.
    by_method(LOWER, str.islower, 0, 0x2000)
    by_method(UPPER, str.isupper, 0, 0x2000)
    add(LOWER | UPPER, codes[categories == "Lo"], 0x80, 0x10000)
    symbols = codes[categories == "So"]
    add(SYMBOL, symbols, 0x80, 0x10000)
    add(SYMBOL, symbols, 0x1F000, 0x1FB00)
