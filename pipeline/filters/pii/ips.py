"""IP addresses that can be somebody's: public ones, as in FineWeb.

Addresses of private networks, loopback, documentation and the like name nobody. The list is IANA's registry of
special-purpose addresses (RFC 6890 and after), written out, since that of Python's `ipaddress` changes from patch to
patch. Four numbers with dots are more often a version or a section than an address; those are told by what stands
before, and by numbers that are too small to be chance.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pipeline.filters.pii.spans import Span

# The look behind comes second, so that the search runs from digit to digit.
_V4 = re.compile(r"[0-9](?<![\w.+-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w|[.-]\w)", re.ASCII)
_V6 = re.compile(r"[23](?<![\w.:-].)[0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", re.ASCII)
_VERSION = re.compile(
    r"(?:\b(?:v|ver|version|versions|release|rel|build|firmware|rev|revision|update|kernel|driver|sdk|api|section|§)"
    r"[\s.:=#]{0,3}|[A-Za-z]/)\Z",
    re.IGNORECASE,
)
_CONTEXT = 16  # characters before an address that tell a version
_SPECIAL_V4 = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
)
_NOBODYS_V4 = [
    (int(network.network_address), int(network.netmask)) for network in map(IPv4Network, _SPECIAL_V4.split(" "))
]
_NOBODYS_V6 = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20")]


def find_ips(text: str) -> list[Span]:
    """The addresses of a text, in order."""
    found = [span for match in _V4.finditer(text) if (span := _v4(text, match))]
    if "::" in text or text.count(":") >= 7:
        found = sorted([*found, *(span for match in _V6.finditer(text) if (span := _v6(match)))])
    return found


def _v4(text: str, match: re.Match[str]) -> Span | None:
    numbers = match.group().split(".")
    octets = [int(number) for number in numbers]
    if max(octets) > 255 or any(len(number) > 1 and number[0] == "0" for number in numbers):
        return None
    start, end = match.span()
    # Of a million public addresses four have one digit in every place; of sections, versions and the known public
    # resolvers nearly all. At the start of a line with a word behind, places of two digits are a heading's.
    is_heading = (
        (start == 0 or text[start - 1] == "\n") and text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha()
    )
    if max(octets) < (100 if is_heading else 10):
        return None
    if _VERSION.search(text, max(0, start - _CONTEXT), start):
        return None
    address = int.from_bytes(octets, "big")
    is_personal = not any(address & mask == network for network, mask in _NOBODYS_V4)
    return Span(start, end, "ip", str(IPv4Address(address)), is_personal)


def _v6(match: re.Match[str]) -> Span | None:
    """Only 2000::/3 is given to anyone, which leaves times, hardware addresses and scope operators out."""
    try:
        address = IPv6Address(match.group())
    except AddressValueError:
        return None
    is_personal = not any(address in network for network in _NOBODYS_V6)
    return Span(*match.span(), "ip", str(address), is_personal)
