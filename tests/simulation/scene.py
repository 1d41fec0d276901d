"""What a seed decides before anything happens: how this Moment behaves, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

HOUR = 3600.0
GAPS = (1.0, 60.0, HOUR, 13 * HOUR, 19 * HOUR, 21 * HOUR, 26 * HOUR, 60 * HOUR)
CONFLICT = 409
WORDLESS, WORDS, REPLAY = "wordless", "words", "replay"


@dataclass(frozen=True, slots=True)
class Flavour:
    """How this Moment answers where the API page leaves it open."""

    unique: bool = True
    """References are unique, enforced atomically."""
    stores_refusals: bool = True
    """A refusal is stored under its key like any other answer."""
    refusal_status: int = 400
    duplicate_status: int = 409
    duplicate_words: bool = True
    """The refusal of a duplicate says that the reference exists."""
    other_body: str = REPLAY
    """A key used with another body: replayed all the same, or 422 with or without words."""
    lag: float = 0.0
    """Seconds that a look-up's replica may lag behind."""
    key_hours: float = 24.0

    json_404: bool = False
    """What goes wrong for a run is that the endpoint is missing, and it answers like a missing
    customer, even where ``mute`` (a limit)."""

    @property
    def mute(self) -> bool:
        """Nothing but a look-up tells that a customer exists already."""
        return not self.unique or not (self.duplicate_words or self.duplicate_status == CONFLICT)


@dataclass(frozen=True, slots=True)
class Scene:
    """One history's rules; each probability is of a request, a commit, a run or a row."""

    theme: str
    flavour: Flavour
    rows: int
    runs: int
    concurrency: int
    batch: int
    latency: float
    """Median seconds of one way."""
    tail: float
    """Sigma of the log-normal latency; 2 is a heavy tail."""
    late: float
    """Longest seconds that a given up request may stay on the wire."""
    gaps: tuple[float, ...] = GAPS
    """Seconds between two runs, one of these."""
    rates: dict[str, float] = field(default_factory=dict)
    """Probability of each kind of fault, by its name; one that is missing never happens."""
    curses: tuple[tuple[str, float], ...] = ()
    """Faults that belong to a row: (one of ``CURSES``, share of the rows)."""
    nobody: str = ""
    """One of ``NOBODY``: from some moment of each run on the server takes no row at all."""
    update: str = ""
    """The update policies of each run, as ``--update`` takes them; then each run is a night."""
    workers: int = 0
    """Workers that an engine carries batches to; 0 for none: the importer delivers itself."""
    changes: float = 0.3
    """Share of the rows that change where rows change."""
    refuses_updates: bool = False
    """Moment refuses every PATCH with the same words."""
    lively: bool = False
    """Nothing else goes wrong, so every row that the server takes must be taken in each run."""


CURSES = (
    "500, not stored",
    "500, stored",
    "deleted customer",
    "firewall's page",
    "forbidden by the API",
    "gateway's 400",
    "429 for one row",
    "503 for hours",
)
"""What the server answers to every POST of some rows (a look-up of them answers 404)."""
FEW = {"firewall's page": 4, "forbidden by the API": 4}
"""The most rows of kinds that many rows in succession would rightly make the run's own trouble."""
NOBODY = ("429 for ever", "429 for hours", "503 for hours", "firewall's page", "gateway's 400")
"""What the server answers to everything in a run that cannot progress."""

WIRE = (
    "connection refused",
    "request lost",
    "answer lost",
    "connection reset",
    "answer cut",
    "answer garbled",
    "another customer's answer",
    "request doubled",
    "request delayed",
)
SERVER = (
    "5xx before, not stored",
    "5xx before, stored",
    "5xx after, not stored",
    "5xx after, stored",
    "gateway gives up",
    "429, not stored",
    "429, stored",
    "slow server",
    "look-up fails",
    "look-up 404 of a gateway",
)
DISK = ("disk full", "I/O error", "I/O error after the commit", "read error", "slow disk")
CONNECTION = ("connection lost before a commit", "connection lost after a commit")
"""Of a ledger in a database; only in scenes of their own theme."""
RUN = (
    "crash at an await point",
    "crash before a commit",
    "crash after a commit",
    "second importer",
    "asked to stop",
    "key refused",
    "storm of 429",
    "outage",
    "clock jumps forward",
    "clock jumps back",
    "foreign creator",
    "foreign creator meanwhile",
    "row changed",
    "row corrected",
    "row worse",
    "row added",
    "row removed",
    "rows shuffled",
    "input unreadable",
    "rows conflict",
    "ledger lost",
    "ledger restored",
    "rejected rows tried again",
)
_RANGES = {
    **dict.fromkeys(WIRE, (0.01, 0.25)),
    **dict.fromkeys(SERVER, (0.01, 0.25)),
    **dict.fromkeys(DISK, (0.005, 0.05)),
    **dict.fromkeys(RUN, (0.1, 0.5)),
    "slow disk": (0.05, 0.5),
    "crash at an await point": (0.2, 0.9),
}
_NEED_UNIQUENESS = {
    "request doubled",
    "request delayed",
    "5xx after, not stored",
    "second importer",
    "clock jumps forward",
    "clock jumps back",
    "foreign creator",
    "foreign creator meanwhile",
    "ledger lost",
    "ledger restored",
}
"""What the protocol needs unique references against (docs/delivery.md, "What it rests on")."""


