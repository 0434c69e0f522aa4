"""Takes credentials out of text that a file, a log or a terminal is to show, and refuses them in a recipe's URLs.

Errors of other libraries quote URLs, headers and settings as they please; whatever they say passes through `scrub`.
It takes out more rather than less, and is for messages only: what is digested must not depend on the environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from fsspec.config import conf

from manifests.errors import UserError

HIDDEN = "***"
_LEAST_CHARACTERS = 6  # of a value that is looked for; shorter ones stand in other words
_MOST = 1024  # characters of a user or a value; it also bounds the work on hostile text

_SECRET_WORDS = (
    r"secret|passw(?:or)?d|passphrase|pwd|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key|account[_-]?key|"
    r"private[_-]?key|credentials?|authorization|signature|connection[_-]?string|sas|pat"
)
# Options of file systems that fsspec knows; `key` and `secret` are S3's.
_SECRET_OPTION = re.compile(rf"(?:.*[_-])?(?:{_SECRET_WORDS}|key|auth|user(?:name)?)", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(rf"(?:.*_)?(?:{_SECRET_WORDS}|key|auth)", re.IGNORECASE)
_PROXY_VARIABLE = re.compile(r".*_PROXY", re.IGNORECASE)
_NO_SECRETS = frozenset({"GOOGLE_APPLICATION_CREDENTIALS", "PWD"})  # paths
_PLAIN_URL = re.compile(r"[a-z0-9+.-]+://[^@?\s]*", re.IGNORECASE)

_SECRET_PARAMETER = re.compile(
    r"x-(?:amz|goog|ms|oss|cos|obs)-.*|.*(?:token|signature|secret|passw|pwd|credential|auth|policy|session|key).*|"
    r"sig|st|se|sp|sv|sr|expires",
    re.IGNORECASE | re.DOTALL,
)
_MOST_NAME = 128  # characters
_QUERY = re.compile(r"(?:[?&]|%3F|%26)[^\s'\"<>]*", re.IGNORECASE)
_PARAMETER_END = re.compile(r"[?&;]|%3F|%26", re.IGNORECASE)
_EQUALS = re.compile(r"=|%3D", re.IGNORECASE)

# In the part of a URL before its path: a user (of cloud storage, that is the container), or what is no host and port.
_URL_USER = re.compile(r"://(?:[^/?#]*@|[^/?#@\[]*:(?![0-9]*(?:[/?#]|$)))")
_CONTAINER = re.compile(r"(?:^|:)(?:abfss?|wasbs?)://[^/?#@:]+@")
_URL_QUERY = re.compile(r"\?[^/]*=")  # `?` alone is a pattern for one character

_SCHEMES = r"(?:bearer|basic|token|digest)"
_PATTERNS = [
    # The user of a URL: with a password in it that has a slash, and the common ones.
    (re.compile(rf"(://)[^\s/:@'\"]{{0,256}}:(?!\d+(?:[/?#\s'\"]|$))[^\s@]{{0,{_MOST}}}@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"(?<!abfs)(?<!abfss)(?<!wasb)(?<!wasbs)(://)[^\s/?#'\"<>]{{0,{_MOST}}}@"), rf"\1{HIDDEN}@"),
    # Headers, and settings as Python, JSON or a shell write them. `<` begins the tokens of a vocabulary.
    (
        re.compile(
            rf"\b(authorization['\"]?\s{{0,8}}[:=]\s{{0,8}}['\"]?(?:{_SCHEMES}\s+)?)(?!\*|{_SCHEMES}\s)[\w.~+/=-]{{6,}}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            rf"(\b[\w-]{{0,24}}(?:{_SECRET_WORDS})['\"]?\s{{0,8}}[:=]\s{{0,8}}b?)(?:'(?![<*])[^'\n]*'|\"(?![<*])[^\"\n]*\")",
            re.IGNORECASE,
        ),
        rf"\1'{HIDDEN}'",
    ),
    (re.compile(rf"\b([A-Z][A-Z0-9_]{{0,64}}_(?:{_SECRET_WORDS.upper()}|KEY)=)(?![*'\"])\S+"), rf"\1{HIDDEN}"),
    # Keys that show what they are: of AWS, of AWS that are secret, Hugging Face, GitHub, Google.
    (re.compile(r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{12,}\b"), HIDDEN),
    (
        re.compile(
            r"(?<![A-Za-z0-9/+=._-])(?![0-9a-f]{40}\b)(?=[^\sA-Z]{0,39}[A-Z])(?=[^\sa-z]{0,39}[a-z])(?=\D{0,39}\d)"
            r"[A-Za-z0-9+][A-Za-z0-9/+]{39}(?![A-Za-z0-9/+=_-]|\.\w)"
        ),
        HIDDEN,
    ),
    (re.compile(r"\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bAIza[\w-]{35}"), HIDDEN),
]


def scrub(text: str) -> str:
    """The text with `***` in place of what looks like a credential, or is one by the environment or fsspec's settings.

    Taken out are users of URLs; queries of signed URLs; keys of AWS, Hugging Face, GitHub and Google; bearer tokens and
    settings with names like `secret`; and wherever they stand, the values of environment variables with such names, of
    `FSSPEC_*`, and of such options in fsspec's configuration, as they are or encoded for URLs or JSON. Values of fewer
    than 6 characters are not looked for.
    """
    for value in _known_secrets():
        text = text.replace(value, HIDDEN)
    text = _QUERY.sub(_scrub_query, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def check_no_credentials(url: str) -> str:
    """The URL itself. Raises `UserError` where it holds a user, a password or a token: manifests record URLs."""
    if "://" in url and ((_URL_USER.search(url) and not _CONTAINER.search(url)) or _URL_QUERY.search(url)):
        # No ValueError: its message would come to quote the URL.
        raise UserError(
            f"a {url.partition('://')[0]}:// URL holds a user, a password or a query: "
            "put credentials in the environment or fsspec's configuration, not in the recipe."
        )
    return url


def _scrub_query(found: re.Match[str]) -> str:
    """A query without anything, where one of its names is such as signed URLs and tokens have."""
    query = found[0]
    names = [_EQUALS.split(part, maxsplit=1) for part in _PARAMETER_END.split(query)]
    if not any(len(part) == 2 and _SECRET_PARAMETER.fullmatch(part[0][-_MOST_NAME:]) for part in names):
        return query
    return (query[:3] if query.startswith("%") else query[:1]) + HIDDEN


def _known_secrets() -> list[str]:
    """Values that nobody may see, each in every way it may be written; the longest first, as one may hold another."""
    values = {*_environment_secrets(os.environ), *_option_secrets(conf)}
    written = {form for value in values if len(value) >= _LEAST_CHARACTERS for form in _forms(value)}
    return sorted(written - {HIDDEN * 2}, key=lambda value: (-len(value), value))


def _environment_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _PROXY_VARIABLE.fullmatch(name):
            yield from _users(value)
        elif name.startswith("FSSPEC_"):
            yield from _fsspec_secrets(value)
        elif name not in _NO_SECRETS and _SECRET_VARIABLE.fullmatch(name):
            yield value.strip()


def _fsspec_secrets(value: str) -> Iterator[str]:
    """Of `FSSPEC_S3_SECRET=...`, the value; of `FSSPEC_S3={...}`, those of its options."""
    try:
        options = json.loads(value)
    except ValueError:
        options = value
    if isinstance(options, dict):
        yield from _option_secrets(options)
    elif isinstance(options, str) and not _PLAIN_URL.fullmatch(value):  # an endpoint is no secret
        yield options


def _option_secrets(options: Any, named: bool = False) -> Iterator[str]:
    """Texts below the names of secret options, at any depth."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _option_secrets(value, named or _SECRET_OPTION.fullmatch(str(name)) is not None)
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _option_secrets(value, named)
    elif isinstance(options, str):
        if named:
            yield options
        yield from _users(options)


def _users(url: str) -> Iterator[str]:
    """User and password of a URL."""
    user = urlsplit(url).netloc.rpartition("@")[0] if "://" in url else url.rpartition("@")[0]
    for part in (user, *user.split(":", 1)[1:]):
        yield part
        yield unquote(part)


def _forms(value: str) -> set[str]:
    return {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
