"""How many requests a second: finds a server's rate limit and stays a hair under it. Pure.

The limit is measured, not guessed. A 429 shows a moment at which the server's token bucket was
empty; between two such moments it let through exactly what it gained, so

    limit = requests that passed / seconds between      (sent between two empty moments)

whatever the bucket's size. A wrong reading can only be too low (a full bucket loses what it
gains), so the rate is tried upwards now and then, gently; the more often a reading is confirmed,
the rarer. As in the adaptive retry mode of the AWS SDKs the rate is free until the first 429, is
cut at once, comes back near the known limit and then grows faster the longer nothing is refused.

Not every 429 is about the rate: a lock of one customer or a gateway's whim refuses here and there,
however slowly it is asked. A bucket tells them apart: after a 429 it is empty, so a stretch that is
sent more slowly than another one passes at least as much before the next 429. Where stretches keep
breaking that (``Doubt``), slowing down does not help: the rate comes back, and 429s no longer
move it, until they come in a greater share than before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from importer.values import new, quick

MARGIN = 0.99
"""Share of the measured limit that is used while nothing is tried."""
DIP = 0.90
"""Share used right after a 429, so that the bucket gains a cushion against bunched arrivals."""
DIP_TIME = 1.0
"""Seconds."""
FIRST_CUT = 0.7
"""The first cut is blind: nothing is known but that it was too fast."""
BLIND_CUT = 0.8
NUDGE = 0.95
BARREN_CUT = 0.5
"""When nothing at all has passed for a while: exponential backoff."""
BARREN = 1.0
"""Seconds without one request that passed."""
HOLDS = (0.5, 3.0, 8.0, 16.0, 30.0)
"""Seconds at the limit before the next try upwards, by how often the limit was confirmed."""
HOLD_PER_WAIT = 120.0
"""Where a 429 costs a wait (``Retry-After``), tries are this many times further apart."""
FLOOR = 0.2
"""Requests a second; even a server that refuses everything is asked again every 5 s."""
EMPTY_SHARE = 0.1
"""With more 429s than this per passed request the bucket was empty all the time."""
NEAR = 1.06
"""A try that is refused below this times the known limit confirms it."""
STEP = 0.02
"""Share by which a confirmed limit is corrected at once."""
SLOW = 5.0
"""Seconds of sending before a 429 that make the rate sent nearly the limit."""
ENOUGH = 100
"""Passed requests that make a measurement, if it is not too short; 20 in a second do too."""

ROUGH = 10
"""Passed requests that make a rough one."""
ODD = 3
"""Stretches that no bucket explains before 429s are taken to be no matter of the rate. One or two
can be bunched arrivals at a bucket of one request."""
RARE = 100
"""Passed requests after which a 429 is as rare as it should be, whatever the reason."""
EXCESS = 16
"""429s beyond the tolerated share that show that it is the rate after all. A quarter by chance,
where half are tolerated, comes to that once in 3^16 times; rows that are refused twice come in
bunches."""


class Doubt(NamedTuple):
    """Whether 429s are about the rate at all: stretches between two 429s, compared."""

    longest: int = 0
    """Requests that passed in the longest stretch, and"""
    pace: float = 0.0
    """the rate that was allowed in it."""
    opened: float = math.inf
    """The rate at which the 429 came that opens the present stretch."""
    odd: int = 0
    """Stretches that passed less than half of that, though they were never sent faster. Without a
    wait the 429 that opened one was no try upwards: behind one a bucket refuses again by chance."""
    among: int = 0
    """Answers in them."""
    needed: int = ODD


@quick
class Rate(NamedTuple):
    """What is known of the server's limit. Times are monotonic seconds, rates requests a second.

    What changes with each answer comes first.
    """

    counted_from: float | None = None
    counted: int = 0
    throughput: float = 0.0
    """Requests that passed per second, over the last half second or more."""

    base: float | None = None
    """The limit as far as known; None until the first 429: no limit in force."""
    cut_at: float = 0.0
    """When the last cut was made; requests sent earlier say nothing about it."""
    since: float = 0.0
    """When sending went on after the cut: where the curve of ``allowed`` starts."""
    hold: float = HOLDS[0]
    certain: int = 0
    """How often in a row measurements agreed."""
    waited: float = 0.0
    """Seconds that a 429 costs here (``Retry-After``)."""
    passed_at: float = 0.0
    """When a request last passed, or the first 429 came."""
    restart: float = 0.0
    """After a barren time the rate doubles with each passed request, up to this."""

    anchor: float | None = None
    """Send time of the 429 that opens the measurement."""
    passed: int = 0
    """Requests sent since the anchor (and before ``pending``) that were not refused."""
    refused: int = 0
    """429s in the same time."""
    held: float = 0.0
    """Seconds of the measurement in which a wait was in force."""
    held_after: float = 0.0
    """The same since ``pending``."""
    wait_active: float = 0.0
    """Seconds of sending in the shortest measurement that began with a wait, and"""
    wait_passed: int = 0
    """what passed in it."""
    pending: float | None = None
    """Send time of the 429 that closes the measurement, until earlier requests are answered."""
    pending_rate: float = 0.0
    """The rate allowed at that time."""
    pending_try: bool = False
    """Whether that was a try upwards."""

    doubt: Doubt = Doubt()
    mark: int = 0
    """``passed`` at the 429 before ``pending``."""
    plateau: float = 0.0
    """The rate allowed since that 429, unless one was tried upwards."""
    tolerated: float = 0.0
    """Share of 429s that are not taken for a matter of the rate; 0 while each of them is."""
    excess: float = 0.0
    """429s beyond that share, since there last were none."""


def allowed(rate: Rate, now: float) -> float | None:
    """Requests a second that may be sent at ``now``; None where no limit is known.

    A dip, a plateau just under the limit, then a try upwards that grows faster with time. It
    never runs ahead of what really passes: a limit that is not used cannot be tried.
    """
    if rate.base is None:
        return None
    since = now - rate.since
    if rate.tolerated:
        return rate.base * math.exp(min(max(0.0, 0.5 * since), 20.0))
    if since < DIP_TIME:
        return max(FLOOR, rate.base * DIP)
    plateau = max(FLOOR, rate.base * MARGIN)
    trying = since - DIP_TIME - rate.hold
    if trying <= 0:
        return plateau
    if rate.certain > 1:
        growth = 0.01 * trying + 0.01 * trying * trying
    else:
        growth = (0.05 if rate.certain else 0.5) * trying
    return max(plateau, min(plateau * math.exp(min(growth, 20.0)), 1.5 * rate.throughput))


def limit(rate: Rate) -> float | None:
    """The server's limit as far as known; None where 429s are no matter of the rate."""
    return None if rate.tolerated else rate.base


