"""What stands in the place of personal data."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address

from pipeline.filters.pii.settings import PiiSettings
from pipeline.filters.pii.spans import Span

_BENCHMARKING = int(IPv4Address("198.18.0.0"))  # RFC 2544, a /15
_DOCUMENTATION = int(IPv6Address("2001:db8::"))  # RFC 3849, a /32


def placeholder(span: Span, settings: PiiSettings) -> str:
    """The text for a span: that of the settings, or made of a keyed hash of what the span says."""
    is_v6 = span.kind == "ip" and ":" in span.value
    if not settings.hashed:
        return settings.ipv6 if is_v6 else str(getattr(settings, span.kind))
    key = settings.seed.to_bytes(16, "big", signed=True)
    message = f"{span.kind}\0{span.value}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(message, digest_size=16, key=key).digest(), "big")
    if span.kind == "email":
        return f"email-{number % 16**10:010x}@example.com"
    if is_v6:
        return str(IPv6Address(_DOCUMENTATION + number % 2**96))
    if span.kind == "ip":
        return str(IPv4Address(_BENCHMARKING + number % 2**17))
    # The last group begins with 0: with `::` behind it, it could be read as an IPv6 address otherwise.
    digits = f"{number % 10**11:011d}"
    if span.kind == "phone":
        return f"+999 {digits[:3]} {digits[3:6]} 0{digits[6:9]}"
    return f"0000 {digits[:4]} {digits[4:8]} 0{digits[8:]}"
