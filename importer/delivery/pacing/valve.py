"""The valve: every request of a run enters when gate and health let it, and leaves with its answer.

The gate paces (how many at once, how many a second); health knows whether Moment answers at all.
Both learn from every answer, and both must know **whose** answer it was: trouble that belongs to
one row neither slows nor stops the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from importer.delivery.history import AnyAnswer, said
from importer.delivery.pacing import outage as h
from importer.delivery.pacing.gate import Gate, GateClosed
from importer.delivery.pacing.pace import Kind, PaceSettings
from importer.delivery.protocol import answers as a
from importer.delivery.stopping import PATIENCE, turned_away
from importer.values import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.pacing.server_hints import RateLimitHint
    from importer.delivery.pacing.shared_rate import SharedRate

_KINDS = {
    h.Said.SENSE: Kind.OK,
    h.Said.ABSENT: Kind.OK,
    h.Said.BLOCKED: Kind.OK,
    h.Said.FAULT: Kind.FAULT,
    h.Said.THROTTLED: Kind.THROTTLED,
}

_NO_SUCCESS = 300
"""Status codes from here on (RFC 9110 section 15)."""

__all__ = ["GateClosed", "ToldToWait", "Trail", "Valve"]


class ToldToWait(Exception):
    """The server asks to wait for longer than the run has patience for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:.0f} s")
        self.seconds = seconds


@record
class Trail:
    """What the run remembers of one row's exchanges."""

    row: int
    """The input record, as a number."""
    left: bool = False
    """An earlier run sent it and could not settle it."""
    asked: bool = False
    """A request of it has left."""
    failed_at: float | None = None
    """When it was last in trouble, monotonic seconds."""
    hung: float = 0.0
    """Seconds that its requests took which failed."""
    own: bool = False
    """Its trouble has been shown to be its own."""
    throttled_at: float | None = None
    """When it was last answered 429."""
    throttled: int = 0
    """429s in succession, since they were shown to be for it alone."""


