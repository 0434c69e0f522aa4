"""Views of arrays that compiled code does not count references to.

Compiled functions count a reference to each array they are given, with an instruction that all cores must agree on;
in functions called for every tag of a page that took nine tenths of the time. A view made of an address has no owner to
count for. Whoever makes one keeps the array itself alive for as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.compiled.cache import kernel


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@kernel
def view(array: np.ndarray) -> np.ndarray:
    """The same elements, uncounted."""
    return carray(_pointer(array.ctypes.data), array.shape, array.dtype)  # type: ignore[call-arg, no-any-return]
