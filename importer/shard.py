"""Which share of an input one of several machines delivers: ``--shard I/N``. Pure.

Each shard reads and checks the whole input, because what repeats a reference is known only then;
it delivers, and reports, the records whose reference falls to it. A reference falls to one shard
of N, whatever file it stands in, so no two shards ever work on one customer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import UsageError
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 10_000
"""Shards of one run: what array jobs of orchestrators allow."""
AUTO = "auto"
"""Stands for I where the orchestrator says which shard this is."""
_TEXT = re.compile(r"([0-9]{1,5}|auto)/([0-9]{1,5})", re.ASCII)
_HINT = "give I/N with I from 1 to N, for example 2/8; or auto/8 where the orchestrator counts"
_DIGEST_BYTES = 8


class _Counter(NamedTuple):
    """The variables in which an orchestrator says which of how many tasks this is, from 0."""

    place: str
    size: str
    """"" where it does not say how many."""
    whose: str


_COUNTERS = (
    _Counter("JOB_COMPLETION_INDEX", "", "a Kubernetes Indexed Job"),
    _Counter("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", "an AWS Batch array job"),
    _Counter("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", "a Cloud Run job"),
)


@value
class Shard:
    """The share ``index`` of ``of``, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        """As ``--shard`` takes it."""
        return f"{self.index}/{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether it is all there is."""
        return self.of == 1

    def holds(self, reference: str, position: int = 0) -> bool:
        """Whether a record falls to this shard.

        By its reference alone, so that all records of one customer fall to one shard; one that
        has none, by its position.
        """
        if self.is_whole:
            return True
        from hashlib import blake2b  # noqa: PLC0415 - loads OpenSSL, and few runs are shards

        # Frozen: shards of different versions of importer may be parts of one run.
        text = reference or f"\0{position}"
        hashed = blake2b(
            text.encode("utf-8", "surrogatepass"),
            digest_size=_DIGEST_BYTES,
            person=b"importer.shard",
        )
        return int.from_bytes(hashed.digest(), "big") % self.of == self.index - 1

    def mask(self, references: Iterable[str], positions: Iterable[int]) -> list[bool]:
        """``holds`` for many records."""
        pairs = zip(references, positions, strict=True)
        return [self.holds(reference, position) for reference, position in pairs]


WHOLE = Shard(1, 1)


def shard_of(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that ``I/N`` names, or ``auto/N`` with what an orchestrator set.

    Raises:
        UsageError: it names none, or the orchestrator runs another number of tasks than N.
    """
    found = _TEXT.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"--shard {text!r} is no shard", hint=_HINT)
    of = int(found[2])
    if not 1 <= of <= MOST:
        raise UsageError(f"--shard {text}: N is from 1 to {MOST:,}", hint=_HINT)
    if found[1] == AUTO:
        return _counted(text, of, environment)
    if not 1 <= int(found[1]) <= of:
        raise UsageError(f"--shard {text}: I is from 1 to {of:,}", hint=_HINT)
    return Shard(int(found[1]), of)


def _counted(text: str, of: int, environment: Mapping[str, str]) -> Shard:
    set_here = [one for one in _COUNTERS if environment.get(one.place)]
    if len(set_here) != 1:
        names = ", ".join(one.place for one in set_here or _COUNTERS)
        what = "several of these are" if set_here else "none of these is"
        raise UsageError(
            f"--shard {text}: {what} set: {names}",
            hint="say which shard this is: --shard 2/8 is the second of eight",
        )
    (counter,) = set_here
    index = _number(text, counter.place, environment)
    if counter.size and environment.get(counter.size):
        size = _number(text, counter.size, environment)
        if size != of:
            raise UsageError(
                f"--shard {text}: {counter.whose} of {size:,} tasks"
                f" ({counter.size}) is not {of:,} shards",
                hint="N must be the number of tasks: some rows would belong to nobody",
            )
    if index >= of:
        raise UsageError(
            f"--shard {text}: {counter.place} is {index:,}, which counts from 0 to {of - 1:,}",
            hint=f"N must be the number of tasks of {counter.whose}",
        )
    return Shard(index + 1, of)


def _number(text: str, variable: str, environment: Mapping[str, str]) -> int:
    value = environment[variable]
    if not (value.isascii() and value.isdigit()):
        raise UsageError(f"--shard {text}: {variable} holds no number", hint=_HINT)
    return int(value)
