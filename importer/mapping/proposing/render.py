"""Writes a proposal as a commented mapping file. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from importer.mapping.toml_text import comment, entries, header, one_line

if TYPE_CHECKING:
    from importer.mapping.proposing.proposal import Choice, Proposal


def render(proposal: Proposal, source: str, reading: dict[str, Any]) -> str:
    """The text of ``import.toml``.

    Args:
        proposal: without questions; those left stand there as comments.
        source: the file that was looked at, as the user named it.
        reading: the ``[source]`` table: how the file is read.
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


def _table(choice: Choice) -> list[str]:
    lines = comment(f"{choice.confidence} confidence: {choice.reason}")
    for warning in choice.warnings:
        lines += comment(f"LOOK: {warning}")
    lines.append(header(choice.key))
    lines += entries(choice.entry)
    # Not wrapped: such a line is taken over by removing its #.
    lines += [f"# {one_line(line)}" for line in choice.instead]
    return lines
