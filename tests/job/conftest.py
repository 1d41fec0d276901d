"""A sandbox over a real loopback socket, and a job against it in a few words."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from importer.delivery.credentials import ApiKey
from importer.job.job_settings import DeliverySettings, InputSettings
from importer.job.run import Finished, run
from importer.job.world import World
from importer.ledger.address import LedgerAddress
from tests import plain_http

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.observer import Observer
    from importer.job.plan_guard import NoPlan
    from tests.job.planning import Planner

AT_ONCE = World(draw=lambda: 0.0)
"""Backoff without waiting."""
KEY = ApiKey("sk_test_of_the_job_tests", "test")
HEADER = "external_reference,name,email,phone,currency,balance\n"


def customers(numbers: range, *, name: str = "Ada Example") -> str:
    """A clean CSV with one customer per number."""
    rows = (f"C-{n},{name} {n},c{n}@example.com,+2782{n:07d},ZAR,{n}\n" for n in numbers)
    return HEADER + "".join(rows)


@dataclass
class Job:
    """Runs the importer on CSV texts against one sandbox, with one ledger."""

    folder: Path
    base_url: str
    key: ApiKey = KEY
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, text: str, name: str = "customers.csv") -> str:
        """Write a source; its path."""
        path = self.folder / name
        path.write_bytes(text.encode())
        return str(path)

    def run(
        self,
        text: str | None = None,
        *,
        sources: tuple[str, ...] = (),
        world: World | None = None,
        observer: Observer | None = None,
        plan: NoPlan | None = None,
        **options: Any,
    ) -> Finished:
        """One run; ``options`` are fields of DeliverySettings or InputSettings."""
        if text is not None:
            sources = (self.write(text),)
        inputs = InputSettings(sources=sources, out=self.folder / "results")
        ledger = LedgerAddress.parse(self.folder / "ledger.db")
        delivery = DeliverySettings(ledger=ledger, base_url=self.base_url)
        for name, value in {**self.options, **options}.items():
            if hasattr(inputs, name):
                inputs = replace(inputs, **{name: value})
            else:
                delivery = replace(delivery, **{name: value})
        return run(inputs, delivery, self.key, world=world, observer=observer, plan=plan)

    def state(self) -> dict[str, Any]:
        """What the sandbox counts."""
        found: dict[str, Any] = plain_http.get(f"{self.base_url}/_sandbox/state").json()
        return found

    def held(self) -> dict[str, str]:
        """What the sandbox holds: reference -> id."""
        text = plain_http.get(f"{self.base_url}/_sandbox/customers").text
        lines = [json.loads(line) for line in text.splitlines()]
        return {line["external_reference"]: line["id"] for line in lines}

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        plain_http.post(f"{self.base_url}/_sandbox/clock", json={"advance_seconds": seconds})

    def fault(self, spec: str) -> None:
        """Replace the sandbox's faults."""
        answer = plain_http.post(f"{self.base_url}/_sandbox/faults", json={"spec": spec})
        answer.raise_for_status()


def results(finished: Finished) -> list[dict[str, str]]:
    """The lines of results.csv."""
    with (finished.results / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outcomes(finished: Finished) -> dict[str, int]:
    """Counts by outcome, from summary.json."""
    document = json.loads((finished.results / "summary.json").read_text())
    counts: dict[str, int] = document["outcomes"]
    return counts


@pytest.fixture
def job(tmp_path: Path, sandbox: str) -> Job:
    """A job against a fresh sandbox with a fresh ledger."""
    return Job(tmp_path, sandbox)


@pytest.fixture
def planner(job: Job) -> Planner:
    """A planner with a fresh sandbox and ledger."""
    from tests.job.planning import Planner

    return Planner(job)


@pytest.fixture
def offline(tmp_path: Path) -> Planner:
    """A planner whose API nobody answers for: what is refused or planned asks nobody."""
    from tests.job.planning import Planner

    return Planner(Job(tmp_path, "http://127.0.0.1:9"))
