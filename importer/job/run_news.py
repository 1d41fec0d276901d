"""Tells the outside how a run went: alerts, a dead man's switch, metrics and a trace.

It begins before anything of a run can fail, and ends after a person has read how the run ended.
Whatever goes wrong here is a warning: it changes no exit code, and it has a limit of time.

News is noted in the ledger before it is sent (beside the results, where no ledger can be used), and
the note is taken back where nobody took it: so the same news is never told twice, and what failed
is told by the next run.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import field
from importlib.util import find_spec
from socket import gethostname
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from importer import __version__
from importer.errors import ImporterError, LedgerFailed, UsageError, printable, to_install
from importer.job import metrics
from importer.job.alerts import Change, RunEnd, State, body, change, scope, title
from importer.job.courier import Courier, Message, Ping, Span, Telemetry, telemetry_wanted
from importer.job.signals import watch
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.ledger.run_table import series_of
from importer.results.workspace import PRIVATE_FILE
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from importer.job.courier import Errand
    from importer.job.job_settings import DeliverySettings, InputSettings, OutwardSettings
    from importer.job.run import Finished
    from importer.ledger.ledger import Ledger

ASIDE = ".news.json"
"""A file in the folder of all results that notes what was told where the ledger cannot."""
_NANO = 1_000_000_000
_KINDS = {Change.RECOVERED: "success", Change.WAITS: "warning", Change.ALARMED: "warning"}
"""Of a message, as Apprise calls it."""


def ping_url(base: str, end: str, rid: str = "") -> str:
    """Where a ping goes: ``end`` is put behind the path, and a query stays.

    As healthchecks.io documents it: nothing for a success, ``/start``, ``/log``, or the exit code;
    ``rid`` is a UUID by which a start and an end are known to be of one run.
    """
    parts = urlsplit(base)
    query = "&".join(filter(None, [parts.query, f"rid={rid}" if rid else ""]))
    path = parts.path.rstrip("/") + (f"/{end}" if end else "")
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def masked(url: str) -> str:
    """An address without what may be a token: of most services all but its kind may be one."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "..."
    is_web = scheme.lower() in {"http", "https"}
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2] + "/" if is_web else ""
    return printable(f"{scheme}://{host}...")


