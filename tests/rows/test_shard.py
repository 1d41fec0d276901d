"""Which shard a record falls to, and what ``--shard`` may say."""

from __future__ import annotations

import pytest

from importer.errors import UsageError
from importer.shard import Shard, shard_of


@pytest.mark.parametrize("of", [1, 2, 3, 8, 100])
def test_each_record_falls_to_one_shard(of: int) -> None:
    """Of N shards exactly one holds a record, with a reference or without."""
    shards = [Shard(index, of) for index in range(1, of + 1)]
    for reference in ("CUST-1", "cust-1", "0007", "é", "\udcff", "", "a/b, c"):
        for position in (0, 7, 1 << 40):
            assert sum(one.holds(reference, position) for one in shards) == 1


def test_a_reference_falls_to_one_shard_wherever_it_stands() -> None:
    """The position counts only where there is no reference."""
    shard = Shard(2, 5)
    references = [f"CUST-{number}" for number in range(200)]
    masks = [shard.mask(references, range(at, at + 200)) for at in (0, 1 << 40)]
    assert masks[0] == masks[1]
    assert len(set(shard.mask([""] * 200, range(200)))) == 2


def test_shares_are_about_equal() -> None:
    """No shard of eight gets a tenth more or less than its share of 20,000 references."""
    references = [f"CUST-{number:06}" for number in range(20_000)]
    for index in range(1, 9):
        share = sum(map(Shard(index, 8).holds, references))
        assert 2250 < share < 2750


def test_shares_never_move() -> None:
    """Shards of another version must agree: these references fall where they always fell."""
    found = [next(i for i in range(1, 9) if Shard(i, 8).holds(f"CUST-{n}")) for n in range(12)]
    assert found == [8, 8, 8, 5, 8, 2, 8, 1, 7, 8, 2, 1]


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("1/1", {}, Shard(1, 1)),
        (" 2/8 ", {}, Shard(2, 8)),
        ("8/8", {"JOB_COMPLETION_INDEX": "0"}, Shard(8, 8)),
        ("10000/10000", {}, Shard(10_000, 10_000)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 8)),
        ("AUTO/8", {"JOB_COMPLETION_INDEX": "7"}, Shard(8, 8)),
        ("auto/3", {"AWS_BATCH_JOB_ARRAY_INDEX": "2"}, Shard(3, 3)),
        (
            "auto/3",
            {"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "3"},
            Shard(3, 3),
        ),
        ("auto/2", {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "2"}, Shard(2, 2)),
    ],
)
def test_a_shard_is_named(text: str, environment: dict[str, str], shard: Shard) -> None:
    """I counts from 1; the counters of orchestrators, which count from 0, are translated."""
    assert shard_of(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("0/3", {}, "I is from 1 to 3"),
        ("4/3", {}, "I is from 1 to 3"),
        ("1/0", {}, "N is from 1 to 10,000"),
        ("1/10001", {}, "N is from 1 to 10,000"),
        ("a/b", {}, "is no shard"),
        ("", {}, "is no shard"),
        ("3", {}, "is no shard"),
        ("-1/3", {}, "is no shard"),
        ("1/3/5", {}, "is no shard"),
        ("1.5/3", {}, "is no shard"),
        ("٣/٤", {}, "is no shard"),
        ("2/auto", {}, "is no shard"),
        ("auto/8", {}, "none of these is set: JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX"),
        ("auto/8", {"JOB_COMPLETION_INDEX": ""}, "none of these is set"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "8"}, "is 8, which counts from 0 to 7"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "x"}, "JOB_COMPLETION_INDEX holds no number"),
        (
            "auto/8",
            {"JOB_COMPLETION_INDEX": "1", "CLOUD_RUN_TASK_INDEX": "1"},
            "several of these are set: JOB_COMPLETION_INDEX, CLOUD_RUN_TASK_INDEX",
        ),
        (
            "auto/8",
            {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "9"},
            "9 tasks (AWS_BATCH_JOB_ARRAY_SIZE) is not 8 shards",
        ),
    ],
)
def test_what_is_no_shard_is_refused(text: str, environment: dict[str, str], words: str) -> None:
    """A share that would leave rows to nobody, or that is none, is an error with the fix."""
    with pytest.raises(UsageError, match="--shard") as raised:
        shard_of(text, environment)
    assert words in raised.value.message
    assert raised.value.hint
