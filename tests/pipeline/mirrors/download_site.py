"""A mirror with one file, and an output folder to download it to."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.storage import Folder, PublishedFile
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import FaultHook, LoopbackMirror
from pipeline.mirrors.remote import RemoteFile
from pipeline.mirrors.retry import RetrySettings

NAME = "crawl/00000.warc.gz"


def make_members(num_members: int = 40, seed: int = 0) -> list[bytes]:
    """Gzip members of bytes that hardly compress, as a WARC file has them."""
    source = random.Random(seed)
    return [gzip.compress(source.randbytes(2_000) + b"text " * 200, mtime=0) for _ in range(num_members)]


class Site:
    """A mirror with one file, an output folder, and what the downloads met."""

    def __init__(self, folder: Path) -> None:
        self.mirror_folder = folder / "mirror"
        self.out = Folder(folder / "out")
        self.num_put = 0
        self.content = b"".join(make_members())
        self.put(NAME, self.content)
        self.waits: list[float] = []
        self.faults: Counter[str] = Counter()
        self.methods: list[str] = []
        self.starts: list[int] = []
        self.fault: FaultHook = lambda request: None

    def put(self, name: str, content: bytes) -> None:
        """Give the mirror a file, with a date of its own: one of this second proves no version."""
        path = self.mirror_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.num_put += 1
        os.utime(path, (1_600_000_000 + self.num_put, 1_600_000_000 + self.num_put))

    def get(
        self,
        name: str = NAME,
        retry: RetrySettings | None = None,
        check: Callable[[str], None] | None = None,
        **facts: object,
    ) -> PublishedFile:
        """Download a file; `facts` are what its listing or pin says: bytes, sha1, sha256, version."""
        with LoopbackMirror(self.mirror_folder, lambda request: self.fault(request)) as mirror:
            file = RemoteFile(name, f"{mirror.url}/{name}", "warc", **facts)  # type: ignore[arg-type]
            with Downloader(retry, wait=self.waits.append) as downloader:
                try:
                    return downloader.download(file, self.out, check=check).published
                finally:
                    self.faults = downloader.faults
                    self.methods = [request.method for request in mirror.requests]
                    self.starts = [request.start for request in mirror.requests]

    def refuse(self, match: str, name: str = NAME, **arguments: object) -> None:
        """Expect one line that says why, and nothing published."""
        with pytest.raises(UserError, match=match) as caught:
            self.get(name, **arguments)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert not self.out.exists(name)

    def check(self, published: PublishedFile, content: bytes | None = None) -> None:
        """The published file is the original, and nothing else is left."""
        content = self.content if content is None else content
        assert self.out.read_bytes(published.path) == content
        assert published == PublishedFile(published.path, len(content), hashlib.sha256(content).hexdigest())
        assert self.out.list() == [published.path]