def heard_of(rate: Rate, now: float, limit: float) -> Rate:
    """Take a limit that others found for a first, blind reading of one's own."""
    return rate._replace(
        base=max(FLOOR, limit), cut_at=now, since=now, passed_at=now, anchor=now, held=0.0
    )


def passed(rate: Rate, at: float, sent: float) -> Rate:
    """Fold in one request that the limiter let through (whatever its answer then was)."""
    start, count, throughput, *rest = rate
    count += 1
    if start is None:
        start = sent
    if at - start >= 0.5 and count >= 3:  # noqa: PLR2004 - half a second, three requests
        throughput, start, count = count / (at - start), at, 0
    if rate.base is None or rate.anchor is None:
        return new(Rate, [start, count, throughput, *rest])
    if rate.pending is not None and sent >= rate.pending:
        rate = _compared(rate, at)
    if rate.tolerated:
        excess = max(0.0, rate.excess - rate.tolerated / (1 - rate.tolerated))
        return rate._replace(
            excess=excess, counted_from=start, counted=count, throughput=throughput
        )
    base = rate.base
    if base is not None and base < rate.restart and sent >= rate.since:
        base = min(rate.restart, base * 2)
    return rate._replace(
        base=base,
        passed_at=at,
        passed=rate.passed + (rate.anchor is not None and sent >= rate.anchor),
        counted_from=start,
        counted=count,
        throughput=throughput,
    )


