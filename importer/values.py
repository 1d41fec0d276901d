"""What is made many times for each row, and what is declared at every start: made cheap.

A frozen dataclass sets each of its fields through ``object.__setattr__``, and a named tuple's
``_replace`` looks through all of its fields by name: together a tenth of what a row cost. And
``dataclass`` writes and compiles up to six methods for each class, most of which no run of ten rows
ever calls: a fifth of its CPU (docs/architecture.md, "What a row costs").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
TupleT = TypeVar("TupleT", bound=tuple[Any, ...])

_METHODS = ("__init__", "__repr__", "__eq__", "__hash__")
_FIELDS = "__dataclass_fields__"
_PARAMETERS = "__dataclass_params__"
_OUTSIDE = ("__dict__", "__weakref__")
_ONE_THREAD = RLock()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """As ``@dataclass(frozen=True, slots=True)``, but that only the type checker forbids changes.

    Equal, hashed, matched, shown, copied and pickled like one. ``dataclass`` itself makes each
    method, when it is called first.
    """
    return _made(cls, _METHODS)


@dataclass_transform(field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """As ``@dataclass(slots=True)``: what a ``value`` is, but that it changes and has no hash."""
    made = _made(cls, _METHODS[:-1])
    made.__hash__ = None  # type: ignore[assignment]
    return made


def _made(cls: type[T], methods: tuple[str, ...]) -> type[T]:
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
    for name in methods:
        if name not in names or (name == "__hash__" and names[name] is None):
            setattr(made, name, _on_first_call(made, name))
    by_place = [*getattr(made.__mro__[1], "__match_args__", ()), *own]
    keyword = {name for name in own if getattr(vars(cls).get(name), "kw_only", False) is True}
    setattr(made, "__match_args__", tuple(name for name in by_place if name not in keyword))  # noqa: B010 - mypy
    return made


class _Fields:
    """The fields of a value, for ``dataclasses.fields`` and ``replace``, and for its methods."""

    def __init__(self, declared: type[Any]) -> None:
        declared.__doc__ = declared.__doc__ or declared.__name__  # Else dataclass writes some.
        self._declared = declared
        self._known: type[Any] | None = None

    def __get__(self, _: object, made: type[Any]) -> Any:
        # A class that inherits this one finds its own first, as each value has one.
        with _ONE_THREAD:
            if self._known is None:
                self._known = dataclass(init=False, repr=False, eq=False)(self._declared)
        for name in (_FIELDS, _PARAMETERS):
            setattr(made, name, vars(self._known)[name])
        return vars(self._known)[_FIELDS]


def _on_first_call(made: type[Any], name: str) -> Callable[..., Any]:
    def method(self: Any, /, *positional: Any, **named: Any) -> Any:
        if vars(made)[name] is method:  # Another thread may have been first.
            setattr(made, name, _method(made, name))
        return getattr(made, name)(self, *positional, **named)

    return method


def _method(made: type[Any], name: str) -> Any:
    """What ``dataclass`` makes, taken from a class that inherits all fields and has none."""
    metaclass: Callable[..., type[Any]] = type(made)
    words = made.__doc__ or made.__name__  # As above.
    heir = metaclass(made.__name__, (made,), {"__slots__": (), "__doc__": words})
    dataclass(
        init=name == "__init__",
        repr=name == "__repr__",
        eq=name == "__eq__",
        unsafe_hash=name == "__hash__",
    )(heir)
    return vars(heir)[name]


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


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """As ``re.compile``, but compiled when it is asked for something first.

    For a long one that few runs need: the longest take as long as the import of a small library.
    """
    return cast("re.Pattern[str]", _Late(text, flags))


class _Late:
    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags
        self.pattern = text  # Others are made of it.

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # Found without this method from now on.
        return found


def names_of(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose names are loaded when they are first used.

    Args:
        package: its ``__name__``.
        homes: each name with the module of the package that has it.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
