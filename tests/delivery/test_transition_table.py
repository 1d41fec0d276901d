"""The rules are told three times: in creating.py, in docs/delivery.md and by the code itself."""

from __future__ import annotations

import re
from pathlib import Path

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import creating as protocol
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight, Phase, Policy
from importer.delivery.protocol.states import NEW, Done, Origin, Rejected, Sent, State

DOCS = Path(__file__).parents[2] / "docs" / "delivery.md"
POLICY = Policy(max_failures=2, max_advances=1)
LEDGER = (
    NEW,
    Sent(0, b"A", 1.0),
    Sent(0, b"B", 1.0),
    Rejected(0, b"A", 400, "x"),
    Rejected(0, b"B", 400, "x"),
    Done(0, b"A", "bcus_1", Origin.CREATED),
)
ANSWERS: tuple[a.Answer, ...] = (
    a.Created("bcus_1"),
    a.Created("bcus_1", replayed=True),
    a.Unbelievable(200, "x"),
    a.NotSent("x"),
    a.Unknown("x"),
    a.Refused(400, "x"),
    a.Refused(422, "x"),
    a.Refused(400, "x", says_exists=True),
    a.Refused(400, "x", about_key=True),
    a.Conflicted(),
    a.ServerFault(500, "x"),
    a.ServerFault(500, "x", replayed=True),
    a.Throttled(),
    a.Blocked(403, of_api=True),
    a.Blocked(403, of_api=False),
    a.RunWrong("unauthorised", 401),
)
LOOK_UPS: tuple[a.LookUpAnswer, ...] = (
    a.Found("bcus_1"),
    a.Absent(),
    a.LookUpFailed("x", 503),
)


def table_of(text: str, columns: str) -> dict[str, str]:
    """The rules of a text, (what happens -> what is done), plain words only."""
    found = {}
    for line in text.splitlines():
        cells = re.split(columns, line.strip(" |"))
        if len(cells) > 1 and not set(cells[0]) <= {"-", " "}:
            words = [re.sub(r"[`*]", "", cell).strip() for cell in cells[:2]]
            found[words[0]] = words[1]
    return found


def test_the_table_in_the_code_is_the_one_in_the_docs() -> None:
    """Rule by rule, in the same words; the docs add why."""
    rules = (protocol.__doc__ or "").split("::", 1)[1]
    page = DOCS.read_text().split("## The rules", 1)[1].split("\n## ", 1)[0]
    assert table_of(rules, r"\s{2,}") == table_of(
        "\n".join(line for line in page.splitlines() if line.startswith("|")), r"\s+\|\s+"
    )


def state_diagram() -> str:
    """Every change of the ledger that the code can ask for, and the answers that lead to it."""
    edges: dict[tuple[str, str], set[str]] = {}
    for state in LEDGER:
        begun: list[tuple[Flight, e.Event, str]] = [
            (Flight("R", b"A", state), e.Begin(2.0), "begin")
        ]
        seen: set[Flight] = set()
        while begun:
            flight, event, cause = begun.pop()
            flight, command = protocol.step(flight, event, POLICY)
            if isinstance(command, e.Commit):
                change = (command.transition.expected.kind, command.transition.new.kind)
                edges.setdefault(change, set()).add(cause)
            # Told to the user, never decided by; they would only multiply the flights.
            flight = flight._replace(sends=0, note=(0, "", ""))
            if flight.phase is not Phase.OVER and flight not in seen:
                seen.add(flight)
                begun += [(flight, event, cause) for event, cause in events(flight, cause)]
    lines = [
        f"    {before} --> {after}: {', '.join(sorted(causes))}"
        for (before, after), causes in sorted(edges.items())
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> new", *lines, "    done --> [*]"])


def events(flight: Flight, cause: str) -> list[tuple[e.Event, str]]:
    """Everything that may happen to a flight next, and what it is called."""
    if flight.phase is Phase.COMMITTING:
        other: State = Sent(5, b"C", 1.0)
        return [(e.Committed(2.0), cause), (e.Lost(other, 2.0), "another importer")]
    if flight.phase is Phase.SENDING:
        return [(e.Answered(one, 2.0), name(one)) for one in ANSWERS]
    if flight.phase is Phase.LOOKING_UP:
        return [(e.LookedUp(one, 2.0), name(one)) for one in LOOK_UPS]
    return [(e.Woken(2.0), "begin")]


def name(answer: a.Answer | a.LookUpAnswer) -> str:
    """An answer's kind, in words."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", type(answer).__name__).lower()


def test_the_state_diagram_in_the_docs_is_drawn_from_the_code() -> None:
    """To draw it again: ``python -m tests.delivery.test_transition_table``."""
    assert f"```mermaid\n{state_diagram()}\n```" in DOCS.read_text()


if __name__ == "__main__":
    print(state_diagram())  # noqa: T201 - what it is for