def refused(rate: Rate, at: float, sent: float, wait: float) -> Rate:
    """Fold in one 429; ``wait`` is the seconds that it adds to the time when nothing is sent."""
    # A wait gives the bucket its cushion, the dip is for a 429 without.
    resumed = at + wait - (DIP_TIME if wait else 0.0)
    base, speed = rate.base, allowed(rate, sent)
    if rate.tolerated:
        if rate.excess + 1 < EXCESS:
            return rate._replace(excess=rate.excess + 1)
        # It is the rate after all: all over again, and harder to be led astray.
        rate = Rate(
            doubt=Doubt(needed=2 * rate.doubt.needed),
            counted_from=rate.counted_from,
            counted=rate.counted,
            throughput=rate.throughput,
        )
        base = None
    if base is None or speed is None:
        elapsed = max(0.01, at - (sent if rate.counted_from is None else rate.counted_from))
        # Who says when to ask again would have taken one then.
        seen = max(rate.throughput, (rate.counted or (wait > 0)) / elapsed)
        base = min(max(1.0, seen * FIRST_CUT), speed or math.inf)
        rate = rate._replace(base=base, plateau=base * MARGIN, anchor=sent, held=wait)
        return rate._replace(cut_at=at, since=resumed, passed_at=at, waited=wait)
    rate = rate._replace(
        refused=rate.refused + (rate.anchor is not None and sent > rate.anchor),
        waited=max(wait, rate.waited * 0.9),
    )
    if sent < rate.cut_at:
        if rate.pending is None:
            return rate._replace(held=rate.held + wait, since=rate.since + wait)
        return rate._replace(held_after=rate.held_after + wait, since=rate.since + wait)
    cut = rate._replace(cut_at=at, since=resumed, pending=sent, held_after=wait, restart=0.0)
    if rate.pending is None:
        trying = sent - rate.since > DIP_TIME + rate.hold
        known = max(FLOOR, _guess(rate, base, wait, trying=trying))
        return cut._replace(base=known, pending_rate=speed, pending_try=trying)
    cut = cut._replace(held=rate.held + rate.held_after)
    if wait:  # Nothing passed in the stretch after the last one.
        cut = cut._replace(doubt=_doubted(rate, 0, speed))
    is_barren = at - rate.passed_at >= BARREN
    # A wait is a backoff already.
    times = BARREN_CUT if is_barren and not wait else BLIND_CUT
    restart = max(rate.restart, base / 2) if is_barren else 0.0
    return cut._replace(base=max(FLOOR, base * times), restart=restart)


def _guess(rate: Rate, base: float, wait: float, *, trying: bool) -> float:
    """The limit as far as known after a 429, until the measurement is complete.

    Without a wait a known limit needs no cut, only the dip. A wait is dear, so stretch after
    stretch that ends so soon must not be: what was not tried upwards is a little too fast.
    """
    passed = rate.passed - rate.mark
    if rate.certain:
        cut = base * (NUDGE if wait and passed < ROUGH and not trying else 1.0)
    else:
        cut = base * (BARREN_CUT if wait and passed <= 1 else BLIND_CUT)
    # Who took one after the wait that it asked for takes one in so long.
    return max(cut, min(base, 1 / wait)) if wait and passed else cut


def _compared(rate: Rate, at: float) -> Rate:
    """Close the stretch that ended with ``pending``: a matter of the rate, or not?"""
    passed = rate.passed - rate.mark
    doubt = _doubted(rate, passed, rate.pending_rate)
    if doubt.odd >= doubt.needed:
        return _tolerating(rate, doubt, at)
    # A longer one at a far lower rate is a better measure only if it is far longer.
    times = 1 if rate.plateau >= doubt.pace / 2 else 2
    is_model = passed > times * doubt.longest
    if is_model and doubt.odd == rate.doubt.odd:
        doubt = doubt._replace(longest=passed, pace=rate.plateau)
    rate = _measured(rate._replace(doubt=doubt))
    return rate._replace(mark=rate.passed, plateau=(rate.base or 0.0) * MARGIN)


def _doubted(rate: Rate, passed: int, speed: float) -> Doubt:
    """Look at a stretch that a 429 ended, to which ``speed`` was allowed."""
    doubt = rate.doubt
    opened, doubt = doubt.opened, doubt._replace(opened=speed)
    is_slow = _leaves(passed, speed, rate.waited) >= _leaves(passed, doubt.pace, rate.waited)
    is_slow = is_slow and (rate.waited > 0 or opened <= doubt.pace)
    # A bucket that is as empty at both beginnings can differ by one request.
    if is_slow and passed < min(doubt.longest / 2, doubt.longest - 1, RARE):
        return doubt._replace(odd=doubt.odd + 1, among=doubt.among + passed + 1)
    return doubt


def _leaves(number: int, speed: float, wait: float) -> float:
    """When a request leaves at the earliest, in seconds after the 429; they count from 0.

    The first one behind a wait leaves at its end, whatever the rate.
    """
    return max(wait, 1 / speed) + number / speed if speed else 0.0


def _tolerating(rate: Rate, doubt: Doubt, at: float) -> Rate:
    """The rate comes back, and 429s of this share do not move it."""
    return rate._replace(
        base=max(rate.base or 0.0, doubt.pace),
        since=at,
        pending=None,
        doubt=doubt,
        tolerated=min(0.5, 2 * doubt.odd / doubt.among),
    )


