# mypy: disable-error-code="call-arg"
"""Memory that compiled functions read and write by its address.

An array in a compiled function is seven numbers and a count of references that all cores must agree on: too dear to
hand to a function that is called for every word, and slow to compile. `u32` and its like take the address of the first
element instead. Nothing checks it: who passes an address keeps the array alive, and large enough.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_INT = types.int64
_WIDE = ir.IntType(64)


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
