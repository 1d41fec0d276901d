"""The volume guard: is this input like the last good one of its series? Pure.

A wrong or half-written export is the commonest way in which syncs destroy data, and there is no
call that deletes a customer. So what differs too much stops the run before anything is sent, with
its figures; whoever looked says ``--accept-drift`` once.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import polars as pl

from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    Pages = Callable[[], Iterable[pl.Series]]

EXAMPLES = 3
_EMPTY = pl.Series(dtype=pl.UInt64)
_HALF = 50
_FEW = 3
"""Records: fewer than these never count as half of a file."""


@value
class Volume:
    """The figures of one run that the next one of its series is compared with."""

    records: int = 0
    known: int = 0
    """Valid records whose customer the ledger knew."""
    changed: int = 0
    """Of those, records that differ from what the ledger knows."""
    new: int = 0
    """Valid records whose reference the ledger did not know."""
    carried: dict[str, int] = field(default_factory=dict)
    """Valid records that had a value, by field."""

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return asdict(self)

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave; what an older version did not note is 0."""
        known = {name: found[name] for name in cls.__dataclass_fields__ if name in found}
        return cls(**known)


class Bound(Protocol):
    """So many of so many are still alike (job.limit.ErrorLimit)."""

    @property
    def tolerated(self) -> int:
        """So few are never too many, whatever their share; 0 where a user gave the bound."""
        ...

    def exceeded(self, number: int, of: int, /) -> bool:
        """Whether so many of so many are too many."""
        ...


@value
class Bounds:
    """How much may differ; each is a number of records or a share."""

    fewer: Bound
    """Records that are missing, of those of the last good run."""
    changed: Bound
    """Records that changed, of those that the ledger knows."""
    new: Bound
    """Records with a new reference, of all valid ones."""
    vanished: Bound
    """Customers of this series that the input no longer has, where vanished ones are marked."""
    older: Bound
    """Customers that an input which an earlier run had would change back, of the known ones."""
    incremental: bool = False
    """Each input holds what is new or changed only: its volume says nothing."""


FIELD_LOST = "field_lost"
OLDER_INPUT = "older_input"


class Twins(NamedTuple):
    """New references that differ from known ones by their spelling only."""

    number: int = 0
    examples: tuple[tuple[str, str], ...] = ()
    """(new, known)."""


NO_TWINS = Twins()


class Older(NamedTuple):
    """An earlier run had this very input, and one of another input came since."""

    run: str
    """That earlier run, in words."""
    since: str
    """The other one."""
    is_named: bool = False
    """Whether the files have the names that they had then, and other ones than those since."""
    is_part: bool = False
    """Whether the input is only the errors file of the earlier run."""

    def text(self, back: int) -> str:
        """What is said where so many customers would be changed by it."""
        what = f"this is the {'errors file' if self.is_part else 'input'} of {self.run}"
        customers = "1 customer" if back == 1 else f"{back:,} customers"
        change = "updated from it" if self.is_part else "changed back"
        return (
            f"{what}, and {self.since} brought another input since: {customers} would be {change}"
        )


class Drift(NamedTuple):
    """One way in which the input is not like the last one."""

    code: str
    text: str


def empty_input() -> Drift:
    """What is said of an input without records, by every command."""
    return Drift("no_records", "the input has no records at all")


def drifts(
    now: Volume,
    before: Volume | None,
    bounds: Bounds,
    *,
    twins: Twins = NO_TWINS,
    vanished: int = 0,
    delivered: int = 0,
    marks: bool = False,
    older: Older | None = None,
) -> list[Drift]:
    """Everything that is unlike the last good run, the gravest first; empty to go on.

    Args:
        now: this input.
        before: the last good run of the series; None where there is none.
        bounds: what is still alike.
        twins: new references that are known ones in another spelling.
        vanished: customers of this series that the input no longer has.
        delivered: all customers of this series.
        marks: whether vanished customers would be marked.
        older: the earlier run that had this input; None where none had.
    """
    found = [*_older(older, now.changed + marks * vanished, now.known, bounds), *_twins(twins)]
    if bounds.incremental:
        return found
    if not now.records:
        return [empty_input(), *found]
    if before is None:
        return found
    missing = before.records - now.records
    if _beyond(bounds.fewer, missing, before.records, half=True):
        found.append(
            Drift(
                "far_fewer_records",
                f"{now.records:,} records where the last good run had {before.records:,}"
                f" ({_share(missing, before.records)} fewer, the bound is {bounds.fewer})",
            )
        )
    found += _lost_fields(now, before)
    valid = now.known + now.new
    if before.known + before.new and bounds.new.exceeded(now.new, valid):
        found.append(
            Drift(
                "many_new_references",
                f"{now.new:,} of {valid:,} references are new"
                f" ({_share(now.new, valid)}, the bound is {bounds.new})",
            )
        )
    if bounds.changed.exceeded(now.changed, now.known):
        found.append(
            Drift(
                "many_changed",
                f"{now.changed:,} of {now.known:,} known records changed"
                f" ({_share(now.changed, now.known)}, the bound is {bounds.changed})",
            )
        )
    if marks and _beyond(bounds.vanished, vanished, delivered, half=False):
        found.append(
            Drift(
                "many_vanished",
                f"{vanished:,} of {delivered:,} customers are gone from the input and would be"
                f" marked ({_share(vanished, delivered)}, the bound is {bounds.vanished})",
            )
        )
    return found