def _measured(rate: Rate) -> Rate:
    """Close the measurement between two 429s and draw the conclusion."""
    if rate.base is None or rate.anchor is None or rate.pending is None:
        return rate
    seconds = rate.pending - rate.anchor
    active = max(0.001, seconds - rate.held)
    if not _enough(rate, active):
        base = rate.base
        if rate.passed >= ROUGH and _was_empty(rate):
            rough = rate.passed / seconds
            base = max(FLOOR, 0.95 * rough, min(base, 1.05 * rough))
        return rate._replace(base=base, pending=None, held=rate.held + rate.held_after)
    base, certain = _conclusion(rate, seconds, active)
    shortest = rate.held > 0 and not (rate.pending_try or 0 < rate.wait_active < active)
    hold = max(HOLDS[certain], HOLD_PER_WAIT * rate.waited if certain > 1 else 0.0)
    return rate._replace(
        base=max(FLOOR, base),
        certain=certain,
        hold=hold,
        anchor=rate.pending,
        pending=None,
        passed=0,
        refused=0,
        wait_active=active if shortest else rate.wait_active,
        wait_passed=rate.passed if shortest else rate.wait_passed,
        held=rate.held_after,
    )


def _enough(rate: Rate, active: float) -> bool:
    """Whether a measurement is precise enough; one with a wait in it is blurred anyway."""
    if rate.held:
        return rate.passed >= ROUGH
    quick = rate.passed >= ENOUGH and _was_empty(rate)
    return rate.passed >= ENOUGH / 5 and active >= (0.3 if quick else 1.0)


def _was_empty(rate: Rate) -> bool:
    """Whether so much was refused that the bucket was empty all the time."""
    return rate.refused > EMPTY_SHARE * rate.passed


def _conclusion(rate: Rate, seconds: float, active: float) -> tuple[float, int]:
    """The limit and how certain it is, from one complete measurement.

    The measurement is a lower bound, and exact where the bucket cannot have been full; the rate
    that was tried is an upper bound, and near where the bucket is small.
    """
    floor = rate.passed / seconds
    before = rate.base or floor
    tried = max(floor, rate.pending_rate)
    if rate.held:
        return _conclusion_of_wait(rate, floor, tried, active)
    if not rate.certain:
        if _was_empty(rate):
            return floor, 1
        return math.sqrt(floor * tried), 1
    surer = min(rate.certain + 1, len(HOLDS) - 1)
    if not rate.pending_try:
        return min(floor, before), (surer if floor > 0.95 * before else 1)
    if rate.passed > before * seconds * 1.005 + 2:
        # More passed than the known limit could have gained: it is higher now.
        return max(floor, tried * 0.95), 1
    return before + min((tried - before) / 2, STEP * before), surer


def _conclusion_of_wait(rate: Rate, floor: float, tried: float, active: float) -> tuple[float, int]:
    """The same where each 429 brings a wait: at its end a small bucket is full, of whatever size.

    Two such measurements begin with the same content, so what passed in the longer one beyond the
    shorter is what the server gained in the time between (too low only if the bucket overflowed).
    """
    before = rate.base or floor
    surer = min(rate.certain + 1, len(HOLDS) - 1)
    if rate.pending_try and rate.certain > 1 and tried < NEAR * before:
        return before * (1 - STEP / 2), surer
    gained = _gained(rate, active)
    if floor <= gained <= tried:
        # Always faster than that, the bucket cannot have overflowed: the quotient is exact.
        if rate.pending_try and before < gained < 0.9 * tried:
            return gained + 0.3 * (tried - gained), 1
        # It can only be too low, and too high costs one wait in minutes.
        return gained * 1.005, 2 if gained * (active - rate.wait_active) > ENOUGH / 2 else 1
    if rate.pending_try:
        return (math.sqrt(floor * tried) if tried > 2 * floor else tried * 0.93), 1
    step = 0.97 if active >= SLOW else 0.9 if active >= SLOW / 3 else 0.7
    return max(floor, tried * step), (surer if active >= SLOW else min(rate.certain, 1))


def _gained(rate: Rate, active: float) -> float:
    """Requests a second by which a measurement exceeds the shortest one; 0 without enough time."""
    longer, more = active - rate.wait_active, rate.passed - rate.wait_passed
    if not rate.wait_active or longer < 0.1 or more < 2 * ROUGH:  # noqa: PLR2004 - seconds
        return 0.0
    return more / longer
