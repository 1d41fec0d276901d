"""Structured logs for operators: one line per event worth their time, none per row.

No event carries a key, a name, an e-mail address or a phone number: the observer is never handed
any, and nothing else logs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.errors import printable
from importer.job.observer import Observer, Progress

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from importer.errors import ImporterError
    from importer.results.summary import Summary

PROGRESS_EVERY = 120
"""Calls of ``delivering`` (four a second) between two progress events: half a minute."""
HELD_FOR = 20
"""Calls in a row (five seconds) that make a hold worth a line; the pace adapts all the time."""

MOST_GROUPS = 20
"""Groups of errors that get an event each; summary.json holds more."""


class _Chosen(NamedTuple):
    """How events are written."""

    json: bool = False
    quiet: bool = False


_CHOSEN: list[_Chosen] = []
"""One, once ``configure`` was called."""


def configure(*, json: bool, quiet: bool) -> None:
    """Send events to standard error, as JSON lines or for reading."""
    _CHOSEN[:] = [_Chosen(json, quiet)]


def forget() -> None:
    """As before ``configure``, for tests."""
    _CHOSEN.clear()


def writes_json() -> bool:
    """Whether ``configure`` chose JSON lines."""
    return any(chosen.json for chosen in _CHOSEN)


def _logger() -> Any:
    """structlog's, loaded for the first event that is written: many runs write none."""
    import structlog  # noqa: PLC0415

    chosen = _CHOSEN[0] if _CHOSEN else _Chosen()
    renderer = (
        structlog.processors.JSONRenderer()
        if chosen.json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            _printable,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("warning" if chosen.quiet else "info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger()


class _Log:
    """A logger that is there once something is to be written."""

    def __init__(self) -> None:
        self._bound: dict[str, object] = {}
        self._is_quiet = any(chosen.quiet for chosen in _CHOSEN)
        self._log: Any = None

    def bind(self, **values: object) -> None:
        """Say these with every later event."""
        self._bound |= values

    def info(self, event: str, **values: object) -> None:
        """Something to know, if one asks for it."""
        if not self._is_quiet:
            self._ready().info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        """Something odd."""
        self._ready().warning(event, **values)

    def error(self, event: str, **values: object) -> None:
        """Something went wrong."""
        self._ready().error(event, **values)

    def _ready(self) -> Any:
        if self._log is None:
            self._log = _logger()
        return self._log.bind(**self._bound)


def log_error(error: ImporterError) -> None:
    """The error that ends the program, as one event."""
    _logger().error(
        "run_failed",
        error=error.message,
        hint=error.hint or None,
        reason=getattr(error, "reason", None),
        exit_code=int(error.exit_code),
    )


def _printable(_: object, __: str, event: EventDict) -> EventDict:
    """Names of files and columns may hold what a terminal obeys, and a log is read on one."""
    return {
        key: printable(value) if isinstance(value, str) else value for key, value in event.items()
    }


class LogObserver(Observer):
    """Writes the run's events as structured log lines."""

    def __init__(self) -> None:
        self._log = _Log()
        self._calls = 0
        self._held = 0
        """Calls in a row that found delivery held."""

    def started(self, run_id: str, command: str, account: str) -> None:
        """Bind the run id to every later line."""
        self._log.bind(run_id=run_id)
        self._log.info("run_started", command=command, account=account)

    def warning(self, code: str, text: str) -> None:
        """Something odd."""
        self._log.warning(code, detail=text)

    def verified(self, records: int, invalid: int) -> None:
        """The whole input is read."""
        self._log.info("input_verified", records=records, invalid=invalid)

    def following(self, digest: str, *, begun: bool) -> None:
        """A saved plan is followed."""
        self._log.info("plan_followed", plan=digest, begun=begun)

    def planned(self, outcomes: dict[str, int], to_deliver: int) -> None:
        """The plan is made."""
        self._log.info("plan_made", to_deliver=to_deliver, **outcomes)

    def delivering(self, progress: Progress) -> None:
        """Every half minute, and when delivery starts or stops being held for long."""
        self._calls += 1
        before, self._held = self._held, self._held + 1 if progress.holding else 0
        if self._held == HELD_FOR:
            self._log.info("delivery_held", why=progress.holding, done=progress.done)
        elif before >= HELD_FOR and not self._held:
            self._log.info("delivery_resumed", done=progress.done)
        elif self._calls % PROGRESS_EVERY == 0:
            self._log.info(
                "delivery_progress",
                done=progress.done,
                total=progress.total,
                in_flight=progress.in_flight,
                waiting=progress.waiting,
                holding=progress.holding or None,
            )

    def interrupted(self, name: str, in_flight: int) -> None:
        """A signal came."""
        self._log.warning("interrupted", signal=name, in_flight=in_flight)

    def finished(self, summary: Summary, results: str) -> None:
        """The run is over: what went wrong by its cause, then the figures."""
        for group in summary.groups[:MOST_GROUPS]:
            self._log.warning(
                "errors_grouped",
                outcome=group.outcome,
                rows=group.rows,
                source=group.source,
                column=group.column or None,
                error_code=group.error_code,
                detail=group.detail or None,
                http_status=group.http_status or None,
                lines=group.lines,
                text=group.text,
                fix=group.fix,
                # Lines, because a log line has no line ends: joined by them they can be pasted.
                toml=group.toml.splitlines() or None,
            )
        log = self._log.error if summary.stopped_by else self._log.info
        log(
            "run_finished",
            exit_code=int(summary.exit_code),
            stopped_by=summary.stopped_by or None,
            records=summary.records,
            outcomes=summary.outcomes,
            vanished=summary.vanished or None,
            marked=summary.marked or None,
            requests=summary.requests,
            seconds=summary.seconds.get("total"),
            results=results,
        )