class Valve:
    """One for a run; for one event loop (asyncio or trio), not for threads."""

    def __init__(
        self,
        settings: PaceSettings | None = None,
        *,
        health: h.HealthSettings | None = None,
        patience: float = PATIENCE,
        now: Callable[[], float] = anyio.current_time,
        shared: SharedRate | None = None,
    ) -> None:
        self.patience = patience
        """Seconds; see ``PATIENCE``. This is the one place where a run keeps it."""
        self.health = h.WELL
        self._well_at = 0.0
        """When Moment last answered sensibly, or the run began."""
        self._settings = health or h.HealthSettings()
        self.gate = Gate(settings or PaceSettings(), now=now, shared=shared)
        """What paces; requests enter by the valve."""
        self._now = now
        self._closed = False
        self._changed = anyio.Event()
        """Something that a held request waits for is different now."""
        self._held = [0, 0]
        """Held requests of rows that were tried before, and of rows that never were."""
        self.heard = False
        """Moment has answered sensibly at least once."""
        self._away: set[int] = set()
        """Rows that were turned away since the last sensible answer, whether in a pause or not."""
        self._turned_away = ""
        """What the last answer that turned a row away would be called, if it were the run's."""

    @property
    def in_flight(self) -> int:
        """Requests that have entered and not left."""
        return self.gate.in_flight

    @property
    def reason(self) -> str:
        """Why the run is not faster, in plain words; empty when nothing holds it."""
        pausing = self.health.paused_until - self._now()
        if pausing > 0:
            what = "turns every row away" if self.health.blocked else "does not answer"
            return f"Moment {what}: asking again in {pausing:.0f} s"
        return self.gate.reason

    @property
    def trouble(self) -> str:
        """What the run would be stopped for now; empty where the last answer was sensible."""
        if not self.health.troubled:
            return ""
        return self._turned_away if self.health.blocked else "unreachable"

    @property
    def turned_away(self) -> str:
        """Why as many rows as make an outage were turned away since the last sensible answer."""
        return self._turned_away if len(self._away) >= self._settings.outage_after else ""

    def start(self) -> None:
        """The run begins now."""
        self.health, self._well_at = h.WELL, self._now()

    def close(self) -> None:
        """Let nobody in any more but those who finish what they began; the others hear of it."""
        self._closed = True
        self.gate.close()
        self._tell()

    def enter_now(self, trail: Trail) -> float | None:
        """``enter`` where nobody waits and nothing holds; None where it is to be awaited."""
        if self._closed or self.health is not h.WELL:
            return None
        sent_at = self.gate.enter_now()
        if sent_at is not None:
            trail.asked = True
        return sent_at

    async def enter(self, trail: Trail, *, finishing: bool = False) -> float:
        """Wait for the turn of one request; returns its send time (monotonic seconds).

        Every ``enter`` that returned is followed by exactly one ``leave`` or ``abandon``.

        Args:
            trail: whose request it is. In an outage a row that was never tried asks first, then
                in turn one that was and one that never was.
            finishing: it goes on with what it began, even after ``close``.

        Raises:
            GateClosed: the valve was closed.
            ToldToWait: the server asks to wait for longer than the run has patience for.
        """
        while True:
            probes = await self._hold(trail, finishing=finishing)
            hold = self.gate.pace.hold_until - self._now()
            if hold > self.patience:
                raise ToldToWait(hold)
            sent_at = await self.gate.enter(finishing=finishing)
            if probes or not self._is_held():
                trail.asked = True
                return sent_at
            self.gate.abandon()  # an outage was seen while it stood in line

    def _is_held(self) -> bool:
        return self.health.out and h.held_until(self.health) > self._now()

    async def _hold(self, trail: Trail, *, finishing: bool) -> bool:
        """Wait while an outage holds the run; whether this request is its probe."""
        if not self.health.out:
            return False
        is_fresh = not trail.asked
        self._held[is_fresh] += 1
        try:
            while self.health.out:
                if self._closed and not finishing:
                    raise GateClosed
                wait = h.held_until(self.health) - self._now()
                is_turn = is_fresh == self.health.probes % 2 or not self._held[not is_fresh]
                if wait <= 0 and is_turn:
                    self.health = h.asking(self.health, self._settings, self._now())
                    return True
                with anyio.move_on_after(wait if wait > 0 else self._settings.pause):
                    await self._changed.wait()
        finally:
            self._held[is_fresh] -= 1
        return False

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    @property
    def is_well(self) -> bool:
        """Nothing has been in trouble since the last sensible answer."""
        return not self.health.troubled

    def passed(self, sent_at: float) -> None:
        """Give the place back to a request that status and headers say went well.

        ``leave`` follows once its answer is read.
        """
        self.gate.passed(sent_at)

    def abandon(self) -> None:
        """Give the place back without an answer, for a request that was cancelled."""
        self.gate.abandon()

    def leave(  # noqa: C901 - one answer, step by step
        self,
        trail: Trail,
        sent_at: float,
        answer: AnyAnswer,
        hint: RateLimitHint | None = None,
        *,
        rows: int,
        few: bool = False,
        has_passed: bool = False,
    ) -> bool:
        """Learn from the answer to a request that entered at ``sent_at``.

        ``hint`` is what its RateLimit headers said; ``rows`` is how many rows in trouble are all
        that there are; ``few``: so few are in progress that they say nothing of each other;
        ``has_passed``: it has given its place back already.

        Returns:
            Whether the run must stop, because row after row is turned away.
        """
        what = said(answer)
        if what is h.Said.SENSE and self.health is h.WELL and (has_passed or hint is None):
            # Nearly all of them: there is no trouble that could end.
            trail.throttled, self.heard, self._well_at = 0, True, self._now()
            if not has_passed:
                self.gate.passed(sent_at)
            return False
        now, held = self._now(), self.health.out
        own = self._is_its_own(trail, what, now, few=few)
        if what is h.Said.FAULT:
            trail.hung += now - sent_at
        if what is h.Said.SENSE:
            self.heard = True
            # An answer that is read late is older than the trouble that was heard of since it came.
            if not (has_passed and self.health.troubled):
                self.health, self._well_at = h.WELL, now
                self._away.clear()
        elif own or what in {h.Said.THROTTLED, h.Said.ABSENT}:
            self.health = h.no_news(self.health)
        else:
            is_blocked = what is h.Said.BLOCKED
            if is_blocked:
                self._turned_away = _reason(answer)
                if len(self._away) < self._settings.outage_after:
                    self._away.add(trail.row)
            self.health = h.troubled(
                self.health, self._settings, now, trail.row, blocked=is_blocked, rows=rows
            )
        kind, wait = _KINDS[what], self._wait_for_all(what, answer)
        if not (own or (has_passed and kind is Kind.OK)):
            self.gate.hear(kind, sent_at, retry_after=wait, hint=hint)
        if not has_passed:
            self.gate.abandon()
        if held:
            self._tell()
        return h.gives_up(self.health, self._settings)

    def _is_its_own(self, trail: Trail, what: h.Said, now: float, *, few: bool) -> bool:
        """Whether the trouble is the row's alone; what else it was told is remembered.

        A row that an earlier run left is turned away again, while this run has others served, or is
        told 429 where nothing else is asked for: that is the row's, too.
        """
        if what is h.Said.THROTTLED:
            own = trail.throttled > 0 or h.is_its_own(self._well_at, trail.throttled_at)
            own = own or (trail.left and few)
            trail.throttled_at = now
            trail.throttled += own
            return own
        trail.throttled = 0
        if what not in {h.Said.FAULT, h.Said.BLOCKED}:
            return False
        again = what is h.Said.BLOCKED and trail.left and self.heard
        trail.own = trail.own or again or h.is_its_own(self._well_at, trail.failed_at)
        trail.failed_at = now
        return trail.own

    def _wait_for_all(self, what: h.Said, answer: AnyAnswer) -> float | None:
        """How long the whole run waits for what was said to one row (its own wait is its own).

        A 429 is for all. A 503 is, once a second row has trouble. What is longer than the run's
        patience is the pool's to judge.
        """
        wait: float | None = getattr(answer, "retry_after", None)
        if wait is None or wait > self.patience:
            return None
        return wait if what is h.Said.THROTTLED or len(self.health.troubled) > 1 else None


def _reason(answer: AnyAnswer) -> str:
    match answer:
        case a.Blocked(http_status=status, of_api=of_api, is_update=is_update):
            return turned_away(status, of_api=of_api, is_update=is_update)
        case a.LookUpFailed(http_status=status, error_code=code) if status >= _NO_SUCCESS:
            of_api = code != "not_the_api" and not code.startswith("http_")
            return turned_away(status, of_api=of_api)
        case _:
            return "something_else_answers"
