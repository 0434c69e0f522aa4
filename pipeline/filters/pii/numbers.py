"""Phone numbers and credit-card numbers.

One search finds runs of at least six digits with few signs between them. Few of a page's runs are phone numbers: most
are dates, years, prices and citations. So a run is asked about with libphonenumber (its port `phonenumbers`) only where
it has a mark of one: `+` or `00` before a country code, a word such as "Tel." before it, an area code in brackets or
with a leading zero, or North America's hyphens. What follows such a word is a phone number even if no country of the
settings has it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

import phonenumbers

from pipeline.filters.pii.cards import is_card
from pipeline.filters.pii.labels import is_labelled, is_listed, is_something_else
from pipeline.filters.pii.spans import ZERO_WIDTH, Span, gaps

_DIGIT = "0-9\uff10-\uff19\u0660-\u0669\u06f0-\u06f9"  # ASCII, full width, Arabic, Persian
_GAP = rf" .\-/()\u00a0\u2009\u202f\u2010-\u2015\u2212\uff08\uff09\uff0d{ZERO_WIDTH}"
_RUN = re.compile(f"[{_DIGIT}](?:[{_GAP}]{{0,4}}[{_DIGIT}]){{5,}}+")
_PLUS = re.compile(r"[+\uff0b][ (\uff08]{0,2}\Z|[(\uff08]\Z")
_BREAK = re.compile(rf"[{_GAP}]*[ \u00a0\u2009\u202f][{_GAP}]*")
_NOT_WRITTEN = re.compile(f"[{ZERO_WIDTH}]")
_LONGEST = 40  # characters of a number with its gaps
_FEWEST_DIGITS = 6
_MOST_DIGITS = 17  # 15 of a number (ITU-T E.164), and two of `00` or `(0)`
_MOST_ENDS = 3

_SEPARATED = r"(?![.\-/]?\d)"
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_DATE_OR_TIME = re.compile(
    rf"(?:(?:{_DAY}[./-]\s?{_MONTH}|{_MONTH}[./-]\s?{_DAY})[./-]\s?(?:\d{{4}}|\d\d){_SEPARATED}|\d{{4}}[./-]\d{{1,2}}[./-]\d{{1,2}}{_SEPARATED}"
    rf"|(?:1\d|20)\d\d\s?[-\u2010-\u2015/]\s?(?:1\d|20)?\d\d{_SEPARATED}"
    rf"|\d{{1,2}}\.\d\d\s?[-\u2010-\u2015]\s?\d{{1,2}}\.\d\d{_SEPARATED})"
)
_NORTH_AMERICAN = re.compile(r"(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([-.]))[2-9]\d\d(?:\1|[-.])\d{4}")
_AREA_IN_BRACKETS = re.compile(r"(?:[018][ -]?)?\(0?\d{2,5}\)")
_TRUNK_ZERO = re.compile(r"0[1-9]\d*[ .\-/()\u00a0\u2009\u202f\u2010-\u2015\u2212]")
OUR_COUNTRY_CODE = "+999"  # given to no country: a placeholder's
_HASHED_PLACEHOLDER = re.compile(rf"\{OUR_COUNTRY_CODE} \d{{3}} \d{{3}} \d{{4}}(?!\d)")


def find_numbers(
    text: str, known: list[Span], regions: tuple[str, ...], placeholder: str, kinds: frozenset[str]
) -> list[Span]:
    """The phone and card numbers outside the `known` spans, in order.

    regions: ISO 3166 codes of the countries whose national numbers are looked for. placeholder: the text that stands
    for a phone number already.
    """
    if _RUN.search(text) is None:
        return []
    found: list[Span] = []
    for first, last in gaps(known, len(text)):
        found.extend(_find_between(text, first, last, regions, placeholder, kinds))
    return found


def _find_between(
    text: str, first: int, last: int, regions: tuple[str, ...], placeholder: str, kinds: frozenset[str]
) -> Iterator[Span]:
    wall = first  # nothing before it is looked at
    previous_phone: int | None = None
    at = first
    while run := _RUN.search(text, at, last):
        start, end = run.span()
        lead = _PLUS.search(text, max(wall, start - 3), start)
        is_international = lead is not None and lead.group()[0] in "+\uff0b"
        outer = lead.start() if lead else start
        if outer and _joins(text[outer - 1]):
            at = end
            continue
        known_end = _placeholder_end(text, outer, placeholder)
        span: Span | None
        if known_end:
            span = Span(outer, known_end, "phone", "", False)
        else:
            span = _card(text, start, end) if "credit_card" in kinds else None
            if span is None and "phone" in kinds:
                listed = previous_phone is not None and is_listed(text, outer, previous_phone)
                labelled = listed or is_labelled(text, outer, wall)
                span = _phone(text, outer, start, end, is_international, labelled, wall, regions)
                prefix = _BREAK.search(text, start, end) if span is None and labelled else None
                # A few digits to dial before a number, as those for text relay.
                if prefix and sum(map(str.isdigit, text[start : prefix.start()])) < _FEWEST_DIGITS:
                    span = _phone(text, prefix.end(), prefix.end(), end, False, False, wall, regions)
        if span is None:
            at = end
            continue
        yield span
        at = wall = span.end
        previous_phone = span.end if span.kind == "phone" else None


def _joins(character: str) -> bool:
    """Whether a character before a number makes it a part of a word; scripts without spaces do not."""
    return character == "_" or (character.isalnum() and character < "\u2e80")


def _placeholder_end(text: str, start: int, placeholder: str) -> int:
    """Where a placeholder that starts here ends, 0 where none does."""
    if text.startswith(placeholder, start):
        return start + len(placeholder)
    hashed = _HASHED_PLACEHOLDER.match(text, start)
    return hashed.end() if hashed else 0


def digits_of(written: str) -> str:
    """The digits of a number in any script, as ASCII."""
    return "".join(str(unicodedata.digit(character)) for character in written if character.isdigit())


def _card(text: str, start: int, end: int) -> Span | None:
    written = text[start:end]
    if not 13 <= end - start <= 23 or _is_inside(text, start, end):
        return None
    digits = digits_of(written)
    return Span(start, end, "credit_card", digits, True) if is_card(written, digits) else None


def _is_inside(text: str, start: int, end: int) -> bool:
    """Whether a number is a part of an address, a path, an amount or a longer number."""
    before = text[start - 1] if start else " "
    after, next_ = text[end : end + 1], text[end + 1 : end + 2]
    return (
        before in "/=#%&?@$\u20ac\u00a3\u00a5.,:;*~-\u2013"
        or (after.isalnum() and after < "\u2e80")
        or (after != "" and after in "_@%\u20ac$\u00b0")
        or (after != "" and after in ",:;=/-." and next_.isalnum())
    )


def _phone(
    text: str,
    outer: int,
    start: int,
    end: int,
    is_international: bool,
    labelled: bool,
    wall: int,
    regions: tuple[str, ...],
) -> Span | None:
    """The phone number that a run from `start` to `end` begins with, `+` or a bracket before it from `outer` on."""
    after = text[end : end + 1]
    if after.isalnum() and after < "\u2e80":
        return None
    if not labelled and (_is_inside(text, outer, end) or is_something_else(text, outer, wall)):
        return None
    # What is written with gaps between dates and numbers is read from its start.
    if _DATE_OR_TIME.match(text, start, end):
        return None
    for shorter in _ends(text, start, end):
        written = _NOT_WRITTEN.sub("", text[start:shorter])
        digits = digits_of(written)
        value = _valid(written, digits, text[outer:start], is_international, labelled, regions)
        if value is None and shorter == end and labelled and len(digits) <= 15:
            value = digits
        if value is not None:
            opens = text[outer] in "(\uff08"
            closes = text[start:shorter].count(")") > text[start:shorter].count("(")
            if not opens and closes and outer > wall and text[outer - 1] == "(":
                outer -= 1
            elif opens and not closes:
                outer = start if not is_international else outer
            return Span(outer, shorter, "phone", value, True)
    return None


def _ends(text: str, start: int, end: int) -> list[int]:
    """Where a number that starts here may end: the longest first, and a few of the gaps before it."""
    found = [gap.start() for gap in _BREAK.finditer(text, start, min(end, start + _LONGEST))]
    fit = [
        place
        for place in [end, *reversed(found)]
        if place - start <= _LONGEST and _FEWEST_DIGITS <= sum(map(str.isdigit, text[start:place])) <= _MOST_DIGITS
    ]
    return fit[:_MOST_ENDS]


def _valid(
    written: str, digits: str, lead: str, is_international: bool, labelled: bool, regions: tuple[str, ...]
) -> str | None:
    """The number with its country code, where libphonenumber knows it as one; None where it does not."""
    if is_international:
        return _ask("+" + written, None)
    if digits.startswith("00") and len(digits) >= 10:
        return _ask("+" + digits[2:], None) if labelled or len(written) > len(digits) else None
    in_brackets = _AREA_IN_BRACKETS.match(lead[-1:] + written if lead else written) is not None
    may_be = labelled or in_brackets or (_TRUNK_ZERO.match(written) is not None and len(digits) >= 8)
    for region in regions:
        if (may_be or (region in ("US", "CA") and _NORTH_AMERICAN.fullmatch(lead + written))) and (
            value := _ask(written, region)
        ):
            return value
    return None


@functools.lru_cache(maxsize=4096)
def _ask(written: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
