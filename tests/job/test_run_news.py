"""A run's news reaches who is to hear it, once, and changes nothing of the run."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import ImporterError, LedgerInUse
from importer.job import courier, metrics, run_news
from importer.job.job_settings import DeliverySettings, InputSettings, OutwardSettings
from importer.job.run_news import RunNews
from importer.job.world import real_world
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.opening import hold, open_ledger
from tests.job.conftest import customers
from tests.job.test_run import SetClock
from tests.outside import AtHome, Outside, outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.job.conftest import Job

BROKEN = "BAD,Name,not an address,,ZAR,1\n"


@pytest.fixture
def server() -> Iterator[Outside]:
    """Everything outside."""
    with outside() as known:
        yield known


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many nights without many processes."""
    monkeypatch.setattr(run_news, "Courier", AtHome)


@dataclass
class Nights:
    """Runs one after the other, each with its news."""

    job: Job
    settings: OutwardSettings
    environment: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def night(self, text: str | None, **options: Any) -> int:
        """One run of a nightly file (None: it is not there); its exit code."""
        name = f"crm_2026-11-{len(list(self.job.folder.glob('crm_*'))) + 1:02}.csv"
        source = str(self.job.folder / "gone.csv") if text is None else self.job.write(text, name)
        news = RunNews(self.settings, environment=self.environment, sources=[source]).start()
        ledger = LedgerAddress.parse(self.job.folder / "ledger.db")
        delivery = DeliverySettings(ledger=ledger, base_url=self.job.base_url, series="crm.csv")
        inputs = InputSettings(sources=(source,), out=self.job.folder / "results")
        news.knows(inputs, delivery, lambda code, text: self.warnings.append(f"{code}: {text}"))
        error: ImporterError | None
        try:
            options = {"series": "crm.csv", "max_errors": None, **options}
            news.finished = self.job.run(sources=(source,), **options)
            code, error = int(news.finished.exit_code), news.finished.stopped_by
        except ImporterError as failed:
            code, error = int(failed.exit_code), failed
        news.end(code, error)
        return code


def told(server: Outside) -> list[str]:
    """The titles of the messages since this was asked last."""
    return [json.loads(body)["title"] for _, body in server.take("/alert")]


@pytest.mark.usefixtures("at_home")
def test_each_news_is_told_once_and_the_switch_hears_all(job: Job, server: Outside) -> None:
    """Well, failed, failed alike, not even begun, well again: three messages, ten pings."""
    base = server.url.removeprefix("http://")
    file = job.folder / "importer.prom"
    settings = OutwardSettings(
        notify=(f"json://{base}/alert/token",), ping_url=f"{server.url}/ping?a=b", metrics=file
    )
    nights = Nights(job, settings)
    well = customers(range(3))
    ends: list[tuple[int, list[str]]] = []
    success: list[float | None] = []
    for text in (well, well + BROKEN, well + BROKEN * 2, None, well):
        ends.append((nights.night(text), told(server)))
        success.append(metrics.last_success(file, {"account": "default", "series": "crm.csv"}))
    whose = "crm.csv (account default)"
    assert ends == [
        (0, []),
        (1, [f"importer failed: {whose}"]),
        (1, []),
        (2, [f"importer failed in another way: {whose}"]),
        (0, [f"importer ok again: {whose}"]),
    ]
    heard = [(path.partition("&rid=")[0], path.partition("&rid=")[2]) for path, _ in server.heard]
    codes = ["?a=b", "/1?a=b", "/1?a=b", "/2?a=b", "?a=b"]
    assert [path for path, _ in heard] == [
        path for code in codes for path in ("/ping/start?a=b", f"/ping{code}")
    ]
    rids = [rid for _, rid in heard]
    assert rids[::2] == rids[1::2]
    assert len({*rids}) == len(codes)
    # The figure that an alert on silence rests on outlives what failed after it.
    assert success[0] is not None
    assert success[0] == success[1] == success[2] == success[3]
    assert success[4] is not None
    assert success[4] > success[0]
    assert nights.warnings == []


@pytest.mark.usefixtures("at_home")
def test_what_is_odd_of_a_night_that_went_well_is_told_each_time_it_begins(
    job: Job, server: Outside
) -> None:
    """Once for as long as it lasts, and again when it comes back; what it was is no news."""
    base = server.url.removeprefix("http://")
    nights = Nights(job, OutwardSettings(notify=(f"json://{base}/alert/token",)))
    right, wrong = (replace(real_world(None), clock=SetClock(off)) for off in (0.0, 3600.0))
    heard = []
    for number, world in enumerate((right, wrong, wrong, right, right, wrong)):
        assert nights.night(customers(range(number + 1)), world=world) == 0
        heard.append(len(told(server)))
    assert heard == [0, 1, 0, 0, 0, 1]


