# ruff: noqa: SIM905
"""What the boundaries of words depend on in each language: exceptions, units, and what splits a word inside.

The published thresholds were set on words as spaCy's blank tokenizers find them. The rules are in `text.pieces`; here
is what they look up, and how languages differ as far as it moves a decision: in German, say, a hyphen joins and `3.` is
one word. What is not named here is split as English is, but without its contractions, and its words hold together.
"""

from __future__ import annotations

import functools

from pipeline.filters.language.tags import language_of, script_of
from pipeline.filters.text.measure import FULL_STOP, MARKS_ASIDE, WORD_UNITS
from pipeline.filters.text.measurer import Boundaries, Table
from pipeline.filters.text.pieces import ELISIONS_SPLIT, HYPHENS_SPLIT, LETTERS_JOIN, STOPS_AFTER_DIGITS_SPLIT
from pipeline.filters.text.scripts import SEPARATED, UNITS_PER_WORD, UNKNOWN_SCRIPT

UNSPACED_LANGUAGES = {
    **dict.fromkeys(("zh", "yue", "wuu"), "Hani"),
    **{"ja": "Jpan", "th": "Thai", "lo": "Laoo", "km": "Khmr", "my": "Mymr", "bo": "Tibt", "dz": "Tibt"},
}
"""Languages written without a space between words, and their scripts. Each letter with the marks upon it counts as a
word, in Tibetan each syllable, the simplest split that two programs will always agree on."""

_USUAL = HYPHENS_SPLIT | STOPS_AFTER_DIGITS_SPLIT
STYLES = {
    "de": 0,
    "es": STOPS_AFTER_DIGITS_SPLIT,
    "fr": _USUAL | ELISIONS_SPLIT,
    "it": _USUAL | ELISIONS_SPLIT,
    "ca": _USUAL | ELISIONS_SPLIT,
}
"""How a language splits a word inside, where that is not how English does."""
PUBLISHED = frozenset({"en", "de", "es", "fr"})
"""Languages that are judged just as the published rules judge English. In others punctuation is no word that lacks a
letter, and where no style is named, a hyphen, an apostrophe or a colon inside a word is part of it."""
_OTHERS = STOPS_AFTER_DIGITS_SPLIT | LETTERS_JOIN | MARKS_ASIDE
_FULL_STOPS = {"Grek": ";", "Armn": ":", "Ethi": ":"}
"""Marks of ASCII that end a sentence in one script: Greek's question mark in NFC, and what others are typed with."""

UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм см мм нм кг г мг м/с км/ч кПа Па мбар"
).split()


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
        **dict.fromkeys(("you", "we", "they"), "'re 've"),
        **dict.fromkeys(("he", "she", "it"), "'s"),
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


_ENGLISH = (
    "a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. "
    "Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. "
    "Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. "
    "N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. "
    "ma'am Ma'am o'clock O'clock ma’am o’clock and/or w/o 're 'd 've 'll 'em doin' goin' nothin' somethin' ol' lovin' "
    "havin'"
).split()
_ANYWHERE = "'s 'S ’s ’S C++ ' '' :) :-) ;) ;-) :( :-( :D :P =) <3 ^_^ -_-".split()
_GERMAN = (
    "z.B. d.h. u.a. u.U. i.d.R. z.T. z.Zt. o.ä. u.ä. s.o. s.u. bzw. ca. Dr. Prof. usw. vgl. Nr. St. Str. etc. evtl. "
    "ggf. inkl. Jh. Abs. Art. Bd. Hrsg. Mio. Mrd. Jan. Feb. Apr. Aug. Sep. Sept. Okt. Nov. Dez."
).split()
_FRENCH = (
    "av. janv. févr. avr. juill. sept. oct. nov. déc. apr. Dr. M. Mr. Mme. Mlle. n° d° St. Ste. cf. etc. MM. No. "
    "aujourd'hui Aujourd'hui aujourd’hui Aujourd’hui peut-être Peut-être au-dessus ci-dessous celui-ci celle-ci"
).split()
_SPANISH = "aprox. dna. dpto. ej. esq. pág. p.ej. Ud. Vd. Uds. Vds. vol. etc. Dr. Dra. Sr. Sra. Srta. Av. Avda.".split()
_WHOLE = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH}


def exceptions(language: str) -> dict[str, tuple[str, ...]]:
    """Pieces whose words are known: looked up at every step of the peeling. Joined, the words are the piece."""
    found = _contractions() if language == "en" else {}
    for word in [*_WHOLE.get(language, ()), *_ANYWHERE]:
        found[word] = (word,)
    for letter in "abcdefghijklmnopqrstuvwxyzäöü":
        found[f"{letter}."] = (f"{letter}.",)
    return found


@functools.cache
def boundaries_of(language: str, script: str | None = None) -> Boundaries:
    """How the words of a language (ISO 639-1, or a tag such as `zh-Hant`) in a script (ISO 15924) are found.

    The language's own where no script is given. A language that is not known is split as those that are named nowhere.
    """
    spoken = language_of(language)
    if script is None:
        named = script_of(language) or UNKNOWN_SCRIPT
        script = named if named == "Latn" else UNSPACED_LANGUAGES.get(spoken, named)
    style = _OTHERS
    if spoken in {"en", *STYLES} and script in ("Latn", UNKNOWN_SCRIPT):
        style = STYLES.get(spoken, _USUAL) | (0 if spoken in PUBLISHED else MARKS_ASIDE)
    quarters = round(4 * UNITS_PER_WORD.get(script, 1.0))
    return Boundaries(
        exceptions=Table.of_phrases(exceptions(spoken)),
        units=_units(),
        style=style | ord(_FULL_STOPS.get(script, "\0")) << FULL_STOP | quarters << WORD_UNITS,
        is_spaced=script not in UNITS_PER_WORD and script not in SEPARATED,
    )


@functools.cache
def _units() -> Table:
    return Table.of_phrases({unit: (unit,) for unit in UNITS})
