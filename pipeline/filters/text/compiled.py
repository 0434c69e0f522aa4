# mypy: disable-error-code="call-arg"
"""Compiled functions (numba): where their machine code is kept, and memory that they read and write by its address.

numba looks only at the file of a function to tell whether kept code is stale, not at the files of the functions that
were compiled into it. So the code is kept in a folder that is named by a digest of all sources of this package.

An array in a compiled function is seven numbers and a count of references that all cores must agree on: too dear to
hand to a function that is called for every word, and slow to compile. `u32` and its like take the address of the first
element instead. Nothing checks it: who passes an address keeps the array alive, and large enough.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_CONFIG: Any = numba.config
_INT = types.int64
_WIDE = ir.IntType(64)


def _folder() -> Path:
    """Where compiled code is kept: below `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR) / name
    beside = here / "__pycache__"
    if os.access(beside if beside.is_dir() else here, os.W_OK):
        return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup" / name


_FOLDER = str(_folder())


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call; it becomes part of them."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, when it is first called; the machine code is kept for other processes."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True, no_cfunc_wrapper=True)(function)
    finally:
        _CONFIG.CACHE_DIR = usual


def _element(builder: Any, address: Any, index: Any, bits: int) -> Any:
    pointer = builder.inttoptr(address, ir.IntType(bits).as_pointer())
    return builder.gep(pointer, [index])


@intrinsic
def u32(typing_context: Any, address: Any, index: Any) -> Any:
    """An element of an array of `uint32`, as a signed number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_element(builder, *arguments, 32)), _WIDE)

    return _INT(_INT, _INT), generate


@intrinsic
def put32(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an element of an array of `uint32`; of a larger number the low bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        builder.store(builder.trunc(value, ir.IntType(32)), _element(builder, address, index, 32))
        return context.get_dummy_value()

    return types.void(_INT, _INT, _INT), generate


@intrinsic
def u64(typing_context: Any, address: Any, index: Any) -> Any:
    """An element of an array of `uint64`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_element(builder, *arguments, 64))

    return types.uint64(_INT, _INT), generate


@intrinsic
def put64(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an element of an array of `uint64`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        builder.store(value, _element(builder, address, index, 64))
        return context.get_dummy_value()

    return types.void(_INT, _INT, types.uint64), generate


@intrinsic
def prefetch64(typing_context: Any, address: Any, index: Any) -> Any:
    """Ask for the memory of an element of an array of `uint64` that is read soon; any index is safe."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_ = ir.IntType(8).as_pointer()
        element = builder.bitcast(_element(builder, *arguments, 64), bytes_)
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [bytes_], ir.FunctionType(ir.VoidType(), [bytes_, number, number, number])
        )
        builder.call(function, [element, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(_INT, _INT), generate
