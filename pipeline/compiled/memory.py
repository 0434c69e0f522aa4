# mypy: disable-error-code="call-arg"
"""Memory that compiled functions read and write by its address.

An array in a compiled function is seven numbers and a count of references that all cores must agree on: too dear to
hand to a function that is called for every word, and slow to compile. `u32` and its like take the address of the first
element instead. Nothing checks it: who passes an address keeps the array alive, and large enough.

With `GROUNDUP_CHECK_MEMORY=1` every access is checked: the size of an array then stands before its first element, and
an index below 0 or beyond it raises `IndexError`, as does an address that is not an array's of `by_address`. Tests of
hostile text run so in CI.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from pipeline.compiled.folder import MEMORY_IS_CHECKED

_INT = types.int64
_WIDE = ir.IntType(64)
_MARK = 0x67756D656D6F7279  # before it, in a checked array: the number of its bytes
_HEAD_BYTES = 16


def by_address(array: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """An array of `uint32` whose elements can be had by its address: the array itself, or a copy."""
    plain = np.ascontiguousarray(array, np.uint32)
    if not MEMORY_IS_CHECKED:
        return plain
    whole = np.empty(plain.nbytes + _HEAD_BYTES, np.uint8)
    whole[:_HEAD_BYTES].view(np.uint64)[:] = plain.nbytes, _MARK
    checked = whole[_HEAD_BYTES:].view(np.uint32)
    checked[:] = plain
    return checked


def _check(context: Any, builder: Any, address: Any, index: Any, bits: int) -> None:
    """Raise `IndexError` where the element is not in its array."""
    head = builder.inttoptr(builder.sub(address, _WIDE(_HEAD_BYTES)), _WIDE.as_pointer())
    size, mark = (builder.load(builder.gep(head, [_WIDE(number)])) for number in range(2))
    end = builder.mul(builder.add(index, _WIDE(1)), _WIDE(bits // 8))
    outside = builder.or_(
        builder.icmp_signed("<", index, _WIDE(0)),
        builder.or_(builder.icmp_signed(">", end, size), builder.icmp_unsigned("!=", mark, _WIDE(_MARK))),
    )
    with builder.if_then(outside, likely=False):
        context.call_conv.return_user_exc(builder, IndexError, ("an element outside its array (compiled code)",))


def _element(context: Any, builder: Any, address: Any, index: Any, bits: int) -> Any:
    if MEMORY_IS_CHECKED:
        _check(context, builder, address, index, bits)
    return _place(builder, address, index, bits)


def _place(builder: Any, address: Any, index: Any, bits: int) -> Any:
    pointer = builder.inttoptr(address, ir.IntType(bits).as_pointer())
    return builder.gep(pointer, [index])


@intrinsic
def u32(typing_context: Any, address: Any, index: Any) -> Any:
    """An element of an array of `uint32`, as a signed number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_element(context, builder, *arguments, 32)), _WIDE)

    return _INT(_INT, _INT), generate


@intrinsic
def put32(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an element of an array of `uint32`; of a larger number the low bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        builder.store(builder.trunc(value, ir.IntType(32)), _element(context, builder, address, index, 32))
        return context.get_dummy_value()

    return types.void(_INT, _INT, _INT), generate


@intrinsic
def u64(typing_context: Any, address: Any, index: Any) -> Any:
    """An element of an array of `uint64`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_element(context, builder, *arguments, 64))

    return types.uint64(_INT, _INT), generate


@intrinsic
def put64(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an element of an array of `uint64`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        builder.store(value, _element(context, builder, address, index, 64))
        return context.get_dummy_value()

    return types.void(_INT, _INT, types.uint64), generate


@intrinsic
def prefetch64(typing_context: Any, address: Any, index: Any) -> Any:
    """Ask for the memory of an element of an array of `uint64` that is read soon; any index is safe."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_ = ir.IntType(8).as_pointer()
        element = builder.bitcast(_place(builder, *arguments, 64), bytes_)
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [bytes_], ir.FunctionType(ir.VoidType(), [bytes_, number, number, number])
        )
        builder.call(function, [element, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(_INT, _INT), generate
