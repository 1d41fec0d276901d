"""What is made many times for each row, and what is declared at every start: made cheap.

A frozen dataclass sets each of its fields through ``object.__setattr__``, and a named tuple's
``_replace`` looks through all of its fields by name: together a tenth of what a row cost. And
``dataclass`` writes and compiles up to six methods for each class, most of which no run of ten rows
ever calls: a fifth of its CPU (docs/architecture.md, "What a row costs").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
TupleT = TypeVar("TupleT", bound=tuple[Any, ...])

new: Callable[[type[TupleT], Iterable[Any]], TupleT] = tuple.__new__
"""A named tuple of all of its fields in their order: what is made for each row. Nothing checks."""

_METHODS = ("__init__", "__repr__", "__eq__", "__hash__")
_FACTS = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
_OF_NO_SLOTS = ("__dict__", "__weakref__")
_ONE_THREAD = RLock()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """As ``@dataclass(frozen=True, slots=True)``, but that only the type checker forbids changes.

    Equal, hashed, matched, shown, copied and pickled like one. ``dataclass`` makes each method when
    it is used first, so what is wrong with a declaration is raised then.
    """
    return _made(cls, _METHODS)


@dataclass_transform(field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """As ``@dataclass(slots=True)``: what a ``value`` is, but that it changes and has no hash."""
    return _made(cls, _METHODS[:-1])


def _made(cls: type[T], methods: tuple[str, ...]) -> type[T]:
    """The class with slots, and with what ``dataclass`` would add still to be made."""
    own = [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
    body = {
        name: one for name, one in vars(cls).items() if name not in own and name not in _OF_NO_SLOTS
    }
    # None stands where Python has taken away the hash of a class with an ``__eq__`` of its own.
    late = [name for name in (*methods, *_FACTS) if body.get(name) is None]
    body |= {name: _Late(cls) for name in late}
    body["__slots__"] = tuple(name for name in own if name not in inherited)
    metaclass: Callable[..., type[T]] = type(cls)
    made = metaclass(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


class _Late:
    """Stands in a value's class for what ``dataclass`` makes there once somebody asks."""

    def __init__(self, declared: type[Any]) -> None:
        self._declared = declared
        """The class without slots, which has the defaults of the fields."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        with _ONE_THREAD:
            if vars(self._owner)[self._name] is self:
                make = self._fact if self._name in _FACTS else self._method
                setattr(self._owner, self._name, make())
        made = vars(self._owner)[self._name]
        return made.__get__(instance, owner) if callable(made) else made

    def _fact(self) -> Any:
        declared = self._declared
        if self._name not in vars(declared):
            declared.__doc__ = declared.__doc__ or declared.__name__  # Else dataclass writes some.
            dataclass(init=False, repr=False, eq=False)(declared)
        return vars(declared)[self._name]

    def _method(self) -> Any:
        """Taken from a class that inherits all fields and has none: each can be made alone."""
        owner, name = self._owner, self._name
        metaclass: Callable[..., type[Any]] = type(owner)
        words = owner.__doc__ or owner.__name__  # As above.
        heir = metaclass(owner.__name__, (owner,), {"__slots__": (), "__doc__": words})
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
    return cast("re.Pattern[str]", _LatePattern(text, flags))


class _LatePattern:
    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags
        self.pattern = text  # Others are made of it.

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)  # Found without this method from now on.
        return found
