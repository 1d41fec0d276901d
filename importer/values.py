"""Immutable values: what is made many times for each row, and what is declared at every start.

A frozen dataclass sets each of its fields through ``object.__setattr__``, and a named tuple's
``_replace`` looks through all of its fields by name: together a tenth of what a row cost. And
``dataclass`` writes and compiles six methods for each class, most of which no run of ten rows ever
calls: a seventh of its CPU (docs/architecture.md, "What a row costs").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
TupleT = TypeVar("TupleT", bound=tuple[Any, ...])

_METHODS = ("__init__", "__repr__", "__eq__", "__hash__")
_FIELDS = "__dataclass_fields__"
_PARAMETERS = "__dataclass_params__"
_OUTSIDE = ("__dict__", "__weakref__")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """As ``@dataclass(frozen=True, slots=True)``, but that only the type checker forbids changes.

    Equal, hashed, matched, shown, copied and pickled like one. ``dataclass`` itself makes the
    methods, when the first of them is called.
    """
    own = [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
    fresh = [name for name in own if name not in inherited]
    names = {
        name: one for name, one in vars(cls).items() if name not in own and name not in _OUTSIDE
    }
    metaclass: Callable[..., type[T]] = type(cls)
    made = metaclass(
        cls.__name__, cls.__bases__, {**names, "__slots__": tuple(fresh), _FIELDS: _Fields(cls)}
    )
    for name in _METHODS:
        if name not in names or (name == "__hash__" and names[name] is None):
            setattr(made, name, _on_first_call(made, name))
    by_place = [*getattr(made.__mro__[1], "__match_args__", ()), *own]
    keyword = {name for name in own if getattr(vars(cls).get(name), "kw_only", False) is True}
    setattr(made, "__match_args__", tuple(name for name in by_place if name not in keyword))  # noqa: B010 - mypy
    return made


class _Fields:
    """The fields of a value, for ``dataclasses.fields`` and ``replace``; its methods with them."""

    def __init__(self, declared: type[Any]) -> None:
        self._declared = declared

    def __get__(self, _: object, made: type[Any]) -> Any:
        # A class that inherits this one finds its own first, as each value has one.
        full = dataclass(unsafe_hash=True)(self._declared)
        for name in _METHODS:
            if getattr(vars(made).get(name), "is_stub", False):
                setattr(made, name, vars(full)[name])
        for name in (_FIELDS, _PARAMETERS):
            setattr(made, name, vars(full)[name])
        return vars(full)[_FIELDS]


def _on_first_call(made: type[Any], name: str) -> Callable[..., Any]:
    def method(self: Any, /, *positional: Any, **named: Any) -> Any:
        getattr(made, _FIELDS)
        return getattr(made, name)(self, *positional, **named)

    method.is_stub = True  # type: ignore[attr-defined]
    return method


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
