"""Carries news of a run to services outside, in a process of its own that can be given up.

A name server, a service that answers a byte a minute, or a library may hang in ways that no thread
can be freed from, and a thread that hangs may keep a process from ending. So the errands go to a
child by its standard input (no list of processes shows an address) and it is killed when its time
is over. Nothing that happens there can change what became of the run.

Only the child loads Apprise and OpenTelemetry, which are extras.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from urllib.request import OpenerDirector

TOO_LATE = "no answer in time"
_TRIES = 3
_PAUSE = 0.5
"""Seconds between two tries of a ping."""
_ANSWER_AFTER = 5.0
"""Seconds that a ping's server may be silent."""
_LEFT_ALONE = 30
"""Seconds after its limit at which a child ends by itself: its parent is gone."""
_OURS = ("MOMENT_", "IMPORTER_", "PG")
"""Variables of ours begin so: no service needs our API key, and no library of its is to have it."""
_SIGNALS = ("TRACES", "METRICS")
"""As OpenTelemetry's variables call them."""
_READ_AT_MOST = 200
"""Bytes of a ping's answer."""
_MOST_WORDS = 160


@dataclass(frozen=True, slots=True)
class Ping:
    """A POST to a dead man's switch."""

    url: str = field(repr=False)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one service that Apprise knows."""

    url: str = field(repr=False)
    title: str
    body: str
    kind: str
    """As Apprise calls it: ``info``, ``success``, ``warning`` or ``failure``."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a trace; times in nanoseconds since the epoch."""

    name: str
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A run as OpenTelemetry has it: one trace, and gauges. Where to, the environment says."""

    root: Span
    stages: Sequence[Span]
    attributes: Mapping[str, str | int]
    error: str
    """Why the run counts as failed, "" if it does not."""
    gauges: Sequence[tuple[str, str, Mapping[str, str], float]]
    """(name, what it is, labels, value)."""
    version: str


Errand = Ping | Message | Telemetry
_KINDS: dict[str, type[Ping | Message | Telemetry]] = {
    one.__name__: one for one in (Ping, Message, Telemetry)
}


class Courier:
    """Errands that are under way; they begin at once, side by side."""

    def __init__(
        self, errands: Sequence[Errand], limit: float, *, bundle: Path | None = None
    ) -> None:
        """Start them.

        Args:
            errands: what to do.
            limit: seconds, for all of them together.
            bundle: the authorities to trust; None for those of the environment.
        """
        self._ends = time.monotonic() + limit
        self._whys = dict.fromkeys(range(len(errands)), TOO_LATE)
        self._child: subprocess.Popen[bytes] | None = None
        if not errands:
            return
        orders = {"limit": limit, "errands": [[type(one).__name__, asdict(one)] for one in errands]}
        try:
            # -P: a file of the working folder must not pass for a library.
            self._child = subprocess.Popen(  # noqa: S603 - this module, by this interpreter
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ, bundle),
                start_new_session=True,  # Ctrl-C is for the run.
            )
            self._order(self._child, json.dumps(orders).encode())
        except OSError as error:
            self._whys = dict.fromkeys(self._whys, error.strerror or type(error).__name__)

    @staticmethod
    def _order(child: subprocess.Popen[bytes], orders: bytes) -> None:
        if child.stdin is not None:
            # A child that has died already reads nothing, and answers nothing.
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(orders)
        child.stdin = None

    def wait(self) -> list[str]:
        """What became of each errand when all are done or the time is over; "" if it is done."""
        child, self._child = self._child, None
        if child is not None:
            try:
                told, _ = child.communicate(timeout=max(0.0, self._ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                told = _end(child)
            except BaseException:
                _end(child)
                raise
            for line in told.splitlines():
                with suppress(ValueError):  # the last one may be cut
                    number, why = json.loads(line)
                    self._whys[number] = why
        return list(self._whys.values())

    def drop(self) -> None:
        """Nobody waits any more."""
        if self._child is not None:
            _end(self._child)
            self._child = None


def _end(child: subprocess.Popen[bytes]) -> bytes:
    """Kill it, with what it may have started; what it had said."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        return child.communicate(timeout=1)[0]
    return b""


