"""Errors of tokenizer libraries written in Rust, whose panics are no `Exception` and print lines of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from manifests.errors import UserError


@contextlib.contextmanager
def library_errors(describe: Callable[[str], str]) -> Iterator[None]:
    """Whatever a library raises inside becomes a `UserError`; `describe` makes its message of the library's one line.

    What goes to the standard error meanwhile comes afterwards. After a panic it does not: it is the panic's own
    message, and a backtrace.
    """
    with os.fdopen(os.memfd_create("stderr"), "w+b") as held:  # in memory: the disk may be full
        standard_error = os.dup(2)
        os.dup2(held.fileno(), 2)
        panicked = False
        try:
            yield
        except (KeyboardInterrupt, SystemExit, UserError):
            raise
        except BaseException as error:
            panicked = not isinstance(error, Exception)
            line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(describe(line)) from None
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            held.seek(0)
            if not panicked and (said := held.read()):
                os.write(2, said)