def twin_keys(references: pl.Series) -> pl.Series:
    """A hash for each reference, the same for spellings that differ in nothing of substance.

    That is leading zeros of a number, upper and lower case, blanks and apostrophes (as a mapping
    escapes them), and an ``.0`` behind (a number that was a float for a while).
    """
    plain = references.str.to_lowercase()
    for pattern, kept in _SPELLINGS:
        plain = plain.str.replace_all(pattern, kept)
    return plain.hash()


_SPELLINGS = (
    # U+0020, U+0027, U+0060, U+00A0, U+2018, U+2019 as mapping.converted writes them.
    ("_(?:20|27|60|c2a0|e28098|e28099)_", ""),
    ("_2e_0+$", ""),
    # The last, and it takes nothing but zeros away: ``_near_keys`` takes all of them.
    ("(^|[^0-9])0+([0-9])", "${1}${2}"),
)
_NONE_SPELT = pl.DataFrame(schema={"text": pl.String, "key": pl.UInt64})


def find_twins(
    new: Pages, known: Pages, held: Callable[[list[str]], Iterable[str]] = iter
) -> Twins:
    """New references that are known ones in another spelling.

    Of all of them only hashes are kept, so that memory stays small.

    Args:
        new: makes an iterator over the new references, in parts of any size.
        known: the same for every reference that the ledger has; not asked where none is new.
        held: those of some of them that it still knows something of.
    """
    near = pl.concat([_EMPTY, *map(_near_keys, new())]).unique().implode()
    keys: pl.DataFrame | None = None
    spelt = _NONE_SPELT
    for page in known() if near[0].len() else ():
        maybe = page.filter(_near_keys(page).is_in(near))
        if maybe.len():
            # The keys themselves take ten times as long: of few they are needed at all.
            keys = _keys(new) if keys is None else keys
            spelt = spelt.vstack(_with_key(maybe).join(keys, on="key", how="semi"))
    number = 0
    examples: list[tuple[str, str]] = []
    for part in new() if spelt.height else ():
        pairs = _with_key(part).join(spelt, on="key", suffix="_known", maintain_order="left_right")
        pairs = pairs.filter(pl.col("text") != pl.col("text_known"))
        if pairs.is_empty():
            continue
        asked = pairs.select("text").join(spelt, on="text", how="semi")["text"]
        there = list(held(list({*asked, *pairs["text_known"]})))
        # A row that is sent again is known by this very spelling.
        twins = pairs.filter(pl.col("text_known").is_in(there) & ~pl.col("text").is_in(there))
        twins = twins.unique("text", keep="last", maintain_order=True)
        number += twins.height
        examples += twins.select("text", "text_known").head(EXAMPLES - len(examples)).rows()
    return Twins(number, tuple(examples))


def twins_within(references: Pages) -> Twins:
    """References of one input that are another one of it in another spelling.

    Both are customers of their own: a first file has nothing that it could be compared with.

    Args:
        references: makes an iterator over them, in parts of any size; asked again only where
            twins are possible.
    """
    keyed = _key_of(references)
    if keyed is None:
        return NO_TWINS
    keys = pl.concat([_EMPTY, *map(keyed, references())])
    again = keys.filter(keys.is_duplicated()).unique().to_frame("key")
    spelt = (
        pl.DataFrame({"text": part, "key": keyed(part)}).join(again, on="key", how="semi")
        for part in (references() if again.height else ())
    )
    # Rows that share a reference are one customer.
    texts = pl.concat([_NONE_SPELT, *spelt]).unique("text", maintain_order=True)
    first = texts.unique("key", keep="first", maintain_order=True)
    pairs = texts.join(first, on="key", suffix="_first", maintain_order="left")
    pairs = pairs.filter(pl.col("text") != pl.col("text_first"))
    examples = pairs.select("text", "text_first").head(EXAMPLES).rows()
    return Twins(pairs.height, tuple(examples))


