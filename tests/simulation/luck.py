"""The chance and the record of one history."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Luck:
    """Says which faults happen, and writes the history down in plain words."""

    def __init__(self, chance: random.Random, rates: Mapping[str, float]) -> None:
        self.chance = chance
        self.rates = rates
        self.calm = False
        """True: no fault happens any more."""
        self.faults: Counter[str] = Counter()
        self.lines: list[tuple[float, str]] = []

    def strikes(self, kind: str) -> bool:
        """Whether a fault of this kind happens now; counted."""
        rate = self.rates.get(kind)
        if rate is None or self.calm or self.chance.random() >= rate:
            return False
        self.faults[kind] += 1
        return True

    def latency(self, median: float, sigma: float) -> float:
        """Seconds, log-normal: the tail is heavy where sigma is large."""
        return median * math.exp(sigma * self.chance.gauss(0, 1))

    def tell(self, text: str) -> None:
        """Add a line to the history, with the simulated time."""
        self.lines.append((trio.current_time(), text))

    def digest(self) -> str:
        """SHA-256 of the whole history: equal for equal histories, byte for byte."""
        text = "\n".join(f"{at!r} {line}" for at, line in self.lines)
        return hashlib.sha256(text.encode()).hexdigest()
