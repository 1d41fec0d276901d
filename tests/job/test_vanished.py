"""Customers that are gone from their source are marked, once, where the mapping asks for it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from importer.delivery.around import open_network
from importer.errors import ExitCode, UsageError
from importer.job.limit import parse_bound
from importer.job.world import World
from importer.mapping.load import load_mapping
from tests import plain_http
from tests.job.conftest import HEADER, Job, customers, outcomes
from tests.job.test_updates import edit, held

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.run import Finished
    from tests.job.planning import Planner

pytestmark = pytest.mark.usefixtures("no_settling")
FIELDS = "".join(f'[fields.{name}]\ncolumn = "{name}"\n' for name in HEADER.strip().split(","))
RULE = '[vanished]\nmetadata = { status = "inactive" }\n'
NOTHING = {"post": 0, "get": 0}


def rule(folder: Path, text: str = RULE) -> dict[str, Any]:
    """The settings of a run whose mapping file says this."""
    path = folder / "importer.toml"
    path.write_text("version = 1\n" + FIELDS + text)
    return {"mapping": load_mapping(path), "config": path}


def listed(finished: Finished) -> dict[str, str]:
    """The marks of vanished.csv, by reference."""
    with (finished.results / "vanished.csv").open(newline="") as file:
        return {row["external_reference"]: row["marked"] for row in csv.DictReader(file)}


def marks(job: Job, numbers: range) -> list[object]:
    """What the sandbox holds as the status of these customers."""
    return [(held(job, f"C-{n}").get("metadata") or {}).get("status") for n in numbers]


def test_a_vanished_customer_is_marked_once_and_the_next_night_is_quiet(job: Job) -> None:
    """Its other metadata stays, and it is found marked without a request from then on."""
    asked = rule(job.folder)
    job.run(customers(range(4)), **asked)
    edit(job, "C-3", metadata={"tier": "gold"})
    second = job.run(customers(range(2)), **asked)
    assert second.exit_code is ExitCode.OK
    assert second.summary.requests == {"post": 0, "get": 2, "patch": 2}
    assert listed(second) == {"C-2": "yes", "C-3": "yes"}
    assert second.summary.marked == {"yes": 2}
    assert held(job, "C-3")["metadata"] == {"tier": "gold", "status": "inactive"}
    assert marks(job, range(2)) == [None, None]
    third = job.run(customers(range(2)), **asked)
    assert third.summary.requests == NOTHING
    assert listed(third) == {"C-2": "already", "C-3": "already"}


def test_nobody_is_marked_unasked(job: Job) -> None:
    """Without the rule they are listed, and stay as they are."""
    job.run(customers(range(3)), **rule(job.folder, ""))
    second = job.run(customers(range(2)), **rule(job.folder, ""))
    assert second.summary.requests == NOTHING
    assert listed(second) == {"C-2": ""}


def test_a_plan_and_a_dry_run_say_how_many_and_mark_none(job: Job, planner: Planner) -> None:
    """So does a run that its limit ends before all rows were delivered."""
    asked = rule(job.folder)
    job.run(customers(range(3)), **asked)
    assert planner.plan(customers(range(2)), save=False, **asked).to_mark == 1
    dry = job.run(customers(range(2)), dry_run=True, **asked)
    assert (dry.exit_code, dry.summary.marked) == (ExitCode.OK, {"would_mark": 1})
    assert listed(dry) == {"C-2": "would_mark"}
    more = customers(range(2)) + customers(range(7, 9)).removeprefix(HEADER)
    cut = job.run(more, limit=1, **asked)
    assert (cut.exit_code, listed(cut)) == (ExitCode.ROWS_LEFT, {"C-2": "unsettled"})
    assert marks(job, range(3)) == [None, None, None]
    assert listed(job.run(more, limit=1, **asked)) == {"C-2": "yes"}


def test_an_incremental_file_marks_nobody(job: Job) -> None:
    """Who is not in it has not vanished."""
    asked = rule(job.folder)
    job.run(customers(range(3)), **asked)
    night = job.run(customers(range(1)), incremental=True, **asked)
    assert (night.summary.requests, night.summary.marked) == (NOTHING, {})


def test_the_guard_stops_a_run_that_would_mark_too_many(job: Job) -> None:
    """Until somebody accepts it; who is marked already is not counted again."""
    asked = rule(job.folder)
    job.run(customers(range(40)), **asked)
    fewer = customers(range(29))
    stopped = job.run(fewer, max_fewer=parse_bound("100%"), **asked)
    assert stopped.exit_code is ExitCode.STOPPED
    assert stopped.stopped_by is not None
    assert stopped.stopped_by.message.startswith("11 of 40 customers are gone from the input")
    assert set(listed(stopped).values()) == {"unsettled"}
    assert marks(job, range(39, 40)) == [None]
    accepted = job.run(fewer, accept_drift=True, **asked)
    assert accepted.summary.marked == {"yes": 11}
    again = job.run(customers(range(28)), **asked)
    assert again.summary.marked == {"already": 11, "yes": 1}


def test_a_customer_that_comes_back_is_updated_by_its_own_row(job: Job) -> None:
    """It is compared field by field again: its status follows the source where it gives one."""
    header = HEADER.strip() + ",state\n"
    row = "C-{n},Ada {n},c{n}@example.com,+2782000000{n},ZAR,1,active\n"
    half = header + row.format(n=1) + row.format(n=2)
    whole = half + row.format(n=3) + row.format(n=4)
    text = '[metadata.status]\ncolumn = "state"\n' + RULE
    asked = {**rule(job.folder, text), "update": "metadata.status=source"}
    job.run(whole, **asked)
    assert listed(job.run(half, **asked)) == {"C-3": "yes", "C-4": "yes"}
    assert marks(job, range(2, 5)) == ["active", "inactive", "inactive"]
    part = job.run(whole, limit=1, **asked)
    assert outcomes(part) == {"unchanged": 2, "updated": 1, "unsettled": 1}
    assert outcomes(job.run(whole, **asked)) == {"unchanged": 3, "updated": 1}
    assert marks(job, range(2, 5)) == ["active"] * 3
    assert job.run(whole, **asked).summary.requests == NOTHING
    assert listed(job.run(half, **asked)) == {"C-3": "yes", "C-4": "yes"}


def test_a_mark_that_cannot_be_set_counts_as_not_done(job: Job) -> None:
    """The customer is not in Moment any more; no night asks for it again."""
    asked = rule(job.folder)
    job.run(customers(range(3)), **asked)
    plain_http.post(f"{job.base_url}/_sandbox/reset").raise_for_status()
    for _ in range(2):
        finished = job.run(customers(range(2)), **asked)
        assert (finished.exit_code, listed(finished)) == (ExitCode.ROWS_LEFT, {"C-2": "missing"})
    assert finished.summary.requests == NOTHING


class _Died(BaseException):
    """The process is gone."""


class _DiesAfterPatch(httpx.AsyncBaseTransport):
    """The real network; the process dies when Moment has taken the first PATCH."""

    def __init__(self) -> None:
        self._inner = open_network(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Forward, and die before the answer is heard."""
        answer = await self._inner.handle_async_request(request)
        if request.method == "PATCH":
            raise _Died
        return answer

    async def aclose(self) -> None:
        """Close the real one."""
        await self._inner.aclose()


def test_the_same_command_goes_on_where_a_run_died(job: Job) -> None:
    """What was on its way is read first, and nobody is left without a mark."""
    asked = rule(job.folder)
    job.run(customers(range(6)), **asked)
    with pytest.raises(_Died):
        job.run(
            customers(range(3)),
            concurrency=1,
            world=World(network=lambda _: _DiesAfterPatch()),
            **asked,
        )
    assert marks(job, range(3, 6)).count("inactive") == 1
    again = job.run(customers(range(3)), **asked)
    assert again.exit_code is ExitCode.OK
    assert set(listed(again).values()) == {"yes"}
    assert marks(job, range(3, 6)) == ["inactive"] * 3
    assert job.run(customers(range(3)), **asked).summary.requests == NOTHING


def test_an_unusable_mark_is_refused_with_its_line(job: Job) -> None:
    """An empty value, or one that is no text, marks nobody."""
    for value in ('""', "7", '" "'):
        with pytest.raises(UsageError, match=r"line 15: vanished\.metadata\.status"):
            rule(job.folder, f"[vanished]\nmetadata.status = {value}\n")