@record
class RunNews:
    """What one run tells the outside. ``start`` it, let it know what becomes known, ``end`` it."""

    settings: OutwardSettings
    bundle: Path | None = None
    """The authorities to trust; None for those of the environment."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], float] = time.time
    sources: Sequence[str] = ()
    """Names of the inputs, without what an address hides."""
    inputs: InputSettings | None = None
    delivery: DeliverySettings | None = None
    mode: str = ""
    finished: Finished | None = None
    warn: Callable[[str, str], None] | None = None
    """Hears (code, text) of what went wrong; standard error by default."""
    _rid: str = field(default_factory=lambda: str(uuid4()))
    _began: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _start: Courier | None = None
    _couriers: list[Courier] = field(default_factory=list)

    def start(self) -> RunNews:
        """The run begins; nobody waits for the ping."""
        self._began, self._since = self.now(), time.monotonic()
        if base := self.settings.ping_url:
            url = ping_url(base, "start", self._rid)
            self._start = self._courier([Ping(url)])
        return self

    def knows(
        self,
        inputs: InputSettings,
        delivery: DeliverySettings,
        warn: Callable[[str, str], None],
    ) -> None:
        """What the run is to do is known, and who hears of what is odd.

        The mode is what the settings say, until there is a key (``mode``).
        """
        self.inputs, self.delivery, self.warn = inputs, delivery, warn
        self.mode = "live" if delivery.live else "test"
        for text in self.settings.warnings:
            warn("notify_open", text)
        path = self.settings.metrics
        if path is not None and path.suffix != ".prom":
            text = f"--metrics {path}: node_exporter reads only files that end in .prom"
            warn("metrics_name", text)

    def end(self, exit_code: int, error: ImporterError | None) -> None:
        """The process is about to leave with this exit code. Raises nothing."""
        try:
            with watch(_give_up):
                self._end(exit_code, error)
        except _GivenUp:
            self.warn_of("notify_given_up", "a signal came before everybody was told")
        except Exception as failed:  # noqa: BLE001 - the run is over, and its exit code stands
            self.warn_of("notify_failed", f"nobody may have been told: {type(failed).__name__}")
        finally:
            for one in self._couriers:
                one.drop()

    def _end(self, exit_code: int, error: ImporterError | None) -> None:
        end = self._known(exit_code, error)
        told, success = self._asked(end)
        made = metrics.samples(end, success)
        self._write_metrics(made)
        messages = self._messages(end, State.of(told))
        # An alarm that is over is no news, and is news when it comes back.
        is_over = State.of(told).is_ok and bool({*State.of(told).alarms} - {*end.state.alarms})
        if messages or (is_over and end.state.is_ok):
            self._note(end, str(end.state))
        try:
            whys = self._tell(end, messages, self._telemetry(end, made))
        except _GivenUp:
            self._note(end, told)
            raise
        if messages and all(whys):
            self._note(end, told)

    def _tell(
        self, end: RunEnd, messages: Sequence[Message], telemetry: Sequence[Telemetry]
    ) -> list[str]:
        """Tell everybody; why each message was not taken, "" if it was."""
        courier = self._courier([*messages, *telemetry])
        # A start that comes after the end would look like a run that hangs.
        whys = self._start.wait() if self._start else []
        whys += self._courier(self._pings(end)).wait()
        for why in filter(None, whys):
            self.warn_of("ping_failed", f"{masked(self.settings.ping_url)} was not told: {why}")
        whys = courier.wait()
        for why in filter(None, whys[len(messages) :]):
            self.warn_of("otel_failed", f"OpenTelemetry: {why}")
        of_messages = whys[: len(messages)]
        for message, why in zip(messages, of_messages, strict=True):
            if why:
                self.warn_of("notify_failed", f"{masked(message.url)} was not told: {why}")
        return of_messages

    def _courier(self, errands: Sequence[Errand]) -> Courier:
        made = Courier(errands, self.settings.notify_timeout, bundle=self.bundle)
        self._couriers.append(made)
        return made

    def _known(self, exit_code: int, error: ImporterError | None) -> RunEnd:
        """All that is known of the end."""
        delivery, finished = self.delivery, self.finished
        shard = self.inputs.shard if self.inputs is not None else None
        summary = finished.summary if finished is not None else None
        named = delivery.series if delivery is not None else ""
        return RunEnd(
            exit_code,
            self._began,
            self.now(),
            time.monotonic() - self._since,
            account=delivery.account if delivery is not None else "",
            mode=self.mode,
            series=summary.series if summary is not None else series_of(self.sources, named),
            shard=str(shard) if shard is not None and not shard.is_whole else "",
            error=error,
            summary=summary,
            results=str(finished.results.absolute()) if finished is not None else "",
            host=gethostname(),
        )

    # What was told last ---------------------------------------------------------------------------

    def _asked(self, end: RunEnd) -> tuple[str, float | None]:
        """(what was told last, when a run of the series last ended well), as far as is known."""
        success = end.ended if end.state.is_ok else None
        path = self.settings.metrics
        if success is None and path is not None:
            success = metrics.last_success(path, metrics.labels_of(end))
        told, at = self._aside().get(self._key(end), ("", 0.0))
        wants = bool(self.settings.notify) or (path is not None and success is None)
        # A ledger that has just failed is not asked again: that may take its time.
        if wants and not isinstance(end.error, LedgerFailed):
            with suppress(ImporterError), self._ledger(read_only=True) as ledger:
                noted, noted_at = ledger.last_news(scope(end.series, end.shard))
                told = noted if noted_at >= at else told
                if success is None:
                    success = ledger.last_success(end.series, f"run {end.shard}".rstrip())
        return told, success

    def _note(self, end: RunEnd, told: str) -> None:
        """Note what people know now: in the ledger, or beside the results until it can be used."""
        noted = False
        if not isinstance(end.error, LedgerFailed):
            with suppress(ImporterError), self._ledger() as ledger:
                noted = ledger.note_news(scope(end.series, end.shard), told, now=end.ended)
        held = self._aside()
        before = dict(held)
        held.pop(self._key(end), None)
        if not noted:
            held[self._key(end)] = (told, end.ended)
        if held != before:
            self._put_aside(held)

    def _key(self, end: RunEnd) -> str:
        url = self.delivery.base_url if self.delivery is not None else ""
        return " ".join((url, end.mode, end.account, scope(end.series, end.shard)))

    def _aside(self) -> dict[str, tuple[str, float]]:
        """What is noted beside the results, because the ledger could not be used."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            if self.inputs is not None:
                found = json.loads((self.inputs.out / ASIDE).read_text("utf-8"))
                return {key: (str(told), float(at)) for key, (told, at) in found.items()}
        return {}

    def _put_aside(self, held: Mapping[str, tuple[str, float]]) -> None:
        # Where that cannot be written either, nobody remembers, and it is told again.
        with suppress(OSError):
            if self.inputs is not None:
                self.inputs.out.mkdir(parents=True, exist_ok=True)
                path = self.inputs.out / ASIDE
                if not held:
                    path.unlink()
                    return
                partial = path.with_name(f"{ASIDE}.{os.getpid()}")
                partial.touch(PRIVATE_FILE)
                partial.write_text(json.dumps(held, indent=2) + "\n", "utf-8")
                partial.replace(path)

    def _ledger(self, *, read_only: bool = False) -> Ledger:
        delivery = self.delivery
        if delivery is None or not self.mode:
            raise UsageError("no settings could be read, so there is no ledger")
        account = Account(delivery.base_url, self.mode, delivery.account)
        return open_ledger(delivery.ledger, account, create=False, read_only=read_only)

    # Who is told ----------------------------------------------------------------------------------

    def _write_metrics(self, made: list[metrics.Sample]) -> None:
        path = self.settings.metrics
        if path is None or self.delivery is None:
            return
        try:
            metrics.write(path, made)
        except metrics.NotOurs:
            self.warn_of("metrics_failed", f"{path} holds other metrics: left alone")
        except (OSError, ValueError) as failed:
            why = getattr(failed, "strerror", None) or type(failed).__name__
            self.warn_of("metrics_failed", f"the metrics were not written to {path}: {why}")

    def _messages(self, end: RunEnd, told: State) -> list[Message]:
        what = change(told, end.state) if self.settings.notify else None
        if what is None:
            return []
        head, text = title(what, end), body(end, told)
        kind = _KINDS.get(what, "failure")
        return [Message(url, head, text, kind) for url in self.settings.notify]

    def _pings(self, end: RunEnd) -> list[Ping]:
        if not (base := self.settings.ping_url):
            return []
        code = str(end.exit_code) if end.exit_code else ""
        return [Ping(ping_url(base, code, self._rid), body(end))]

    def _telemetry(self, end: RunEnd, made: list[metrics.Sample]) -> list[Telemetry]:
        if not telemetry_wanted(self.environment):
            return []
        if not has_opentelemetry():
            self.warn_of(
                "otel_failed", f"OTEL_EXPORTER_OTLP_... is set, nothing sends: {to_install('otel')}"
            )
            return []
        return [telemetry_of(end, made)]

    def warn_of(self, code: str, text: str) -> None:
        """Something is odd; it ends nothing."""
        if self.warn is not None:
            self.warn(code, text)
        else:
            print(f"warning: {printable(text)}", file=sys.stderr)  # noqa: T201 - this is the user interface