def test_what_nobody_took_is_told_by_the_next_run(
    job: Job, server: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What refuses, does not listen or hangs is a warning without a token, and is news still."""
    # One service of several that takes it is enough.
    base = server.url.removeprefix("http://")
    broken = customers(range(3)) + BROKEN
    # Its time is over at once: the service may show it or not, and so it is told again.
    hanging = OutwardSettings(notify=(f"json://{base}/hang/secret",), notify_timeout=0.1)
    nights = Nights(job, hanging)
    assert nights.night(broken) == 1
    assert nights.warnings == ["notify_failed: json://... was not told: no answer in time"]
    monkeypatch.setattr(run_news, "Courier", AtHome)
    nights.warnings.clear()
    nights.settings = OutwardSettings(
        notify=(f"json://{base}/404/secret", "json://127.0.0.1:9/secret", "nowhere://secret"),
        ping_url=f"{server.url}/unknown/secret",
    )
    assert nights.night(broken) == 1
    kinds = sorted(one.partition(":")[0] for one in nights.warnings)
    assert kinds == ["notify_failed"] * 3 + ["ping_failed"] * 2
    assert f"ping_failed: {server.url}/... was not told: OK (not found)" in nights.warnings
    assert "secret" not in str(nights.warnings)
    nights.settings = OutwardSettings(notify=(f"json://{base}/404/x", f"json://{base}/alert/x"))
    assert [nights.night(broken), nights.night(broken)] == [1, 1]
    assert len(told(server)) == 1


def test_news_is_noted_before_it_is_sent(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between, a run has told nobody, and no later one tells the same."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    nights = Nights(job, OutwardSettings(notify=("json://127.0.0.1:9",)))
    broken = customers(range(3)) + BROKEN
    with monkeypatch.context() as patch:
        patch.setattr(run_news, "Courier", die)
        with pytest.raises(Killed):
            nights.night(broken)
    asked: list[courier.Errand] = []
    signals = [signal.SIGTERM]

    class Noting(AtHome):
        def wait(self) -> list[str]:
            if self._errands and signals:
                signal.raise_signal(signals.pop())
            asked.extend(self._errands)
            return [""] * len(self._errands)

    monkeypatch.setattr(run_news, "Courier", Noting)
    nights.night(broken)
    assert asked == []
    for _ in range(3):
        # A signal while all are told is no news: what was not told is told by the next run.
        nights.night(customers(range(3)))
    assert [getattr(one, "kind", "") for one in asked] == ["success"]
    assert nights.warnings == ["notify_given_up: a signal came before everybody was told"]


@pytest.mark.usefixtures("at_home")
def test_a_run_that_may_not_have_the_ledger_is_told_of(job: Job, server: Outside) -> None:
    """Its news is noted beside the run that has it; series and shards do not mix."""
    settings = OutwardSettings(notify=(f"json://{server.url.removeprefix('http://')}/alert/x",))
    nights = Nights(job, settings)
    well = customers(range(3))
    assert nights.night(well) == 0
    ledger = LedgerAddress.parse(job.folder / "ledger.db")
    account = Account(job.base_url, "test")
    with hold(ledger, account, run_id="other", started_at=0.0):
        assert [nights.night(well), nights.night(well)] == [LedgerInUse.exit_code] * 2
    with open_ledger(ledger, account, read_only=True) as reader:
        assert '"exit_code": 4' in reader.last_news("crm.csv")[0]
        assert reader.last_news("crm.csv 1/2") == reader.last_news("other.csv") == ("", 0.0)
    assert told(server) == ["importer failed: crm.csv (account default)"]


@pytest.mark.usefixtures("at_home")
def test_what_was_told_is_known_where_no_ledger_is(job: Job, server: Outside) -> None:
    """Before the first run, and while the ledger cannot be used, a file remembers; then it goes."""
    settings = OutwardSettings(notify=(f"json://{server.url.removeprefix('http://')}/alert/x",))
    nights = Nights(job, settings)
    assert [nights.night(None), nights.night(None)] == [2, 2]
    aside = job.folder / "results" / run_news.ASIDE
    assert aside.stat().st_mode & 0o777 == 0o600
    well = customers(range(3))
    assert nights.night(well) == 0
    assert not aside.exists()
    ledger, kept = job.folder / "ledger.db", job.folder / "kept.db"
    ledger.rename(kept)
    ledger.write_text("not a ledger")
    assert [nights.night(well), nights.night(well)] == [2, 2]
    ledger.unlink()
    kept.rename(ledger)
    assert nights.night(well) == 0
    for damaged in ("[]", "{", '{"x": 5}'):
        aside.write_text(damaged)
        assert nights.night(well) == 0
    assert [one.partition(":")[0] for one in told(server)] == [
        *("importer failed", "importer ok again", "importer failed", "importer ok again")
    ]


def test_a_run_is_one_trace_and_the_same_figures(
    job: Job, server: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span for each stage below the parent that the environment names; nothing of a row."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{server.url}/otlp",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=night",
        "TRACEPARENT": f"00-{trace}-00f067aa0ba902b7-01",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    nights = Nights(job, OutwardSettings(), os.environ)
    assert nights.night(customers(range(3), name="Secret Person") + BROKEN) == 1
    assert nights.warnings == []
    heard = dict(server.take("/otlp"))
    assert heard.keys() == {"/otlp/v1/traces", "/otlp/v1/metrics"}
    (resource,) = ExportTraceServiceRequest.FromString(heard["/otlp/v1/traces"]).resource_spans
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (named["service.name"], named["deployment.environment"]) == ("importer", "night")
    spans = {one.name: one for one in resource.scope_spans[0].spans}
    assert spans.keys() == {"importer run", "read", "plan", "deliver", "results"}
    root = spans.pop("importer run")
    assert root.trace_id.hex() == trace
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert root.status.message == "exit code 1"
    for one in spans.values():
        assert one.parent_span_id == root.span_id
        assert root.start_time_unix_nano <= one.start_time_unix_nano
        assert one.start_time_unix_nano <= one.end_time_unix_nano <= root.end_time_unix_nano
    attributes = {one.key: one.value for one in root.attributes}
    assert attributes["importer.outcome.created"].int_value == 3
    (figures,) = ExportMetricsServiceRequest.FromString(heard["/otlp/v1/metrics"]).resource_metrics
    gauges = {one.name: one.gauge.data_points for one in figures.scope_metrics[0].metrics}
    assert gauges.keys() <= metrics.METRICS.keys()
    assert [one.as_double or one.as_int for one in gauges["importer_last_run_exit_code"]] == [1]
    for text in (b"Secret", b"example.com", b"C-1", b"sk_test"):
        assert text not in b"".join(heard.values())


def test_nobody_waits_for_a_collector_that_hangs(
    job: Job, server: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without any of it loads none of it, and one that waits in vain says so."""
    nights = Nights(job, OutwardSettings(notify_timeout=0.1))
    nights.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{server.url}/hang"}
    # The courier reads its own environment, as OpenTelemetry does.
    monkeypatch.setenv(*next(iter(nights.environment.items())))
    assert nights.night(customers(range(1))) == 0
    assert nights.warnings == ["otel_failed: OpenTelemetry: no answer in time"]
    nights.environment = {**nights.environment, "OTEL_SDK_DISABLED": "true"}
    nights.warnings.clear()
    assert nights.night(customers(range(1))) == 0
    assert nights.warnings == []


def test_a_metrics_file_is_shared_and_read_by_another_user(tmp_path: Path, job: Job) -> None:
    """Other series stay, what is not ours is left alone, and the ledger knows the last success."""
    file = tmp_path / "importer.prom"
    umask = os.umask(0o077)
    try:
        nights = Nights(job, OutwardSettings(metrics=file))
        well = customers(range(3))
        assert nights.night(well) == 0
        assert file.stat().st_mode & 0o777 == 0o644
        first = file.read_text()
        whose = 'account="default",method="post",series="crm.csv"'
        assert f'importer_last_run_requests{{{whose},status="201"}} 3.0' in first
        assert (
            'importer_ledger_customers{account="default",series="crm.csv",state="done"} 3.0'
            in first
        )
        file.write_text(first.replace("crm.csv", "other.csv"))
        assert nights.night(well + BROKEN) == 1
        both = file.read_text()
    finally:
        os.umask(umask)
    assert 'importer_last_run_exit_code{account="default",series="other.csv"} 0.0' in both
    assert 'importer_last_run_exit_code{account="default",series="crm.csv"} 1.0' in both
    of_series = {"account": "default", "series": "crm.csv"}
    assert metrics.last_success(file, of_series) is not None, "known from the ledger alone"
    for damaged in ("", "importer_last_run_exit_code{", "\xff"):
        file.write_text(damaged, encoding="latin-1")
        assert nights.night(well + BROKEN) == 1
    assert "left alone" in nights.warnings[-1]
    file.write_text("# HELP node_x Not ours.\nnode_x 1\n")
    assert nights.night(well) == 0
    assert "node_x 1" in file.read_text()
    nights.settings = OutwardSettings(metrics=tmp_path / "nowhere" / "x.prom")
    assert nights.night(well) == 0
    assert nights.warnings[-1].startswith("metrics_failed: the metrics were not written")
    assert not [one for one in nights.warnings if one.startswith("metrics_name")]
    nights.settings = OutwardSettings(metrics=tmp_path / "x.txt")
    assert nights.night(well) == 0
    assert nights.warnings[-1].startswith("metrics_name: --metrics")
    assert "importer_" in (tmp_path / "x.txt").read_text()
