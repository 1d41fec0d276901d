"""What holds for every test."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest
from _pytest.pathlib import import_path
from hypothesis import HealthCheck, settings

from importer.delivery.protocol.flight import Policy
from importer.delivery.protocol.updating import UpdatePolicy
from importer.job.job_settings import DeliverySettings
from importer.ledger.address import LedgerAddress
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests.postgres_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every process of the tests, and every program that they start, reads what one has compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_schemas = count(1)

# No deadline: how long a case takes says something about the machine, not about the code.
settings.register_profile(
    "importer", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("importer")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each process begins with its share of the files: what one rewrites, the others read.

    On a fresh machine pytest rewrites the asserts of every file, and in the same order each
    process would do that of all of them at the same time, for longer than the import takes.
    """
    worker, root = os.environ.get("PYTEST_XDIST_WORKER", ""), session.config.rootpath
    if worker and session.config.args_source is session.config.ArgsSource.TESTPATHS:
        processes = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        files = sorted((root / "tests").rglob("test_*.py"))
        for path in files[int(worker.removeprefix("gw")) :: processes]:
            with suppress(Exception):  # is told where the file is collected
                import_path(path, mode="importlib", root=root, consider_namespace_packages=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process begins with its slow tests: at the end short ones are left, and none waits.

    xdist hands out the list in equal pieces, and of what is left in a process it moves half of the
    tail, never the last two: with two long tests left there, the others wait for minutes.
    """
    slow = [one for one in items if one.get_closest_marker("slow")]
    fast = [one for one in items if not one.get_closest_marker("slow")]
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items.clear()
    for number in range(processes):
        for some in (slow, fast):
            first, last = (len(some) * n // processes for n in (number, number + 1))
            items += some[first:last]


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector of cycles need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process; a test that kills it starts it again."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_address(postgres_server: PostgresServer) -> LedgerAddress:
    """An empty place for one ledger: a schema that nobody has made yet."""
    return LedgerAddress.parse(postgres_server.url(schema=f"ledger_{next(_schemas)}"))


@pytest.fixture
def sandbox() -> Iterator[str]:
    """A sandbox without faults; its base URL."""
    with running(SandboxConfig()) as base_url:
        yield base_url


@pytest.fixture
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """No replica of the sandbox lags, so nothing waits for one."""
    asked = vars(DeliverySettings)["updates"].fget
    at_once = property(lambda settings: replace(asked(settings), settle_delay=0.0))
    monkeypatch.setattr(DeliverySettings, "updates", at_once)
    monkeypatch.setattr("importer.job.volume.UpdatePolicy", partial(UpdatePolicy, settle_delay=0.0))
    monkeypatch.setattr("importer.engine.local_engine.Policy", partial(Policy, settle_delay=0.0))
