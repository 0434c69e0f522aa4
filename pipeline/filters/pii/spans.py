"""What the finders of personal data hand to each other."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["email", "ip", "phone", "credit_card"]
KINDS: tuple[Kind, ...] = ("email", "ip", "phone", "credit_card")


class Span(NamedTuple):
    """A place of a text that is an address or a number of a kind.

    `value` is what it says, however it is written: equal for all spellings of the same address. `is_personal` is False
    for what can be nobody's (a private network, `example.com`, a placeholder): it stays as it is, and no other kind is
    looked for in it.
    """

    start: int
    end: int
    kind: Kind
    value: str
    is_personal: bool


# Signs without a width, which pages put into addresses and numbers to hide them or to let them break over lines.
ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"


def gaps(spans: list[Span], length: int) -> list[tuple[int, int]]:
    """The stretches of a text of `length` characters that no span covers. Spans are in order and do not overlap."""
    found = []
    start = 0
    for span in spans:
        found.append((start, span.start))
        start = span.end
    found.append((start, length))
    return [(first, last) for first, last in found if first < last]
