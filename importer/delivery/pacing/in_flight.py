"""How many requests in flight: additive increase, multiplicative decrease, a latency guard. Pure.

In the manner of Netflix's concurrency-limits (Gradient2): windows of one round trip; slow start;
when answers take much longer than usual the limit is cut. Slow start is TCP's (RFC 5681 section
3.1): each answer lets more in at once, so no round trip is lost to waiting for a window to end. (A
429 ends it by way of the rate, which is known from then on.) What Gradient2 lacks is the question
whose doing it is: if fewer in flight do not make answers faster, the server has become slower by
itself, the new latency becomes the usual one and the limit comes back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from importer.values import new, quick

TOLERANCE = 2.0
"""Answers may take this many times as long as usual before the limit is cut."""
LARGEST_CUT = 0.5
BAD_SHARE = 0.3
"""Share of faults in a window that halves the limit; fewer are trouble of single rows."""
SMALLEST_WINDOW = 8
"""Answers in a window, or the limit if that is less; else as many as were in flight at most."""
NOISE = 0.05
"""Seconds; latency differences below this are the network's, not a queue's."""
FIRST = 4
"""In flight after the first answer: what a server that takes one request at a time refuses."""
CLIMB = 2
"""Round trips from ``FIRST`` to the top, and one more beyond 64. Doubling would take three to 32,
the default, and six to 256. A lower limit costs a handful of 429s more for it, once."""
STEEPEST = 4.0
"""Times as many in flight after a round trip; more would take one's own queue for the usual."""


@quick
class Flight(NamedTuple):
    """The limit and the running window. Seconds. What changes with each answer is first."""

    seen: int = 0
    bad: int = 0
    total: float = 0.0
    """Sum of the latencies of the good answers."""
    peak: int = 0
    """Most in flight."""

    limit: float = 1.0
    """Requests allowed in flight, as a fraction for slow growth; at least 1."""
    cut_at: float = -math.inf
    """When it was cut last; answers to what was sent before do not raise it."""
    slow_start: bool = True
    usual: float | None = None
    """Latency that is normal for this server."""
    cause: str = ""
    """Why the limit was cut last: ``faults`` or ``latency``; empty once it has recovered."""
    before: float = 0.0
    """The limit before the last cut for latency; 0 when its effect has been judged."""
    before_latency: float = 0.0

    opened: float = 0.0
    top: float = 1.0
    """The limit when the window was opened; the first is that of the row that goes alone."""
    last_bad: int = 0
    last_count: int = 0
    last_latency: float = 0.0
    """The window before, for ``explain``."""


def answered(
    flight: Flight, at: float, latency: float, in_flight: int, *, good: bool, ceiling: int
) -> Flight:
    """Fold in one answer that was not a 429 (or the lack of one: ``good=False``)."""
    sent = at - latency
    if flight.limit < ceiling and good and _climbs(flight, sent, latency, in_flight):
        times = min(STEEPEST, max(2.0, (ceiling / FIRST) ** (1 / CLIMB)))
        flight = flight._replace(limit=min(float(ceiling), flight.limit + times - 1))
    if sent < flight.opened:
        return flight  # Sent under the previous limit.
    count, bad, total, peak, *rest = flight
    count += 1
    if good:
        total += latency
    else:
        bad += 1
    peak = max(peak, in_flight)
    if count < flight.top and (count < SMALLEST_WINDOW or count < peak):
        return new(Flight, [count, bad, total, peak, *rest])
    flight = flight._replace(
        opened=at, seen=0, bad=0, total=0.0, peak=0, last_bad=bad, last_count=count
    )
    if bad > BAD_SHARE * count:
        limit = max(1.0, flight.limit * LARGEST_CUT)
        flight = flight._replace(limit=limit, cause="faults", before=0.0, cut_at=at)
    else:
        flight = _judge(flight, at, total / (count - bad), peak, float(ceiling))
    return flight._replace(top=flight.limit)


def _climbs(flight: Flight, sent: float, latency: float, in_flight: int) -> bool:
    """Whether a good answer lets more in: no sign of trouble yet, and what is allowed is used."""
    is_news = flight.slow_start and not flight.cause and sent >= flight.cut_at
    return is_news and in_flight > flight.limit / 2 and not _is_slow(flight, latency)


def _is_slow(flight: Flight, latency: float) -> bool:
    return flight.usual is not None and latency > TOLERANCE * flight.usual + NOISE


def _judge(flight: Flight, at: float, latency: float, peak: int, ceiling: float) -> Flight:
    """Decide after a window without trouble: cut for latency, undo such a cut, or grow."""
    usual = latency if flight.usual is None else flight.usual
    flight = flight._replace(last_latency=latency)
    if flight.before and latency > 0.8 * flight.before_latency:
        return flight._replace(
            usual=latency, limit=flight.before, before=0.0, cause="", slow_start=True
        )
    flight = flight._replace(usual=usual)
    if _is_slow(flight, latency) and flight.limit > 1:
        cut = max(LARGEST_CUT, TOLERANCE * usual / latency)
        return flight._replace(
            limit=max(1.0, flight.limit * cut),
            before=flight.limit,
            before_latency=latency,
            cause="latency",
            slow_start=False,
            cut_at=at,
        )
    # Never up: one's own queue must not become the usual latency. What is slow for another
    # reason is found out by a cut that does not help.
    usual += min(0.0, latency - usual) / 2
    if peak < flight.limit / 2:
        return flight._replace(usual=usual, before=0.0)
    limit = flight.limit
    if flight.cause == "faults":
        limit *= 2  # They say nothing about how many are too many.
    elif not flight.slow_start:
        limit += max(1.0, math.sqrt(limit))
    cause = "" if limit >= ceiling else flight.cause
    return flight._replace(usual=usual, limit=min(ceiling, limit), before=0.0, cause=cause)