@dataclass(frozen=True, slots=True)
class Theme:
    """A corner of the world that chance alone would visit too rarely."""

    rates: dict[str, float] = field(default_factory=dict)
    """Kinds of fault that such a scene always has."""
    flavour: dict[str, Any] = field(default_factory=dict)
    scene: dict[str, Any] = field(default_factory=dict)
    alone: bool = False
    """No other fault happens than those of ``rates``."""


_LIVELY: dict[str, Any] = {"lively": True, "rows": 40, "runs": 2, "tail": 0.5}
_GROWS = {"row added": 0.7, "crash at an await point": 0.2}
ANYTHING = "anything"
THEMES = {
    ANYTHING: Theme(),
    "not unique": Theme(
        {"crash at an await point": 0.9, "answer lost": 0.1, "slow server": 0.1},
        {"unique": False, "lag": 0.0},
    ),
    "on its way for days": Theme(
        {"crash at an await point": 0.9, "answer lost": 0.4},
        {"unique": False, "lag": 0.0},
        {"runs": 6, "gaps": (13 * HOUR, 15 * HOUR), "rows": 8},
    ),
    "old refusals": Theme(
        {"ledger lost": 0.5, "row corrected": 0.9, "crash at an await point": 0.3},
        {"stores_refusals": True, "other_body": REPLAY},
    ),
    "old backup": Theme(
        {"ledger restored": 0.8, "row corrected": 0.5, "crash at an await point": 0.5},
        {"stores_refusals": True},
    ),
    "stale replicas": Theme(
        {"5xx after, not stored": 0.3, "5xx after, stored": 0.2},
        {"lag": 4.5, "duplicate_words": False, "duplicate_status": 400},
    ),
    "two importers": Theme({"second importer": 0.9, "slow disk": 0.3, "request lost": 0.1}),
    "ledger far away": Theme(
        {
            "connection lost before a commit": 0.2,
            "connection lost after a commit": 0.2,
            "second importer": 0.4,
            "crash at an await point": 0.4,
            "answer lost": 0.1,
        }
    ),
    "mixed up answers": Theme({"another customer's answer": 0.2}),
    "run refused": Theme({"key refused": 0.8}),
    "bad input": Theme({"rows conflict": 0.5, "input unreadable": 0.5}),
}

LIVELY = {
    "rows with lasting faults": Theme(
        _GROWS,
        scene=_LIVELY | {"curses": tuple((kind, 0.05) for kind in CURSES[:-1])},
        alone=True,
    ),
    "every other row fails for ever": Theme(
        _GROWS,
        scene=_LIVELY | {"curses": (("500, not stored", 0.4), ("deleted customer", 0.1))},
        alone=True,
    ),
    "many rows out of attempts": Theme(
        _GROWS,
        scene=_LIVELY | {"rows": 80, "curses": (("500, stored", 0.3),)},
        alone=True,
    ),
    "pages that are not Moment's": Theme(
        _GROWS,
        scene=_LIVELY | {"curses": (("firewall's page", 0.05), ("gateway's 400", 0.1))},
        alone=True,
    ),
    "some rows ask to wait for hours": Theme(
        _GROWS,
        scene=_LIVELY | {"curses": (("503 for hours", 0.1), ("429 for one row", 0.03))},
        alone=True,
    ),
    "takes nobody": Theme(scene={"rows": 20, "runs": 1}, alone=True),
}
"""Faults that belong to a row, and servers that take nobody: what liveness is checked by."""

_NIGHTS = Theme(
    {
        "row changed": 0.9,
        "row corrected": 0.3,
        "row added": 0.2,
        "row removed": 0.1,
        "somebody edits": 0.1,
        "the source wins tonight": 0.15,
        "crash at an await point": 0.5,
        "answer lost": 0.05,
        "request lost": 0.05,
        "request doubled": 0.05,
        "request delayed": 0.05,
        "answer cut": 0.05,
        "5xx before, not stored": 0.05,
        "5xx after, not stored": 0.05,
        "429, not stored": 0.05,
    },
    {"unique": True, "lag": 0.0, "refusal_status": 400},
    {
        "update": "name=if_untouched,balance=source",
        "rows": 8,
        "runs": 30,
        "gaps": (24 * HOUR,),
        "late": 3.0,
        "latency": 0.02,
        "tail": 0.5,
    },
    alone=True,
)
NIGHTS = {
    "nights": _NIGHTS,
    "nights of lost answers": Theme(
        _NIGHTS.rates
        | {
            "row changed": 1.0,
            "row added": 0.5,
            "crash at an await point": 0.9,
            "answer lost": 0.4,
        },
        _NIGHTS.flavour,
        _NIGHTS.scene | {"rows": 12, "runs": 3, "changes": 0.7},
        alone=True,
    ),
    "nights that are refused": Theme(
        {"row changed": 1.0},
        {"unique": True, "lag": 0.0},
        {
            "update": "balance=source",
            "refuses_updates": True,
            "rows": 90,
            "runs": 2,
            "concurrency": 4,
            "changes": 1.0,
            "gaps": (24 * HOUR,),
            "tail": 0.5,
        },
        alone=True,
    ),
}
"""Nights in which the source changes, and somebody edits at Moment or Moment takes no update. A
row that changes between a creation whose answer was lost and the look that finds its customer is
rare in thirty nights, whose rows are soon old; "nights of lost answers" have it often."""

