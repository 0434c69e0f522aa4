"""URLs in one spelling, so that a listed one is found however it is written."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote

import idna

MAX_CHARACTERS = 4096
"""Of a URL; what comes after them is not looked at, which bounds the time for any."""

# The common case, in which nothing needs to be rewritten: half the time of the general one.
_COMMON = re.compile(
    r"https?://((?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9_-]+)((?:/[A-Za-z0-9!$&'()*+,\-.:;=@_~]+)*)/?(?:\?([!\"$&-~]*))?"
)
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*:[/\\]+|[/\\]{2,})?"
    r"(?:[^/\\?#]*@)?(\[[^\]/\\?#]*\]|[^/\\?#:]*)(?::[^/\\?#]*)?"
    r"([^?#]*)(?:\?([^#]*))?"
)
_PLAIN_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_NO_HOST = re.compile(r"[\s\"<>^`{|}%\x00-\x20\x7f]")
_REMOVED = str.maketrans("", "", "\t\n\r")  # as browsers do (URL standard, "basic URL parser")
_CONTROLS_AND_SPACE = "".join(map(chr, range(0x21)))
_SLASHES = re.compile(r"[/\\]+")
_WWW = re.compile(r"www\d+\.(?=[^.]+\.)")


class Address(NamedTuple):
    """The parts of a URL that rules look at, in lower case and without percent-encoding.

    host: ASCII (IDNA), without user, port or trailing dots; an IPv6 address in brackets. path: "" or "/a/b", without a
    slash at its end. query: what follows `?`, "" where there is none.
    """

    host: str
    path: str
    query: str

    @property
    def site(self) -> str:
        """The host without `www.`, `www2.` and the like before its name."""
        return bare_host(self.host)


def read_address(url: str) -> Address | None:
    """The address of a URL, with or without a scheme; None where it names no host."""
    if len(url) > MAX_CHARACTERS:
        url = url[:MAX_CHARACTERS]
    common = _COMMON.fullmatch(url)
    if common is not None:
        host, path, query = common.groups("")
        return Address(host.lower(), path.lower(), query.lower())
    return _read_any(url)


def _read_any(url: str) -> Address | None:
    url = url.strip(_CONTROLS_AND_SPACE)
    if not url.isprintable():
        url = url.translate(_REMOVED)
    parts = _PARTS.match(url)
    assert parts is not None, "every part may be empty"
    scheme, host, path, query = parts.groups()
    host = host.lower()
    if not _PLAIN_HOST.fullmatch(host):
        host = ascii_host(host)
        if not host or (scheme is None and "." not in host):
            return None
    return Address(host, _page(path) if path else "", _text(query) if query else "")


def ascii_host(host: str) -> str:
    """A host name as rules compare it; "" for what cannot be one."""
    if "%" in host:
        host = unquote(host, errors="replace")
    host = host.strip().lower()
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host.strip('[]')).compressed}]"
        except ValueError:
            return ""
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):  # not a registered name's spelling: compared as it is written
            host = host.encode("utf-8", "replace").decode("utf-8")
    host = host.strip(".")
    return "" if _NO_HOST.search(host) or ".." in host else host


def bare_host(host: str) -> str:
    """A host without `www.`, `www2.` and the like, where a name with a dot is left."""
    if host.startswith("www."):
        return host[4:] if host.find(".", 5) > 0 else host
    if host.startswith("www"):
        found = _WWW.match(host)
        if found is not None:
            return host[found.end() :]
    return host


def is_ip_address(host: str) -> bool:
    """Whether a host is an address of numbers, which has no domains above it (URL standard, "ends in a number")."""
    return host.endswith("]") or (host[-1:].isdigit() and host[host.rfind(".") + 1 :].isdigit())


def _text(part: str) -> str:
    if "%" in part:
        part = unquote(part, errors="replace")
    if not part.isascii():
        part = part.encode("utf-8", "replace").decode("utf-8")
    return part.lower()


def _page(path: str) -> str:
    path = _text(path)
    if "//" in path or "\\" in path:
        path = _SLASHES.sub("/", path)
    path = path.rstrip("/")
    return path if not path or path.startswith("/") else f"/{path}"