class _GivenUp(BaseException):
    """A signal ended the waiting."""


def _give_up(_signum: int) -> None:
    raise _GivenUp


def has_opentelemetry() -> bool:
    """Whether the extra is installed; nothing of it is loaded."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def telemetry_of(end: RunEnd, made: Sequence[metrics.Sample]) -> Telemetry:
    """The run as a trace, and its figures as gauges; no row and no word of an error is in it."""
    summary, state = end.summary, end.state
    attributes: dict[str, str | int] = {
        "importer.account": end.account,
        "importer.mode": end.mode,
        "importer.series": end.series,
        "importer.shard": end.shard,
        "importer.exit_code": end.exit_code,
        "importer.stopped_by": state.reason,
    }
    stages: list[Span] = []
    if summary is not None:
        attributes |= {
            "importer.run_id": summary.run_id,
            "importer.records": summary.records,
            **{f"importer.outcome.{one}": number for one, number in summary.outcomes.items()},
        }
        for name, began in summary.stages.items():
            ended = began + summary.seconds[name] if name in summary.seconds else end.ended
            stages.append(Span(name, int(began * _NANO), int(ended * _NANO)))
    why = f"exit code {end.exit_code}" + (f": {state.reason}" if state.reason else "")
    return Telemetry(
        Span("importer run", int(end.began * _NANO), int((end.began + end.seconds) * _NANO)),
        stages,
        {name: value for name, value in attributes.items() if value != ""},
        "" if state.is_ok else why,
        [(one.name, metrics.METRICS[one.name].meaning, one.labels, one.value) for one in made],
        __version__,
    )