CARRIAGE = ("worker dies", "worker cut off", "batch doubled", "batch's answer lost")
_CARRIED: dict[str, float] = {
    **dict.fromkeys(CARRIAGE, 0.25),
    "crash at an await point": 0.2,
    "answer lost": 0.05,
    "request lost": 0.05,
    "5xx after, stored": 0.05,
    "5xx before, not stored": 0.05,
    "429, not stored": 0.03,
    "rejected rows tried again": 0.5,
    "row corrected": 0.5,
    "asked to stop": 0.1,
}
ENGINES = {
    "engine": Theme(_CARRIED, scene={"workers": 3, "rows": 30, "concurrency": 4}),
    "engine refused": Theme({"key refused": 0.8}, scene={"workers": 3, "rows": 30}, alone=True),
    "engine nights": Theme(
        _NIGHTS.rates | dict.fromkeys(CARRIAGE, 0.25),
        _NIGHTS.flavour,
        _NIGHTS.scene | {"workers": 2, "rows": 20, "runs": 8},
        alone=True,
    ),
}
"""An engine that runs batches twice, late, and at the same time, on workers that come and go."""

LIMITS = {
    "missing endpoint in JSON": Theme(
        {"key refused": 1.0, "5xx after, not stored": 0.6},
        {"duplicate_words": False, "duplicate_status": 400, "json_404": True, "lag": 0.0},
        {"rows": 8, "concurrency": 8, "latency": 0.1, "tail": 1.0},
        alone=True,
    ),
}
"""What the promises rest on (docs/delivery.md): here they break, in each third or fourth history;
no seed draws these."""


def draw(chance: random.Random, *, theme: str = "") -> Scene:
    """A scene; each kind of fault is in a tenth to a half of the scenes (swarm testing).

    Args:
        chance: the seed's own.
        theme: one of ``THEMES``, ``LIVELY``, ``NIGHTS``, ``ENGINES`` or ``LIMITS``; "" lets the
            seed choose among the first.
    """
    drawn_theme = chance.choice((*THEMES, ANYTHING, ANYTHING, ANYTHING, ANYTHING))
    chosen = {**THEMES, **LIVELY, **NIGHTS, **ENGINES, **LIMITS}[theme or drawn_theme]
    share = chance.choice((0.1, 0.3, 0.5))
    rates = {}
    for kind, bounds in _RANGES.items():
        present, rate = chance.random() < share, chance.uniform(*bounds)
        if present:
            rates[kind] = rate
    if chosen.alone:
        rates = {}
    rates |= chosen.rates
    flavour = Flavour(
        stores_refusals=_happens(chance, 0.7),
        refusal_status=chance.choice((400, 400, 402, 422)),
        duplicate_status=chance.choice((400, 409, 409, 422)),
        duplicate_words=_happens(chance, 0.5),
        other_body=chance.choice((REPLAY, WORDS, WORDLESS)),
        lag=chance.choice((0.0, 0.0, 0.5, 4.5)),
    )
    flavour = replace(flavour, **chosen.flavour)
    if not flavour.unique:
        rates = {kind: rate for kind, rate in rates.items() if kind not in _NEED_UNIQUENESS}
    if flavour.lag and not flavour.duplicate_words:
        # Someone else seconds ago, on a stale replica, without a word: a limit of docs/delivery.md.
        rates.pop("foreign creator meanwhile", None)
    scene = Scene(
        theme=theme or drawn_theme,
        flavour=flavour,
        rows=chance.choice((3, 5, 5, 8, 8, 12, 20, 40)),
        runs=chance.choice((1, 2, 2, 3, 3, 4, 6)),
        concurrency=chance.choice((1, 2, 3, 4, 8, 32)),
        batch=chance.choice((2, 4, 8, 256)),
        latency=chance.choice((0.001, 0.02, 0.3)),
        tail=chance.choice((0.2, 0.5, 1.0, 2.0)),
        late=chance.choice((60.0, 600.0, 40 * 3600.0)) if flavour.unique else 60.0,
        rates=rates,
    )
    if scene.theme == "takes nobody":
        scene = replace(scene, nobody=chance.choice(NOBODY))
    return replace(scene, **chosen.scene)


def _happens(chance: random.Random, probability: float) -> bool:
    return chance.random() < probability
