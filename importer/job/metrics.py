"""A run in figures for a monitoring system: what they are called, and the file that has them.

The file is the textfile collector's of Prometheus' node_exporter: it holds the last run of each
series, and stays as it is between runs. So every figure is a gauge. The same figures go out by
OpenTelemetry, under the same names (docs/metrics.md).
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import printable
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

    from importer.job.alerts import RunEnd
    from importer.results.summary import Summary


class Meaning(NamedTuple):
    """What a metric is."""

    meaning: str
    labels: str = ""
    """Those beside ``account`` and ``series`` (and ``shard``, where the run was one)."""


METRICS = {
    "importer_last_success_timestamp_seconds": Meaning("When a run last ended with exit code 0."),
    "importer_last_run_timestamp_seconds": Meaning("When the last run ended."),
    "importer_last_run_exit_code": Meaning("Exit code of the last run."),
    "importer_last_run_stopped": Meaning(
        "1 for the stop rule or the kind of error that ended the last run.", "reason"
    ),
    "importer_last_run_duration_seconds": Meaning("Seconds that the last run took."),
    "importer_last_run_stage_seconds": Meaning("Seconds that a stage of it took.", "stage"),
    "importer_last_run_records": Meaning("Records of its input."),
    "importer_last_run_outcomes": Meaning("Its records by outcome, also of 0.", "outcome"),
    "importer_last_run_requests": Meaning(
        "Its requests; the status is none where no answer came.", "method, status"
    ),
    "importer_last_run_throttled": Meaning("Its answers with status 429."),
    "importer_guard_records": Meaning("Records that the volume guard counted."),
    "importer_guard_records_before": Meaning("Records of the good run that it compared them with."),
    "importer_guard_fewer": Meaning("How many fewer that is."),
    "importer_guard_new": Meaning("New references."),
    "importer_guard_changed": Meaning("Records of customers that were to be updated."),
    "importer_guard_vanished": Meaning("Customers of the series that the input no longer has."),
    "importer_guard_respelt": Meaning("New references that are known in another spelling, if any."),
    "importer_guard_lost_fields": Meaning("Fields that no record has any more, if any."),
    "importer_guard_older": Meaning("Customers that an older input would change back, if any."),
    "importer_last_run_clock_ahead_seconds": Meaning(
        "Seconds that this machine's clock is ahead of Moment's, where it was asked."
    ),
    "importer_ledger_customers": Meaning("Customers of the account in the ledger.", "state"),
}
"""Every metric."""
SUCCESS = "importer_last_success_timestamp_seconds"
_NO_ANSWER = "none"
_THROTTLED = "429"
_GUARD = {"before": "guard_records_before"}
_STATES = ("done", "sent", "rejected")
_READABLE = 0o022
"""The umask under which the file is made: node_exporter is another user (mode 0644)."""
_WAITS = 2.0
"""Seconds to wait for another run that writes the same file."""


class Sample(NamedTuple):
    """One value."""

    name: str
    labels: Mapping[str, str]
    value: float


def labels_of(end: RunEnd) -> dict[str, str]:
    """Which run it was."""
    share = {"shard": end.shard} if end.shard else {}
    return {"account": end.account, "series": end.series, **share}


def samples(end: RunEnd, success: float | None) -> list[Sample]:
    """The figures of a run.

    Args:
        end: how it ended; of one without results there are but a few.
        success: when a run of the series last ended well, epoch seconds; None if none did.
    """
    labels = labels_of(end)
    figures = _of_any(end, success)
    if end.summary is not None:
        figures += _of_results(end.summary)
    return [Sample(f"importer_{name}", {**labels, **more}, value) for name, more, value in figures]


_Figures = list[tuple[str, dict[str, str], float]]


def _of_any(end: RunEnd, success: float | None) -> _Figures:
    """Those of a run that may have got nowhere."""
    reason = end.state.reason
    found: _Figures = [
        ("last_run_timestamp_seconds", {}, end.ended),
        ("last_run_exit_code", {}, end.exit_code),
        ("last_run_duration_seconds", {}, round(end.seconds, 3)),
    ]
    if success is not None:
        found.append(("last_success_timestamp_seconds", {}, success))
    if reason:
        found.append(("last_run_stopped", {"reason": printable(reason)}, 1))
    return found


def _of_results(summary: Summary) -> _Figures:
    """Those of a run that has results."""
    found: _Figures = [
        ("last_run_stage_seconds", {"stage": stage}, seconds)
        for stage, seconds in summary.seconds.items()
        if stage != "total"
    ]
    found.append(("last_run_records", {}, summary.records))
    # Also those without a record: a rule then finds a 0 and not nothing.
    for outcome in Outcome:
        number = summary.outcomes.get(outcome, 0)
        found.append(("last_run_outcomes", {"outcome": outcome.value}, number))
    for method, answers in summary.answers.items():
        for status, number in answers.items():
            told = _NO_ANSWER if status == "0" else status
            found.append(("last_run_requests", {"method": method, "status": told}, number))
    throttled = sum(one.get(_THROTTLED, 0) for one in summary.answers.values())
    found.append(("last_run_throttled", {}, throttled))
    for name, number in summary.volume.items():
        found.append((_GUARD.get(name, f"guard_{name}"), {}, number))
    if summary.clock_ahead is not None:
        found.append(("last_run_clock_ahead_seconds", {}, round(summary.clock_ahead, 1)))
    for state in _STATES if summary.ledger else ():
        found.append(("ledger_customers", {"state": state}, summary.ledger.get(state, 0)))
    return found


class NotOurs(Exception):
    """The file holds what importer never wrote."""


def last_success(path: Path, labels: Mapping[str, str]) -> float | None:
    """What the file says of the last success of a series; None if nothing."""
    with suppress(OSError, ValueError, NotOurs):
        for one in _read(path):
            if one.name == SUCCESS and one.labels == labels:
                return one.value
    return None


def write(path: Path, made: list[Sample]) -> None:
    """Write the figures into the file, in one rename; those of other series stay as they are.

    Raises:
        NotOurs: there is a file, and it holds the metrics of somebody else.
        OSError: it cannot be written.
    """
    from prometheus_client import write_to_textfile  # noqa: PLC0415 - few runs need it

    with _alone(path):
        others = [one for one in _read(path) if _run_of(one) != _run_of(made[0])]
        umask = os.umask(_READABLE)
        try:
            write_to_textfile(str(path), _Collected([*others, *made]))
        finally:
            os.umask(umask)


def _run_of(one: Sample) -> list[str]:
    return [one.labels.get(key, "") for key in ("account", "series", "shard")]


def _read(path: Path) -> list[Sample]:
    """What the file holds; nothing where there is none, or it is damaged.

    Raises:
        NotOurs: it holds something else.
        OSError: it cannot be read.
    """
    from prometheus_client.parser import (  # noqa: PLC0415 - as above
        text_string_to_metric_families as parsed,
    )

    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise NotOurs from None
    try:
        families: list[Metric] = list(parsed(text))
    except ValueError:
        families = []
        if text.strip() and not text.startswith("# HELP importer_"):
            raise NotOurs from None
    found = [Sample(*one[:3]) for family in families for one in family.samples]
    if any(one.name not in METRICS for one in found):
        raise NotOurs
    return found


class _Collected:
    """Samples as prometheus-client takes them: grouped by their metric."""

    def __init__(self, made: list[Sample]) -> None:
        self._samples = made

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

        for name, told in METRICS.items():
            family = GaugeMetricFamily(name, told.meaning)
            for one in self._samples:
                if one.name == name:
                    family.add_sample(name, dict(one.labels), one.value)
            if family.samples:
                yield family


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other runs from writing into the same folder meanwhile, unless one takes too long."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        ends = time.monotonic() + _WAITS
        while time.monotonic() < ends:
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.02)
        yield
    finally:
        os.close(folder)
