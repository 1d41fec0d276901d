"""Fault specs and their seeded decisions."""

from __future__ import annotations

import pytest

from importer.errors import UsageError
from importer.sandbox.faults import FaultKind, FaultPlan, parse_faults


def kinds(spec: str, count: int, reference: str = "R", method: str = "POST") -> list[str]:
    """The decisions for a number of requests, "-" for none."""
    plan = FaultPlan(parse_faults(spec), 7)
    faults = (plan.decide(method, reference) for _ in range(count))
    return [fault.kind.value if fault else "-" for fault in faults]


@pytest.mark.parametrize(
    "token",
    [
        "lost",
        "lots=0.1",
        "lost=1.5",
        "lost=x",
        "lost=nan",
        "lost=-0.1",
        "put:lost=0.1",
        "get:stored500=0.1",
        "lost@50=0.1",
        "ref:=lost",
        "ref:A B=lost",
        "ref:A=",
        "ref:A=0.5",
        "ref:A=lost*0",
    ],
)
def test_a_bad_token_is_named_with_the_valid_kinds(token: str) -> None:
    """The error names the token, and its hint every kind."""
    with pytest.raises(UsageError) as caught:
        parse_faults(f"503=0.1,{token},429=0.1")
    assert repr(token) in caught.value.message
    assert all(kind in caught.value.hint for kind in FaultKind)


def test_rates_beyond_one_are_refused() -> None:
    """One request meets one fault, so the rates of a method add up to 1 at most."""
    with pytest.raises(UsageError, match="add up to"):
        parse_faults("lost=0.6,503=0.6")
    assert len(parse_faults("lost=0.6,get:503=0.6, ,").rates) == 2


def test_rates_are_met_and_a_seed_repeats_itself() -> None:
    """20,000 draws lie near the rates, and the same seed gives the same draws."""
    drawn = kinds("lost=0.05,stored500=0.02", 20_000)
    assert 850 < drawn.count("lost") < 1150
    assert 300 < drawn.count("stored500") < 500
    assert drawn == kinds("lost=0.05,stored500=0.02", 20_000)
    assert kinds("lost=0.5", 5, method="GET") == ["-"] * 5
    assert kinds("get:lost=1", 2, method="GET") == ["lost"] * 2


def test_faults_of_a_reference_are_used_up_in_order() -> None:
    """A reference's tokens come in the order given: once, N times, or for ever."""
    spec = "ref:R=stored500,ref:R=503*2,ref:S=lost*"
    assert kinds(spec, 5) == ["stored500", "503", "503", "-", "-"]
    assert kinds(spec, 4, reference="S") == ["lost"] * 4
    assert kinds(spec, 2, reference="T") == ["-"] * 2


def test_latency_knows_its_milliseconds() -> None:
    """Latency takes @MS; without it, it is a second."""
    spec = parse_faults("latency@250=0.5,ref:R=latency")
    assert spec.rates[0][1].delay_ms == 250
    assert spec.references[0][1].delay_ms == 1000
