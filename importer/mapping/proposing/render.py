"""Writes a proposal as a commented mapping file. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from importer.mapping.toml_text import comment, entries, entry, header, one_line
from importer.mapping.updates import FIELDS

if TYPE_CHECKING:
    from importer.mapping.proposing.proposal import Choice, Proposal


_UPDATE = (
    "Which fields follow the source once a customer is in Moment. Nothing does unless you say so."
    ' "never": the default. "source": the source wins, always. "if_untouched": only where nobody'
    " changed it at Moment since importer wrote it."
)


def render(
    proposal: Proposal, source: str, reading: dict[str, Any], *, billing: bool = False
) -> str:
    """The text of ``import.toml``.

    Args:
        proposal: without questions; those left stand there as comments.
        source: the file that was looked at, as the user named it.
        reading: the ``[source]`` table: how the file is read.
        billing: whether the file is made to say what each customer owes now.
    """
    lines = [
        *comment(f"Mapping for {source}, proposed by importer init. Read it before you use it:"),
        f"#   importer check {one_line(shlex.quote(source))} --config THIS_FILE",
        "version = 1",
        "",
        "[run]",
        *comment('Any long flag of run, check and plan, for example: ledger = "customers.db"'),
        "",
        "[source]",
        *entries(reading),
    ]
    for choice in proposal.choices:
        lines += ["", *_table(choice)]
    lines += ["", *comment(_UPDATE), header(("update",))]
    for field, policy in _policies(proposal, billing=billing):
        note = "a billing file says what is owed now" if policy != "never" else ""
        lines.append(f"# {entry(field, policy, note)}")
    if proposal.questions:
        lines += ["", *comment("Open, and needed before a run:")]
        for question in proposal.questions:
            lines += comment(f"- {question.text} ({question.flag})")
    if proposal.left_out:
        lines += ["", *comment("Columns that are not sent:")]
        for column, why in proposal.left_out:
            lines += comment(f"- {column}: {why}")
    for note in proposal.notes:
        lines += comment(f"Note: {note}")
    return "\n".join(lines) + "\n"


def _policies(proposal: Proposal, *, billing: bool) -> list[tuple[str, str]]:
    made = [one.key[1] for one in proposal.choices if one.key[0] == "fields"]
    made += ["metadata"] * any(one.key[0] == "metadata" for one in proposal.choices)
    return [
        (field, "source" if billing and field == "balance" else "never")
        for field in FIELDS
        if field in made
    ]


def _table(choice: Choice) -> list[str]:
    lines = comment(f"{choice.confidence} confidence: {choice.reason}")
    for warning in choice.warnings:
        lines += comment(f"LOOK: {warning}")
    lines.append(header(choice.key))
    lines += entries(choice.entry)
    # Not wrapped: such a line is taken over by removing its #.
    lines += [f"# {one_line(line)}" for line in choice.instead]
    return lines
