"""Cheap immutable values mean what the standard library's mean."""

from __future__ import annotations

import copy
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from importer.delivery.protocol.events import Begin, Woken
from importer.delivery.protocol.states import Done, Origin, Sent
from importer.values import pattern, quick, record, value

if TYPE_CHECKING:
    from collections.abc import Callable


class Plain(NamedTuple):
    """A named tuple as it comes."""

    one: int
    two: str = "two"


@quick
class Quick(NamedTuple):
    """The same, made quick."""

    one: int
    two: str = "two"


def test_a_quick_tuple_replaces_as_any_other() -> None:
    """The fields named are changed, the others kept, the type stays; an unknown name is refused."""
    first = Quick(1)
    assert tuple(first._replace(two="zwei")) == tuple(Plain(1)._replace(two="zwei"))
    assert type(first._replace(one=2)) is Quick
    assert first._replace() == first == Quick(1)
    for made in (first, Plain(1)):
        with pytest.raises(ValueError, match="three"):
            made._replace(three=3)  # type: ignore[call-arg]


def test_a_value_equals_only_its_own_kind() -> None:
    """Equal in type and fields, and then of one hash; a copy, pickled or not, is equal."""
    done = Done(0, b"x", "bcus_1", Origin.CREATED)
    assert done == Done(0, b"x", "bcus_1", Origin.CREATED)
    assert hash(done) == hash(Done(0, b"x", "bcus_1", Origin.CREATED))
    assert done != Done(0, b"x", "bcus_2", Origin.CREATED)
    assert len({Begin(1.0), Woken(1.0)}) == 2
    assert pickle.loads(pickle.dumps(done)) == copy.deepcopy(done) == done  # noqa: S301 - our own
    assert not hasattr(Sent(0, b"x", 1.0), "__dict__")


@value
class Base:
    """A value that others are made of."""

    note: str = field(default="", kw_only=True, compare=False, repr=False)


@value
class Whole(Base):
    """A value with fields of its own, and of its base."""

    one: int
    some: tuple[int, ...] = ()
    made: list[int] = field(default_factory=list)

    @property
    def twice(self) -> int:
        """Twice the one."""
        return 2 * self.one


def test_a_value_is_what_a_dataclass_would_be() -> None:
    """Whatever is asked of it first, its methods are there; what does not fit is refused."""
    assert Whole.__match_args__ == ("one", "some", "made")
    whole = Whole(1, (2,), note="x")
    assert whole == Whole(1, some=(2,), note="y")
    assert repr(whole) == "Whole(one=1, some=(2,), made=[])"
    assert replace(whole, one=2).twice == 4
    assert replace(whole, one=2).note == "x"
    assert [one.name for one in fields(Whole)] == ["note", "one", "some", "made"]
    assert Whole(1).made is not Whole(1).made
    with pytest.raises(TypeError, match="one"):
        Whole()  # type: ignore[call-arg]
    match whole:
        case Whole(one, some):
            assert (one, some) == (1, (2,))


def _bare(kind: type[Any]) -> Any:
    """An instance as unpickling makes it: without its ``__init__``."""
    made: Any = object.__new__(kind)
    made.note, made.one = "x", 1
    return made


@pytest.mark.parametrize(
    "first",
    [
        lambda kind: kind("x", 1),
        lambda kind: _bare(kind) == _bare(kind),
        lambda kind: hash(_bare(kind)),
        lambda kind: repr(_bare(kind)),
        lambda kind: kind.__match_args__,
        fields,
        lambda kind: replace(_bare(kind), one=2),
    ],
)
def test_a_value_is_whole_whatever_is_asked_of_it_first(first: Callable[[type[Any]], Any]) -> None:
    """Also where all threads ask at once; a method that it declares itself stays."""

    @value
    class Above:
        note: str = ""

        def __repr__(self) -> str:
            return f"<{self.note}>"

    @value
    class Below(Above):
        one: int = 0

        def with_super(self) -> bool:
            return Above.__eq__(self, self)

    with ThreadPoolExecutor(8) as threads:
        assert len({str(one) for one in threads.map(first, [Below] * 8)}) == 1
    assert Below("x", 1) == _bare(Below) != Below("x", 2)
    assert repr(Above("x")) == "<x>"
    assert repr(Below("x", 1)).endswith("Below(note='x', one=1)")
    assert Below("x", 1).with_super()
    assert Below.__qualname__.endswith("<locals>.Below")
    match _bare(Below):
        case Below(note, one):
            assert (note, one) == ("x", 1)


@record
class Tally:
    """A record, counted up."""

    name: str
    count: int = 0
    seen: list[int] = field(default_factory=list, compare=False)


def test_a_record_is_a_dataclass_that_changes() -> None:
    """It has the fields and methods of one, no others, and no hash; what it lacks is refused."""
    tally = Tally("rows")
    assert tally == Tally("rows", seen=[1])
    tally.count += 1
    assert tally != Tally("rows")
    assert repr(tally) == "Tally(name='rows', count=1, seen=[])"
    assert asdict(tally) == {"name": "rows", "count": 1, "seen": []}
    assert replace(tally, name="lines").count == 1
    assert pickle.loads(pickle.dumps(tally)) == copy.deepcopy(tally) == tally  # noqa: S301 - our own
    with pytest.raises(TypeError, match="unhashable"):
        hash(tally)
    with pytest.raises(AttributeError):
        tally.other = 1  # type: ignore[attr-defined]


def test_a_late_pattern_is_the_pattern() -> None:
    """Whatever is asked of it, first and again, it answers as the pattern would."""
    late, made = pattern("(a+)B", re.IGNORECASE), re.compile("(a+)B", re.IGNORECASE)
    for _ in range(2):
        assert late.findall("aab AB b") == made.findall("aab AB b")
    assert (late.pattern, late.flags, late.groups) == (made.pattern, made.flags, made.groups)
    with pytest.raises(AttributeError):
        late.nothing  # type: ignore[attr-defined]  # noqa: B018
