"""Immutable values that are made many times for each row, and what they must not cost.

A frozen dataclass sets each of its fields through ``object.__setattr__``, and a named tuple's
``_replace`` looks through all of its fields by name: together a tenth of what a row cost
(benchmarks/README.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
TupleT = TypeVar("TupleT", bound=tuple[Any, ...])


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """As ``@dataclass(frozen=True, slots=True)``, but that only the type checker forbids changes.

    Equal, hashed, matched, shown and pickled like one.
    """
    make: Callable[[type[T]], type[T]] = dataclass(slots=True, unsafe_hash=True)
    return make(cls)


def quick(cls: type[TupleT]) -> type[TupleT]:
    """The same named tuple with a ``_replace`` that costs a third, and means the same.

    Raises (from ``_replace``):
        ValueError: it has no such field.
    """
    index = {name: at for at, name in enumerate(cls._fields)}  # type: ignore[attr-defined]
    new: Callable[[type[TupleT], list[Any]], TupleT] = tuple.__new__

    def _replace(self: TupleT, /, **changes: Any) -> TupleT:
        values = [*self]
        try:
            for name, one in changes.items():
                values[index[name]] = one
        except KeyError as unknown:
            raise ValueError(f"{cls.__name__} has no field {unknown}") from None
        return new(cls, values)

    cls._replace = _replace  # type: ignore[attr-defined]
    return cls
