"""Writes a proposal as a commented mapping file. Pure."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.mapping.proposing.proposal import Choice, Proposal

WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def render(proposal: Proposal, source: str, reading: dict[str, Any]) -> str:
    """The text of ``import.toml``.

    Args:
        proposal: without questions; those left stand there as comments.
        source: the file that was looked at, as the user named it.
        reading: the ``[source]`` table: how the file is read.
    """
    lines = [
        *_comment(f"Mapping for {source}, proposed by importer init. Read it before you use it:"),
        *_comment(f"  importer check {source} --config THIS_FILE"),
        "version = 1",
        "",
        "[run]",
        *_comment('Any long flag of run, check and plan, for example: ledger = "customers.db"'),
        "",
        "[source]",
        *_entry(reading),
    ]
    for choice in proposal.choices:
        lines += ["", *_table(choice)]
    if proposal.questions:
        lines += ["", *_comment("Open, and needed before a run:")]
        for question in proposal.questions:
            lines += _comment(f"- {question.text} ({question.flag})")
    if proposal.left_out:
        lines += ["", *_comment("Columns that are not sent:")]
        for column, why in proposal.left_out:
            lines += _comment(f"- {column}: {why}")
    for note in proposal.notes:
        lines += _comment(f"Note: {note}")
    return "\n".join(lines) + "\n"


def _table(choice: Choice) -> list[str]:
    lines = _comment(f"{choice.confidence} confidence: {choice.reason}")
    for warning in choice.warnings:
        lines += _comment(f"LOOK: {warning}")
    lines.append("[" + ".".join(_key(part) for part in choice.key) + "]")
    lines += _entry(choice.entry)
    lines += [f"# {line}" for line in choice.instead]
    return lines


def _entry(entry: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {toml_value(value)}" for key, value in entry.items()]


def _key(text: str) -> str:
    return text if _BARE.match(text) else toml_value(text)


def toml_value(value: Any) -> str:
    """A string, boolean, number, list or table as TOML writes it on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_escaped(sign) for sign in value) + '"'
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(str(key))} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    return str(value)


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign == "\t":
        return "\\t"
    return sign if sign.isprintable() else f"\\U{ord(sign):08X}"


def _comment(text: str) -> list[str]:
    # A name from the file must not end the comment that it stands in.
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    indent = "#   " if plain.lstrip().startswith("- ") else "# "
    return textwrap.wrap(
        plain,
        WIDTH,
        initial_indent="# ",
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
        drop_whitespace=True,
    )
