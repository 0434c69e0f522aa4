# ruff: noqa: SIM905
"""Which script a text is written in, and what is particular about scripts as far as a rule's measure goes."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from pipeline.filters.text.characters import ALPHABETIC, classes

UNKNOWN_SCRIPT = "Zzzz"
_NUM_LOOKED_AT = 1024

# Where the letters of each script begin, in the order of the code points; codes of ISO 15924. What is between scripts
# holds no letters or is rare. Kana stand for Japanese, whose ideographs are counted with them.
_STARTS = """
0 Latn, 370 Grek, 400 Cyrl, 530 Armn, 590 Hebr, 600 Arab, 700 Syrc, 750 Arab, 780 Thaa, 7C0 Nkoo, 800 Samr, 840 Mand,
860 Syrc, 870 Arab, 900 Deva, 980 Beng, A00 Guru, A80 Gujr, B00 Orya, B80 Taml, C00 Telu, C80 Knda, D00 Mlym, D80 Sinh,
E00 Thai, E80 Laoo, F00 Tibt, 1000 Mymr, 10A0 Geor, 1100 Hang, 1200 Ethi, 13A0 Cher, 1400 Cans, 1680 Ogam, 16A0 Runr,
1700 Tglg, 1780 Khmr, 1800 Mong, 18B0 Cans, 1900 Limb, 1950 Tale, 1980 Talu, 19E0 Khmr, 1A00 Bugi, 1A20 Lana, 1B00 Bali,
1B80 Sund, 1BC0 Batk, 1C00 Lepc, 1C50 Olck, 1C80 Cyrl, 1C90 Geor, 1CC0 Sund, 1CD0 Deva, 1D00 Latn, 1F00 Grek, 2000 Latn,
2C00 Glag, 2C60 Latn, 2C80 Copt, 2D00 Geor, 2D30 Tfng, 2D80 Ethi, 2DE0 Cyrl, 2E80 Hani, 3040 Jpan, 3100 Hani, 3130 Hang,
3190 Hani, 31F0 Jpan, 3200 Hani, A000 Yiii, A4D0 Lisu, A500 Vaii, A640 Cyrl, A6A0 Bamu, A700 Latn, A800 Sylo, A840 Phag,
A880 Saur, A8E0 Deva, A900 Kali, A930 Rjng, A960 Hang, A980 Java, A9E0 Mymr, AA00 Cham, AA60 Mymr, AA80 Tavt, AAE0 Mtei,
AB00 Ethi, AB30 Latn, AB70 Cher, ABC0 Mtei, AC00 Hang, D800 Zzzz, F900 Hani, FB00 Latn, FB13 Armn, FB1D Hebr, FB50 Arab,
FE70 Arab, FF00 Latn, FF66 Jpan, FFA0 Hang, 10000 Zzzz, 11100 Cakm, 11150 Zzzz, 11300 Gran, 11380 Zzzz, 12000 Xsux,
12550 Zzzz, 13000 Egyp, 14400 Hluw, 14680 Zzzz, 16800 Bamu, 16A40 Zzzz, 17000 Tang, 18B00 Kits, 18D00 Tang, 18D80 Zzzz,
1B000 Jpan, 1B170 Nshu, 1B300 Zzzz, 1E900 Adlm, 1E960 Zzzz, 20000 Hani
"""
_PAIRS = [pair.split() for pair in _STARTS.replace("\n", " ").split(",")]
_NAMES = [UNKNOWN_SCRIPT, *sorted({name for _, name in _PAIRS} - {UNKNOWN_SCRIPT})]
_HAN, _JAPANESE = _NAMES.index("Hani"), _NAMES.index("Jpan")

UNITS_PER_WORD = {
    **dict.fromkeys(("Hani", "Tibt", "Tang", "Nshu", "Kits"), 1.5),
    **dict.fromkeys(("Yiii", "Vaii"), 2.0),
    "Jpan": 2.5,
    **dict.fromkeys("Laoo Mymr Talu Lana Tavt Cham Bugi Bali Batk Rjng".split(), 3.0),
    **dict.fromkeys(("Thai", "Khmr", "Java", "Xsux", "Egyp", "Hluw"), 3.5),
}
"""Scripts whose words have no space between them: about how many units make one. A unit is a letter with the marks upon
it, in Tibetan a syllable. An n-gram of words is compared with one of as many units as n words have."""
SEPARATED = frozenset({"Ethi", "Tibt", "Runr", "Phnx", "Ugar", "Xpeo"})
"""Scripts that have marks of their own between words or syllables, where others have a space."""
SYLLABIC = frozenset(
    "Hang Ethi Cher Cans Bamu Lisu Nkoo Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Gran Cakm Sylo Saur Sund "
    "Lepc Limb Mtei Tglg Phag Kali".split()
)
"""Scripts whose words have few letters: one is a syllable, or its vowel is a mark upon it, which does not count."""
UNPUNCTUATED = frozenset("Thai Laoo Lana Talu Tale Tavt Bugi Batk Rjng Egyp Xsux Hluw".split())
"""Scripts in which sentences end without a mark, as a rule."""


@functools.cache
def _scripts() -> npt.NDArray[np.uint8]:
    """For each code point the place of its script among the names; 0 for what is no letter."""
    table = np.zeros(len(classes()), np.uint8)
    starts = [int(start, 16) for start, _ in _PAIRS]
    for first, last, (_, name) in zip(starts, [*starts[1:], len(table)], _PAIRS, strict=True):
        table[first:last] = _NAMES.index(name)
    table[(classes() & ALPHABETIC) == 0] = 0
    return table


def script_of_text(codes: npt.NDArray[np.uint32]) -> str:
    """The script of most of a text's letters, of some thousand from all over it; `Zzzz` where it has none."""
    sample = codes[:: max(len(codes) // _NUM_LOOKED_AT, 1)]
    numbers = np.bincount(_scripts()[sample], minlength=len(_NAMES))
    numbers[0] = 0
    if 10 * numbers[_JAPANESE] > numbers[_HAN]:
        numbers[_JAPANESE] += numbers[_HAN]
        numbers[_HAN] = 0
    return _NAMES[int(numbers.argmax())]
