"""A text without the personal data that is looked for."""

from __future__ import annotations

import functools
import re
from collections import Counter
from typing import NamedTuple

import phonenumbers

from manifests.errors import UserError
from pipeline.filters.language import NO_LANGUAGE, UNKNOWN
from pipeline.filters.language.tags import find as find_by_language
from pipeline.filters.pii.emails import find_emails
from pipeline.filters.pii.ips import find_ips
from pipeline.filters.pii.numbers import find_numbers
from pipeline.filters.pii.placeholders import placeholder
from pipeline.filters.pii.settings import PiiSettings
from pipeline.filters.pii.spans import Span

_COUNTRY_DOMAIN = re.compile(r"://[^/?#:]*\.([a-z]{2})(?=[:/?#]|$)", re.IGNORECASE)
_NOT_ITS_DOMAIN = {"UK": "GB"}


class Redacted(NamedTuple):
    """The text with placeholders, and how many of each kind it now has in place of data: `pii_<kind>`."""

    text: str
    counts: Counter[str]


def redact(text: str, settings: PiiSettings, language: str | None = None, url: str | None = None) -> Redacted:
    """Replace personal data by placeholders.

    language: ISO 639-1 code of the text (`settings.regions` says which countries it stands for; none counts as
    English). url: where the text is from; a country's domain adds that country. The result depends on nothing else, so
    neither on other documents nor on their order, and a second run changes nothing.
    """
    spans = [span for span in find(text, settings, language, url) if span.is_personal]
    if not spans:
        return Redacted(text, Counter())
    pieces = []
    end = 0
    for span in spans:
        pieces += [text[end : span.start], placeholder(span, settings)]
        end = span.end
    pieces.append(text[end:])
    return Redacted("".join(pieces), Counter(f"pii_{span.kind}" for span in spans))


def find(text: str, settings: PiiSettings, language: str | None = None, url: str | None = None) -> list[Span]:
    """What `redact` replaces, and what it looked at and leaves, in the order of the text; spans do not overlap."""
    kinds = frozenset(settings.kinds)
    emails = find_emails(text) if "email" in kinds else []
    ips = find_ips(text) if "ip" in kinds else []
    known = _merged(emails, ips)
    if "phone" not in kinds and "credit_card" not in kinds:
        return known
    regions = _regions(settings, language, url)
    return sorted([*known, *find_numbers(text, known, regions, settings.phone, kinds)])


def _merged(first: list[Span], second: list[Span]) -> list[Span]:
    """Both in order; of two that overlap, that of the first list."""
    if not first or not second:
        return first or second
    taken: list[Span] = []
    for span in sorted([*first, *second], key=lambda span: (span.start, -span.end)):
        if taken and span.start < taken[-1].end:
            if span.kind == "email" and taken[-1].kind != "email":
                taken[-1] = span
            continue
        taken.append(span)
    return taken


def _regions(settings: PiiSettings, language: str | None, url: str | None) -> tuple[str, ...]:
    spoken = NO_LANGUAGE if language in (None, UNKNOWN) else language
    regions = list(find_by_language(settings.regions, str(spoken)) or ())
    match = _COUNTRY_DOMAIN.search(url) if url else None
    if match:
        code = match.group(1).upper()
        code = _NOT_ITS_DOMAIN.get(code, code)
        if code in phonenumbers.SUPPORTED_REGIONS and code not in regions:
            regions.insert(0, code)
    return tuple(regions)


@functools.cache
def check_placeholders(email: str, ip: str, ipv6: str, phone: str, credit_card: str) -> None:
    """Raise `UserError` where a placeholder would itself be taken for personal data."""
    settings = PiiSettings()
    given = {"email": email, "ip": ip, "ipv6": ipv6, "phone": phone, "credit_card": credit_card}
    for name, value in given.items():
        if redact(value, settings).counts:
            raise UserError(
                f"filter.pii.{name}: {value!r} is personal data itself, which a second run would replace. Give a text "
                f"that is not, such as {getattr(settings, name)!r}."
            )
