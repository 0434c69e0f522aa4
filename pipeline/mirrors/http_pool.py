"""HTTP connections: pools, proxies, trust, and a reading of answers that takes no cut for an end."""

from __future__ import annotations

import email.errors
import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from urllib3 import connection, connectionpool, exceptions
from urllib3.util import create_urllib3_context, make_headers

from manifests.errors import UserError
from pipeline.mirrors.remote import public_url

_MOST_HOSTS = 32  # whose idle connections are kept
_MOST_IDLE_CONNECTIONS = 256  # of each host: as many as a budget may allow
# A mirror on this machine is never behind the proxy that the environment may name.
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class _WholeLines:
    """What arrives on a connection. A line without its end is an error, where `http.client` takes it for whole.

    Else a head that is cut within its fields would be an answer without the others, and a chunk's size that is cut
    after a leading zero the end of the body.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.read1 = raw.read1

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._raw.readline(limit)
        if not line.endswith(b"\n") and (limit < 0 or len(line) < limit):
            raise http.client.IncompleteRead(line)
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _StrictResponse(http.client.HTTPResponse):
    """An answer whose head is whole and well made."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp: Any = _WholeLines(self.fp)

    def begin(self) -> None:
        super().begin()
        bad = (email.errors.MissingHeaderBodySeparatorDefect, email.errors.FirstHeaderLineIsContinuationDefect)
        if any(isinstance(defect, bad) for defect in self.headers.defects):
            # The fields after a line that is none are lost.
            raise http.client.HTTPException("a header field without a name")


class _Connection(connection.HTTPConnection):
    response_class = _StrictResponse


class _SecureConnection(connection.HTTPSConnection):
    response_class = _StrictResponse


class _Pool(connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(connectionpool.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _strict(pools: urllib3.PoolManager) -> urllib3.PoolManager:
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pools


def _trust() -> ssl.SSLContext:
    """What the machine trusts, and what browsers trust where the machine has no list."""
    context = create_urllib3_context()
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    return context


def make_pool(proxy: str | None, secure: bool) -> urllib3.PoolManager:
    """Connections to any number of hosts, through a proxy where one is named, for several threads."""
    context = _trust() if secure else None
    if proxy is None:
        return _strict(urllib3.PoolManager(num_pools=_MOST_HOSTS, maxsize=_MOST_IDLE_CONNECTIONS, ssl_context=context))
    try:
        user = urllib3.util.parse_url(proxy).auth
        return _strict(
            urllib3.ProxyManager(
                proxy,
                num_pools=_MOST_HOSTS,
                maxsize=_MOST_IDLE_CONNECTIONS,
                proxy_headers=make_headers(proxy_basic_auth=user) if user else None,
                ssl_context=context,
            )
        )
    except exceptions.HTTPError:
        raise UserError(
            f"{public_url(proxy)}: the environment names this proxy, and it is no http(s) address. "
            "Correct or unset HTTP_PROXY and HTTPS_PROXY."
        ) from None


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or host in _LOOPBACK_HOSTS or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
