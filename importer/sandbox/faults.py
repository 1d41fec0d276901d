"""Seeded faults: what goes wrong, how often, for whom. Pure; sandbox_app.py has their effects.

A spec is a comma-separated list of tokens::

    lost=0.05             5 % of POSTs lose their answer
    get:503=0.02          2 % of look-ups meet a 503 (prefix post:, get: or patch:)
    latency@2000=0.1      10 % wait 2,000 ms longer (1,000 without @)
    ref:CUST-7=stored500  the next POST of CUST-7; *3 the next three, * every one
    ref:CUST-7=patch:409  the next PATCH of CUST-7

Tokens of one reference are used up in the order given, before rates are drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NoReturn

from importer.errors import UsageError


class FaultKind(StrEnum):
    """What a fault does to one request."""

    LATENCY = "latency"
    """The answer takes longer."""
    RESET_BEFORE = "reset_before"
    """Connection reset; the request was not processed."""
    LOST = "lost"
    """The request was processed; connection reset instead of an answer."""
    CUT = "cut"
    """Processed; the body ends before its Content-Length."""
    GARBAGE = "garbage"
    """Processed; the answer is a success with an HTML body."""
    STORED_500 = "stored500"
    """500, stored under the key; no customer created."""
    STORED_500_CREATED = "stored500_created"
    """500, stored under the key, although the customer was created."""
    REFUSED = "refused"
    """400, stored under the key, for a body that is valid; no customer created."""
    UNAVAILABLE = "503"
    """503 HTML page of a gateway; not processed, not stored."""
    THROTTLED = "429"
    """429; not processed."""
    FAILED = "500"
    """500; not processed. (A PATCH has no key, so nothing is stored.)"""
    FAILED_UPDATED = "500_updated"
    """500, although the customer was updated."""
    CONFLICT = "409"
    """409; not processed: another request has the customer."""


POST_ONLY = frozenset({FaultKind.STORED_500, FaultKind.STORED_500_CREATED, FaultKind.REFUSED})
PATCH_ONLY = frozenset({FaultKind.FAILED, FaultKind.FAILED_UPDATED, FaultKind.CONFLICT})
METHODS = ("post", "get", "patch")
DEFAULT_DELAY_MS = 1000.0
ALWAYS = -1

_REFERENCE = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_KIND = re.compile(r"(?P<kind>[a-z0-9_]+)(?:@(?P<ms>[0-9]{1,7}))?", re.ASCII)
_TIMES = re.compile(r"(?P<fault>[^*]+)(?P<star>\*(?P<times>[0-9]{0,9}))?", re.ASCII)
_RATE = re.compile(r"[0-9]*\.?[0-9]+(?:e-?[0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind
    delay_ms: float = 0.0
    """Extra milliseconds; only for ``latency``."""


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A parsed spec."""

    rates: tuple[tuple[str, Fault, float], ...] = ()
    """Method in upper case, fault, probability."""
    references: tuple[tuple[tuple[str, str], Fault, int], ...] = ()
    """(Method in upper case, reference), fault, how many times (``ALWAYS`` for every time)."""


def parse_faults(spec: str) -> FaultSpec:
    """Parse a fault spec; "" is no faults.

    Raises:
        UsageError: names the bad token and the valid kinds.
    """
    rates: list[tuple[str, Fault, float]] = []
    references: list[tuple[tuple[str, str], Fault, int]] = []
    for token in filter(None, (part.strip() for part in spec.split(","))):
        left, equals, right = token.partition("=")
        if not equals:
            _bad(token, "there is no = in it")
        if left.startswith("ref:"):
            references.append(_reference_token(token, left[4:], right))
        else:
            rates.append(_rate_token(token, left, right))
    for method in METHODS:
        total = sum(rate for verb, _, rate in rates if verb == method.upper())
        if total > 1 + 1e-9:
            raise UsageError(
                f"the {method.upper()} fault rates add up to {total:g}",
                hint="one request meets one fault at most: keep their sum at 1 or below",
            )
    return FaultSpec(tuple(rates), tuple(references))


class FaultPlan:
    """Decides the fault of each request, from one seeded sequence of draws."""

    def __init__(self, spec: FaultSpec, seed: int) -> None:
        self._random = Random(f"faults/{seed}")  # noqa: S311 - reproducible, not secret
        self._rates: dict[str, list[tuple[float, Fault]]] = {}
        for method, fault, rate in spec.rates:
            steps = self._rates.setdefault(method, [])
            steps.append(((steps[-1][0] if steps else 0.0) + rate, fault))
        self._queues: dict[tuple[str, str], list[tuple[Fault, int]]] = {}
        for aim, fault, times in spec.references:
            self._queues.setdefault(aim, []).append((fault, times))

    def decide(self, method: str, reference: str | None) -> Fault | None:
        """Decide the fault of one request; ``reference`` is None where the request names none."""
        if (aim := (method, reference or "")) in self._queues:
            return self._next_of(aim)
        steps = self._rates.get(method)
        if steps is None:
            return None
        draw = self._random.random()
        return next((fault for limit, fault in steps if draw < limit), None)

    def _next_of(self, aim: tuple[str, str]) -> Fault:
        queue = self._queues[aim]
        fault, times = queue[0]
        if times == 1:
            queue.pop(0)
            if not queue:
                del self._queues[aim]
        elif times != ALWAYS:
            queue[0] = (fault, times - 1)
        return fault


def _reference_token(token: str, reference: str, right: str) -> tuple[tuple[str, str], Fault, int]:
    if not _REFERENCE.fullmatch(reference):
        _bad(token, "the part after ref: is no external_reference")
    match = _TIMES.fullmatch(right)
    if match is None:
        _bad(token, "it is not ref:REFERENCE=KIND")
    times = 1
    if match["star"]:
        times = int(match["times"]) if match["times"] else ALWAYS
        if times == 0:
            _bad(token, "it happens 0 times")
    method, name = _aimed(token, match["fault"])
    return (method.upper(), reference), _fault(token, name, method), times


def _rate_token(token: str, left: str, right: str) -> tuple[str, Fault, float]:
    method, name = _aimed(token, left)
    fault = _fault(token, name, method)
    if not _RATE.fullmatch(right) or not 0 <= float(right) <= 1:
        _bad(token, "the rate is no number from 0 to 1")
    return method.upper(), fault, float(right)


def _aimed(token: str, text: str) -> tuple[str, str]:
    """(method, kind) of a kind with or without a method before it."""
    method, colon, name = text.partition(":")
    if not colon:
        return "post", text
    if method not in METHODS:
        _bad(token, f"{method}: is none of post:, get:, patch:, ref:")
    return method, name


def _fault(token: str, text: str, method: str) -> Fault:
    match = _KIND.fullmatch(text)
    if match is None or match["kind"] not in set(FaultKind):
        _bad(token, "the kind is unknown")
    kind = FaultKind(match["kind"])
    if kind in POST_ONLY and method != "post":
        _bad(token, f"{kind} exists for POST only")
    if kind in PATCH_ONLY and method != "patch":
        _bad(token, f"{kind} exists for PATCH only: patch:{kind}")
    if kind is FaultKind.LATENCY:
        return Fault(kind, float(match["ms"] or DEFAULT_DELAY_MS))
    if match["ms"] is not None:
        _bad(token, "@MS goes with latency only")
    return Fault(kind)


def _bad(token: str, reason: str) -> NoReturn:
    raise UsageError(
        f"fault {token!r}: {reason}",
        hint=f"write KIND=RATE or ref:REFERENCE=KIND, where KIND is one of {', '.join(FaultKind)}",
    )
