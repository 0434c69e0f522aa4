"""What every way of reading a remote file has in common: how it answers, and how it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from manifests.errors import UserError
from pipeline.mirrors.remote import Version, public_url

__all__ = ["Body", "Interrupted", "Limits", "NotFound", "Refused", "TooShort", "Transport", "Version"]


class Interrupted(Exception):
    """Something that another attempt may mend.

    fault: snake_case name to count it by.
    retry_after: seconds that the server asks to wait.
    reached: False where no connection came about.
    url: what was asked where that is not the file's own URL: the target of a redirect.
    """

    def __init__(
        self, fault: str, detail: str, retry_after: float | None = None, reached: bool = True, url: str | None = None
    ) -> None:
        super().__init__(detail)
        self.fault = fault
        self.retry_after = retry_after
        self.reached = reached
        self.url = url


class NotFound(UserError):
    """The mirror has no such file."""


class TooShort(UserError):
    """The mirror's file ends before what was asked for."""

    def __init__(self, url: str, wanted: int) -> None:
        super().__init__(
            f"{public_url(url)}: has fewer than the {wanted:,} bytes that it should have. It is cut off at this "
            "mirror: use another one, or run the same command later."
        )


class Refused(UserError):
    """The mirror answers and will not give the file. `url`: what was asked, after redirects."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


@dataclass
class Body:
    """An answer under way.

    start: byte of the file that `chunks` begin at; 0 where the server starts over.
    total: size of the whole file in bytes; None where the server does not say.
    marked_end: a connection that ends too early would be noticed.
    """

    start: int
    total: int | None
    version: Version
    marked_end: bool
    content_type: str
    chunks: Iterator[bytes]


class Limits(Protocol):
    """The part of a budget that a transport needs: `pipeline.mirrors.budget`."""

    def request(self, url: str) -> contextlib.AbstractContextManager[None]:
        """Stands around one request and its answer, body included."""

    def spend(self, url: str, num_bytes: int) -> None:
        """Called with bytes that arrived."""


class Transport(Protocol):
    """Reads files behind one kind of URL, in several threads at a time.

    Its methods raise `Interrupted`, `NotFound`, `Refused` or another `UserError`; so does reading a body's chunks.
    """

    def open(self, url: str, start: int = 0, version: Version | None = None) -> contextlib.AbstractContextManager[Body]:
        """Begin to read, at `start` if the file surely is of `version` still, else at 0."""

    def open_range(self, url: str, start: int, length: int) -> contextlib.AbstractContextManager[Body]:
        """Begin to read `length` bytes at `start`; a body that starts at 0 is of a server that knows no ranges."""

    def describe(self, url: str) -> tuple[Version, int | None]:
        """A file's version and size, without its bytes."""

    def list_folder(self, url: str) -> list[str]:
        """Names directly below a folder that ends with `/`, sorted."""

    def close(self) -> None: ...