def _key_of(references: Pages) -> Callable[[pl.Series], pl.Series] | None:
    """What is equal for twins, the cheapest that does; None where there can be none.

    Twins differ in length, as zeros are missing, or one has a letter in another case.
    """
    upper = lower = False
    sizes: set[int] = set()
    for part in filter(len, references()):
        length = part.str.len_bytes()
        sizes.update(length.unique().to_list())
        upper = upper or bool(part.str.contains("[A-Z]").any())
        lower = lower or bool(part.str.contains("[a-z]").any())
    if len(sizes) > 1 and any(part.str.contains(_SPELT).any() for part in references()):
        return twin_keys
    return _folded if upper and lower else None


_SPELT = "(?:^|[^0-9])0[0-9]|_(?:[0-9a-f]{2})+_"
"""A zero in front of a number, or a character that a mapping escaped."""


def _folded(references: pl.Series) -> pl.Series:
    return references.str.to_lowercase().hash()


def of_twins(twins: Twins) -> str:
    """What is said of references that ``twins_within`` found; "" where there are none."""
    if not twins.number:
        return ""
    shown = ", ".join(f"{one} (beside {other})" for one, other in twins.examples)
    more = ", ..." * (twins.number > len(twins.examples))
    differ = "references differ" if twins.number > 1 else "reference differs"
    return (
        f"{twins.number:,} {differ} from another one of the input only in capitals, in zeros in"
        f" front or the like; each is a customer of its own: {shown}{more}"
    )


def missing_of(
    customers: Callable[[], Iterable[pl.DataFrame]], present: Pages
) -> Iterator[pl.DataFrame]:
    """The customers whose reference is not present; gone through twice, as in ``find_twins``.

    Args:
        customers: makes an iterator over frames with the column ``reference``.
        present: the same for the references that the input has.
    """
    there = pl.concat([_EMPTY, *(part.hash() for part in present())])
    held = pl.concat([_EMPTY, *(page["reference"].hash() for page in customers())])
    gone = held.to_frame("key").join(there.to_frame("key"), on="key", how="anti")
    for page in customers() if gone.height else ():
        keyed = page.with_columns(key=page["reference"].hash())
        yield keyed.join(gone, on="key", how="semi").drop("key")


def _near_keys(references: pl.Series) -> pl.Series:
    """A hash for each reference, the same for all that have one twin key, and for some others."""
    plain = references.str.to_lowercase()
    if plain.str.contains("_", literal=True).any():
        for pattern, kept in _SPELLINGS[:-1]:
            plain = plain.str.replace_all(pattern, kept)
    return plain.str.replace_all("0", "", literal=True).hash()


def _keys(pages: Pages) -> pl.DataFrame:
    return pl.concat([_EMPTY, *map(twin_keys, pages())]).unique().to_frame("key")


def _with_key(references: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"text": references, "key": twin_keys(references)})


def in_words(found: Sequence[Drift]) -> str:
    """All of it in one sentence."""
    return "; ".join(one.text for one in found)


def _older(older: Older | None, back: int, known: int, bounds: Bounds) -> list[Drift]:
    if older is None or older.is_part or not back:
        return []
    # A few customers may be by chance what they were, and then it is another night's file; not so
    # where it has the name as well, and names change from night to night.
    is_it = older.is_named and bounds.older.tolerated > 0
    if is_it or bounds.older.exceeded(back, known):
        return [Drift(OLDER_INPUT, older.text(back))]
    return []


def _twins(twins: Twins) -> list[Drift]:
    if not twins.number:
        return []
    shown = ", ".join(f"{new} (known as {known})" for new, known in twins.examples)
    return [
        Drift(
            "spelling_changed",
            f"{twins.number:,} new references are known ones in another spelling, and would become"
            f" second customers: {shown}{', ...' * (twins.number > len(twins.examples))}",
        )
    ]


def _lost_fields(now: Volume, before: Volume) -> list[Drift]:
    lost = [name for name, had in before.carried.items() if had and not now.carried.get(name)]
    return [
        Drift(
            FIELD_LOST,
            f"no record has a {name}; {before.carried[name]:,} of {before.records:,} had one in"
            " the last good run (has the file lost a column?)",
        )
        for name in lost
    ]


def _beyond(bound: Bound, number: int, of: int, *, half: bool) -> bool:
    """Beyond the bound; or more than half of a file that is too small for its tolerance."""
    if bound.exceeded(number, of):
        return True
    return half and bound.tolerated > 0 and number >= _FEW and number * 100 > _HALF * of


def _share(part: int, of: int) -> str:
    return f"{part * 100 / of:.3g} %" if of else "all"
