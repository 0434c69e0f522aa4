"""The values of Arrow columns as Python's: what Python cannot hold is lost as a value, not as a row."""

from __future__ import annotations

from typing import Any

from manifests.records.values import Unreadable


def column_at(table: Any, column: str) -> Any:
    """A column of a table or batch by its name, `b` in the struct `a` for `a.b`; None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = table.schema.names
    if column in names:
        return table.column(names.index(column))
    top = next((name for name in names if column.startswith(f"{name}.")), None)
    if top is None:
        return None
    found = table.column(names.index(top))
    for name in column.removeprefix(f"{top}.").split("."):
        if not pa.types.is_struct(found.type) or found.type.get_field_index(name) < 0:
            return None
        found = pc.struct_field(found, name)
    return found


def paths_of(schema: Any) -> list[str]:
    """The names of the columns of a schema; those in a struct by their path, such as `a.b`."""
    import pyarrow as pa

    paths: list[str] = []
    for field in schema:
        inner = paths_of(list(field.type)) if pa.types.is_struct(field.type) else []
        paths += [f"{field.name}.{path}" for path in inner] or [field.name]
    return paths


def python_values(column: Any) -> list[Any]:
    """The values of a column; an `Unreadable` for one that Python cannot hold. Times have microseconds."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_time64(kind) and kind.unit == "ns":
        column = column.cast(pa.time64("us"), safe=False)
    try:
        return list(column.to_pylist())
    except _errors():
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return bytes(scalar.as_buffer()) if hasattr(scalar, "as_buffer") else Unreadable("not UTF-8")
    except _errors() as error:
        if pa.types.is_timestamp(scalar.type) and scalar.type.tz is not None:
            try:
                return scalar.cast(pa.timestamp(scalar.type.unit, "UTC")).as_py()
            except _errors():
                pass  # it is the time that is out of range, and not its zone that is not known
        return Unreadable(f"{type(error).__name__}: {error}"[:500])


def _errors() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (ValueError, OverflowError, TypeError, KeyError, pa.ArrowException)  # a UnicodeDecodeError is a ValueError
