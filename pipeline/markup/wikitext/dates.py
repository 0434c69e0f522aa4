"""Templates that print a date of three arguments, in the languages of which the months are known here."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.markup.wikitext.arguments import Arguments

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH_NUMBERS = {name: place for place, month in enumerate(_MONTHS, 1) for name in (month.lower(), month[:3].lower())}


def _date(words: list[str], is_month_first: bool) -> str | None:
    """`2 January 1990` of `1990`, `1`, `2`; None for what is no date of an English calendar."""
    words = [word.strip() for word in words]
    while words and not words[-1]:
        words.pop()
    if not words or len(words) > 3 or not re.fullmatch(r"-?\d{1,4}", words[0]):
        return None
    year = words[0] if words[0][0] != "-" else f"{words[0][1:]} BC"
    if len(words) == 1:
        return year
    number = _MONTH_NUMBERS.get(words[1].lower()) or (int(words[1]) if re.fullmatch(r"\d{1,2}", words[1]) else 0)
    if not 1 <= number <= 12:
        return None
    month = _MONTHS[number - 1]
    if len(words) == 2:
        return f"{month} {year}"
    if not re.fullmatch(r"\d{1,2}", words[2]) or not 1 <= int(words[2]) <= 31:
        return None
    return f"{month} {int(words[2])}, {year}" if is_month_first else f"{int(words[2])} {month} {year}"


def _local_date(words: list[str], is_month_first: bool, language: str | None) -> str | None:
    date = _date(words, is_month_first)
    if date is None or language in (None, "en"):
        return date
    if language not in ("ja", "zh", "yue"):
        return None
    year, *rest = (word.strip() for word in words if word.strip())
    month = [f"{_MONTH_NUMBERS.get(word.lower()) or int(word)}月" for word in rest[:1]]
    return "".join([f"{year}年", *month, *(f"{int(word)}日" for word in rest[1:2])])


def _dates(is_month_first: bool) -> Callable[[Arguments, str | None], str | None]:
    def render(arguments: Arguments, language: str | None) -> str | None:
        named = arguments.named
        day_first = named.get("df", "")[:1].lower() in ("y", "1") or named.get("format", "") == "dmy"
        month_first = named.get("mf", "")[:1].lower() in ("y", "1") or named.get("format", "") == "mdy"
        if named.get("format", "") in ("hide", "ymd", "iso", "md", "dm") or "year" in named:
            return None
        return _local_date(arguments.positional[:3], not day_first if is_month_first else month_first, language)

    return render


# The moment of a birth or death, of which three arguments are the date; how old somebody is today is not in the page.
date_month_first = _dates(True)
_sorted_date = _dates(False)


def sorted_date(arguments: Arguments, language: str | None) -> str | None:
    """A date of a table: of three arguments, or as it is written in one."""
    words = [word for word in arguments.positional if word]
    if len(words) == 1 and not arguments.named:
        return words[0]
    return _sorted_date(arguments, language)


def as_of(arguments: Arguments, language: str | None) -> str | None:
    """`As of March 2019` of `2019|3`."""
    named = arguments.named
    if named.get("alt"):
        return named["alt"] + named.get("post", "")
    if language not in (None, "en"):  # of its words nothing but a year is known
        return arguments.positional[0] if len(arguments.positional) == 1 and not named else None
    date = _date(arguments.positional[:3], named.get("df", "").lower() in ("us", "mdy"))
    if date is None:
        return None
    begins = "since" if named.get("since") else "as of"
    begins = begins if named.get("lc") else begins.capitalize()
    return f"{begins}{' the ' if named.get('bare') == 'the' else ' '}{date}{named.get('post', '')}"
