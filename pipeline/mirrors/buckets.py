"""How fsspec opens buckets: anonymously where nobody configured credentials."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from fsspec.config import conf

from pipeline.mirrors.remote import public_url

_OWN_OPTIONS = ("anon", "key", "secret", "token", "profile", "session")


def storage_options(url: str) -> dict[str, Any]:
    """Options for fsspec beside those of its configuration: public buckets can be read without an account.

    Credentials are looked for where boto does: the environment, shared files, the machine's role.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in ("s3", "s3a") or any(name in conf.get(scheme, {}) for name in _OWN_OPTIONS):
        return {}
    return {} if _has_credentials() else {"anon": True}


@functools.cache
def _has_credentials() -> bool:
    try:
        session = importlib.import_module("botocore.session")
    except ImportError:  # opening the URL says what is to be installed
        return True
    return session.Session().get_credentials() is not None


def why_refused(url: str) -> str:
    """What to do about a file that a bucket does not give."""
    if storage_options(url).get("anon") and public_url(url).startswith(("s3://commoncrawl", "s3a://commoncrawl")):
        return 'take mirror = "https://data.commoncrawl.org", or configure credentials of an AWS account'
    return "check its permissions or this machine's credentials"
