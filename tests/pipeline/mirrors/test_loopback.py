"""The mirror of tests and benches answers as HTTP says, and misbehaves exactly as it is told."""

from __future__ import annotations

import http.client
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.mirrors.loopback import Fault, LoopbackMirror, LoopbackProcess
from tests.acquire_mirror import put

_DATA = bytes(range(256)) * 400
_KEY = "folder/a file.bin"
_PATH = "/folder/a%20file.bin"


class Client:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)

    def close(self) -> None:
        """The next request makes a new connection."""
        self._connection.close()

    def get(self, path: str = _PATH, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, headers=sent)
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture
def faults() -> list[Fault]:
    """How the next requests are answered."""
    return []


@pytest.fixture
def client(tmp_path: Path, faults: list[Fault]) -> Iterator[Client]:
    put(tmp_path, _KEY, _DATA)
    with LoopbackMirror(tmp_path, lambda request: faults.pop(0) if faults else None) as mirror:
        yield Client(mirror.url)


def test_ranges_and_conditions(client: Client) -> None:
    status, headers, body = client.get()
    assert (status, body, headers["content-length"]) == (200, _DATA, str(len(_DATA)))
    etag, date = headers["etag"], headers["last-modified"]
    assert client.get(method="HEAD")[1:] == ({**headers, "date": client.get()[1]["date"]}, b"")
    status, headers, body = client.get(Range="bytes=100-199", If_Range=etag)
    assert (status, body, headers["content-range"]) == (206, _DATA[100:200], f"bytes 100-199/{len(_DATA)}")
    assert client.get(Range="bytes=100-", If_Range=date)[2] == _DATA[100:]
    assert client.get(Range="bytes=100-", If_Range='"other"')[::2] == (200, _DATA)
    assert client.get(Range="bytes=100-", If_Unmodified_Since="Sat, 02 Mar 2024 00:00:00 GMT")[0] == 412
    status, headers, body = client.get(Range=f"bytes={len(_DATA)}-")
    assert (status, headers["content-range"]) == (416, f"bytes */{len(_DATA)}")
    assert client.get("/none")[0] == 404
    assert client.get(method="DELETE")[0] == 501
    assert re.findall('href="([^"]*)"', client.get("/folder/")[2].decode()) == ["../", "a%20file.bin"]


def test_faults_are_as_told(client: Client, faults: list[Fault]) -> None:
    def ask(fault: Fault, **headers: str) -> tuple[int, dict[str, str], bytes]:
        faults[:] = [fault]
        return client.get(**headers)

    rest = {"Range": "bytes=100-"}
    assert ask(Fault(status=503, headers={"Retry-After": "7"}))[1]["retry-after"] == "7"
    assert ask(Fault(chunked=True))[2] == _DATA
    assert ask(Fault(drip_bytes=50_000, drip_seconds=0.001))[2] == _DATA
    assert ask(Fault(no_length=True, cut_after=5))[2] == _DATA[:5]
    assert ask(Fault(headers={"Content-Length": "5"}))[2] == _DATA[:5]
    client.close()  # more comes than was said
    assert ask(Fault(ignore_range=True), **rest)[::2] == (200, _DATA)
    assert ask(Fault(shift=3), **rest)[2] == _DATA[103:]
    assert ask(Fault(body=b"another"))[2] == b"another"
    for fault in (
        Fault(cut_after=70_000),
        Fault(headers={"Content-Length": str(len(_DATA) + 1)}),
        Fault(chunked=True, cut_after=70_000),
        Fault(chunked=True, bad_chunk_after=70_000),
    ):
        with pytest.raises(http.client.IncompleteRead):
            ask(fault)
        client.close()
    for fault in (Fault(reset=True), Fault(cut_after=70_000, reset=True), Fault(cut_head_after=0)):
        with pytest.raises(ConnectionResetError):
            ask(fault)
        client.close()
    assert client.get()[2] == _DATA


def test_a_mirror_in_a_process_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, _KEY, _DATA)
    with LoopbackProcess(tmp_path) as mirror, urllib.request.urlopen(mirror.url + _PATH) as answer:
        assert answer.read() == _DATA
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(mirror.url + _PATH)
