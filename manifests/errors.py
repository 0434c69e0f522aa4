"""Errors that are meant for the person at the keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_MOST_CHARACTERS = 2000
# Controls, ends of lines, and what turns the direction of the characters after it.
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def one_line(message: str) -> str:
    """A message that may quote what strangers wrote as one line that any terminal shows, not longer than can be read.

    What cannot be printed is escaped; of a long message the middle is left out.
    """
    line = " ".join(message.split())
    if len(line) > _MOST_CHARACTERS:
        line = f"{line[: _MOST_CHARACTERS // 2]} [...] {line[-_MOST_CHARACTERS // 2 :]}"
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def shown(line: str) -> str:
    """A line with what strangers wrote in it, such as a file's name: what would end or turn the line is escaped."""
    return _NOT_SHOWN.sub(lambda found: ascii(found[0])[1:-1], line)


class UserError(Exception):
    """One line that says what is wrong, where, and what to do. The command line prints it and exits 1."""


class UsageError(UserError):
    """The command was called wrongly. The command line prints it and exits 2."""


def check_is_text(path: str, where: str, what_to_do: str) -> None:
    """Raises `UserError` for the path of a file whose name is no UTF-8: no manifest and no document could name it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{where}: the name of {os.fsencode(path)!r} is no UTF-8. {what_to_do}") from None


def check_text(options: Mapping[str, str | None]) -> None:
    """Raises `UsageError` for the value of an option that is no text: bytes that the terminal's encoding has not."""
    for option, value in options.items():
        try:
            (value or "").encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{option}: {value!a} is not valid UTF-8. Write it in UTF-8.") from None