def _environment(environment: Mapping[str, str], bundle: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(_OURS)}
    if bundle is not None:
        kept["SSL_CERT_FILE"] = kept["REQUESTS_CA_BUNDLE"] = str(bundle)
    elif authorities := kept.get("SSL_CERT_FILE"):
        # What requests reads, by which Apprise and OpenTelemetry send.
        kept.setdefault("REQUESTS_CA_BUNDLE", authorities)
    return kept


# What runs in the child ---------------------------------------------------------------------------


def main() -> None:
    """Run the errands that standard input names, and print what became of each."""
    # What libraries print must not pass for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    orders = json.load(sys.stdin.buffer)
    signal.alarm(int(orders["limit"]) + _LEFT_ALONE)
    done: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def run(number: int, errand: Errand) -> None:
        try:
            why = _run(errand)
        except Exception as error:  # noqa: BLE001 - a library's; its words may hold an address
            why = type(error).__name__
        done.put((number, why))

    errands = [_errand(kind, values) for kind, values in orders["errands"]]
    for number, errand in enumerate(errands):
        threading.Thread(target=run, args=(number, errand), daemon=True).start()
    for _ in errands:
        print(json.dumps(done.get()), file=answers, flush=True)
    os._exit(0)  # Whatever libraries leave running.


def _errand(kind: str, values: dict[str, Any]) -> Errand:
    """An errand as it was before it travelled."""
    if kind == Telemetry.__name__:
        values["root"] = Span(**values["root"])
        values["stages"] = [Span(**one) for one in values["stages"]]
    return _KINDS[kind](**values)


def _run(errand: Errand) -> str:
    match errand:
        case Ping():
            return _ping(errand)
        case Message():
            return _send(errand)
        case Telemetry():
            return _export(errand)


def _ping(ping: Ping) -> str:
    from http.client import HTTPException  # noqa: PLC0415 - only the child needs it
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request  # noqa: PLC0415

    opener = _opener(secure=ping.url.lower().startswith("https:"))
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "importer"}
    request = Request(ping.url, ping.body.encode(), headers, method="POST")  # noqa: S310 - http(s), as the settings say
    why = ""
    for attempt in range(_TRIES):
        time.sleep(_PAUSE if attempt else 0)
        try:
            with opener.open(request, timeout=_ANSWER_AFTER) as answer:
                said = answer.read(_READ_AT_MOST)
        except HTTPError as error:
            why = f"HTTP {error.code}"
            if error.code < 500 and error.code != 429:  # noqa: PLR2004 - RFC 9110: asking again is no use
                return why
        except URLError as error:
            reason = error.reason
            why = getattr(reason, "strerror", None) or (
                TOO_LATE if isinstance(reason, TimeoutError) else type(reason).__name__
            )
        except TimeoutError:
            why = TOO_LATE
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
        else:
            # healthchecks.io answers 200 also where nothing was noted.
            return said.decode("ascii", "replace") if said.startswith(b"OK (") else ""
    return why


def _opener(*, secure: bool) -> OpenerDirector:
    """Opens by the proxies of the environment, trusts whom a run trusts, and is not led away."""
    from urllib.request import (  # noqa: PLC0415 - only the child needs it
        HTTPRedirectHandler,
        HTTPSHandler,
        build_opener,
    )

    from importer.way import trust  # noqa: PLC0415

    class Stay(HTTPRedirectHandler):
        """A redirect is an answer like another."""

        def redirect_request(self, *_: Any) -> None:
            return None

    # To read all authorities takes a while.
    return build_opener(Stay, *([HTTPSHandler(context=trust())] if secure else []))


