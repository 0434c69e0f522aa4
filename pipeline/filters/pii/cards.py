"""Credit-card numbers: length and first digits of an issuer, groups as on a card, and Luhn's check digit."""

from __future__ import annotations

import re

# Ranges as the networks publish them: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay.
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
_AS_ON_A_CARD = re.compile(r"\d{13,19}|\d{4}([ -])\d{4}(?:\1\d{4}){1,2}\1\d{1,4}|\d{4}([ -])\d{6}\2\d{4,5}")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    doubled = [sum(divmod(2 * number, 10)) for number in numbers[1::2]]
    return (sum(numbers[::2]) + sum(doubled)) % 10 == 0


def is_card(written: str, digits: str) -> bool:
    """Whether a number is a credit card's. written: with its gaps, which are spaces or hyphens; digits: without."""
    return (
        _ISSUED.fullmatch(digits) is not None
        and _AS_ON_A_CARD.fullmatch(written) is not None
        and len(set(digits)) > 1
        and luhn(digits)
    )
