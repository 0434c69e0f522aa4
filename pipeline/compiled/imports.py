"""What libraries would load for features that groundup does not use: up to a second in every process that starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Missing:
    """A finder of modules that says of one library that it is not there."""

    def __init__(self, library: str) -> None:
        self._library = library

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._library:
            raise ModuleNotFoundError(f"{name} is left out here", name=name)


@contextmanager
def not_installed(library: str) -> Iterator[None]:
    """While this holds, importing a library fails as if it were not there; one that is loaded already stays."""
    finder = _Missing(library)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def settle_arrow() -> None:
    """Make ready Arrow for this process, which must be groundup's own: Arrow knows no `pandas.NA` after it.

    With more threads of Arrow one may still hold a Python file when the process ends, which then aborts or hangs
    (apache/arrow#50482); tasks have processes of their own. And the first array that Arrow makes of Python objects
    loads pandas, if only to see that they are none of its.
    """
    import pyarrow

    pyarrow.set_cpu_count(1)
    with not_installed("pandas"):
        pyarrow.array([])