def _send(message: Message) -> str:
    import apprise  # noqa: PLC0415 - an extra, and slow to load

    hub = apprise.Apprise(asset=apprise.AppriseAsset(app_id="importer", app_desc="importer"))
    if not hub.add(message.url):
        return "Apprise knows no such address"
    sent = hub.notify(body=message.body, title=message.title, notify_type=message.kind)
    if sent:
        return ""
    logs = sent.logs() if hasattr(sent, "logs") else ()
    words = next((str(one.message) for one in logs), "")
    return _without_parts(words, message.url) or "the service did not take the message"


def _without_parts(words: str, url: str) -> str:
    """A library's words, "" where they hold a part of an address, any of which may be a token."""
    from re import split  # noqa: PLC0415 - only the child needs it
    from urllib.parse import unquote  # noqa: PLC0415

    _, _, rest = url.partition("://")
    parts = {one for text in (rest, unquote(rest)) for one in split(r"[/@:?&=#,]", text)}
    shortest = 4
    if any(len(one) >= shortest and one in words for one in parts):
        return ""
    return " ".join(words.split())[:_MOST_WORDS]


def telemetry_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for OpenTelemetry, by OpenTelemetry's own variables."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not is_off and any(_wanted(one, environment) for one in _SIGNALS)


def _wanted(name: str, environment: Mapping[str, str]) -> bool:
    """Whether the environment says where this signal is to go."""
    variables = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT")
    is_off = environment.get(f"OTEL_{name}_EXPORTER", "").strip().lower() == "none"
    return not is_off and any(environment.get(one) for one in variables)


def _export(run: Telemetry) -> str:
    exports = {"TRACES": _export_trace, "METRICS": _export_gauges}
    whys = []
    for name, export in exports.items():
        if _wanted(name, os.environ):
            protocol = os.environ.get(
                f"OTEL_EXPORTER_OTLP_{name}_PROTOCOL",
                os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", ""),
            )
            if protocol == "grpc":
                whys.append(f"{name.lower()}: only http/protobuf is spoken, not grpc")
            elif not export(run):
                whys.append(f"{name.lower()}: the collector did not take them")
    return "; ".join(whys)


def _resource(version: str) -> Any:
    """What every signal says of who sends it; OTEL_SERVICE_NAME and others have the last word."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra

    named = Resource.create({"service.version": version})
    if str(named.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": "importer"}))
    return named


def _export_trace(run: Telemetry) -> bool:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        SimpleSpanProcessor,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )
    from opentelemetry.trace import Status, StatusCode, set_span_in_context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    # One request for all of them.
    made = InMemorySpanExporter()
    provider = TracerProvider(resource=_resource(run.version), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer("importer", run.version)
    # As W3C Trace Context has the header, and batch systems hand it on.
    around = {name.lower(): os.environ.get(name, "") for name in ("TRACEPARENT", "TRACESTATE")}
    root = tracer.start_span(
        run.root.name,
        context=TraceContextTextMapPropagator().extract(around),
        attributes=run.attributes,
        start_time=run.root.began,
    )
    inside = set_span_in_context(root)
    for one in run.stages:
        tracer.start_span(one.name, context=inside, start_time=one.began).end(one.ended)
    if run.error:
        root.set_status(Status(StatusCode.ERROR, run.error))
    root.end(run.root.ended)
    spans = made.get_finished_spans()
    return not spans or OTLPSpanExporter().export(spans) is SpanExportResult.SUCCESS


def _export_gauges(run: Telemetry) -> bool:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - an extra
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415
        InMemoryMetricReader,
        MetricExportResult,
    )

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], _resource(run.version), shutdown_on_exit=False)
    meter = provider.get_meter("importer", run.version)
    gauges = {name: meter.create_gauge(name, description=what) for name, what, _, _ in run.gauges}
    for name, _, labels, value in run.gauges:
        gauges[name].set(value, labels)
    made = reader.get_metrics_data()
    return made is None or OTLPMetricExporter().export(made) is MetricExportResult.SUCCESS


if __name__ == "__main__":
    main()
