"""``init``: looks at an export, asks what no file can say, and writes a mapping file."""

from __future__ import annotations

import os
import shlex
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from importer.cli.ask import on_terminal
from importer.cli.init_answers import checked, prompted
from importer.cli.init_preview import preview
from importer.errors import UsageError, printable
from importer.mapping import presets
from importer.mapping.load import load_mapping
from importer.mapping.proposing.facts import gather
from importer.mapping.proposing.propose import propose
from importer.mapping.proposing.render import WIDTH, render, toml_value
from importer.mapping.proposing.words import counted
from importer.source import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from importer.mapping.proposing.facts import Facts
    from importer.mapping.proposing.proposal import Answers, Proposal
    from importer.source import SourceOptions


_TYPED = (".xlsx", ".parquet", ".jsonl", ".ndjson")
"""What has no delimiter, and an encoding of its own."""


@dataclass(frozen=True, slots=True)
class InitSettings:
    """What the command line says."""

    source: str
    out: Path
    options: SourceOptions
    answers: Answers
    preset: str | None = None
    yes: bool = False
    force: bool = False


def init(settings: InitSettings) -> None:
    """Propose a mapping, show it, ask, and write it.

    Raises:
        UsageError: the file exists, or a required choice is open and nobody can be asked.
        SourceError: the export cannot be read.
    """
    if settings.source == "-":
        raise UsageError("init needs a file, as it looks at it twice", hint="save it first")
    if settings.out.exists() and not settings.force:
        raise UsageError(
            f"{settings.out} exists already, and may have been edited",
            hint="name another file with --out, or replace it with --force",
        )
    preset = presets.tables(settings.preset) if settings.preset else None
    answers = checked(settings.answers)
    with open_source(settings.source, 0, settings.options) as source:
        facts = gather(source.layout, source.batches())
        encoding, warnings = source.encoding, source.warnings
    if not facts.records:
        raise UsageError(f"{settings.source} has no records", hint="give an export with customers")
    proposal = propose(facts, answers, preset)
    _say(_found(facts, encoding))
    for warning in warnings:
        _say(f"note: {warning}")
    while proposal.questions and not settings.yes and on_terminal():
        question = proposal.questions[0]
        given = replace(answers, **{question.answer: prompted(question)})
        try:
            proposal = propose(facts, checked(given), preset)
        except UsageError as error:
            typer.echo(f"  {error.message} ({error.hint})", err=True)
        else:
            answers = given
    _show(proposal)
    if proposal.questions:
        raise _open(proposal)
    text = render(proposal, settings.source, _reading(facts, encoding, settings.options))
    mapping = _write(settings.out, text, force=settings.force)
    for line in preview(mapping, proposal, facts, settings.options):
        typer.echo(printable(line))
    _say(f"{settings.out} written; read it, then:")
    typed = shlex.join([settings.source, "--config", str(settings.out)])
    typer.echo(printable(f"  importer check {typed}"))


def _say(text: str) -> None:
    """One line, or several of at most 100 characters: the rest of a line is indented deeper."""
    plain = printable(text)
    start = len(plain) - len(plain.lstrip())
    wrapped = textwrap.wrap(
        plain,
        WIDTH,
        subsequent_indent=" " * (start + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
    typer.echo("\n".join(wrapped))


def _found(facts: Facts, encoding: str) -> str:
    name, columns = facts.layout.name, len(facts.layout.columns)
    totals = f" and {counted(len(facts.totals), 'totals line')}" if facts.totals else ""
    return f"{name}: {counted(facts.records, 'record')}{totals}, {columns} columns, {encoding}"


def _show(proposal: Proposal) -> None:
    """The choices with their reasons; then what is left out, and what is open."""
    for choice in proposal.choices:
        table = ".".join(part for part in choice.key if part != "fields")
        entry = ", ".join(f"{key} = {toml_value(value)}" for key, value in choice.entry.items())
        _say("")
        _say(f"{table}: {entry}" if entry else table)
        _say(f"    {choice.confidence} confidence: {choice.reason}")
        for warning in choice.warnings:
            _say(f"    LOOK: {warning}")
        for line in choice.instead:
            _say(f"    or: {line}")
    if proposal.left_out:
        _say("")
        _say("not sent: " + ", ".join(f"{name} ({why})" for name, why in proposal.left_out))
    for note in proposal.notes:
        _say(f"note: {note}")
    for question in proposal.questions:
        _say("")
        _say(f"open: {question.text}")
        _say(f"    {question.why}")
        for suggestion in question.suggestions:
            _say(f"    - {suggestion.text}: {suggestion.note}")
    _say("")


def _open(proposal: Proposal) -> UsageError:
    named = "; ".join(question.text for question in proposal.questions)
    flags = " ".join(question.flag for question in proposal.questions)
    number = len(proposal.questions)
    return UsageError(
        f"{number} choice{'s are' if number > 1 else ' is'} open, and nothing was written: {named}",
        hint=f"answer with {flags}",
    )


def _reading(facts: Facts, encoding: str, options: SourceOptions) -> dict[str, Any]:
    """The ``[source]`` table, so that a later run reads the file in the same way."""
    if facts.layout.name.lower().endswith(_TYPED):
        return {"sheet": options.sheet} if options.sheet else {}
    return {"encoding": encoding, "delimiter": facts.layout.delimiter}


def _write(path: Path, text: str, *, force: bool) -> Any:
    """Write the file as a whole or not at all, after the loader has accepted it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        mapping = load_mapping(draft)
        if force:
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint="replace it with --force") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --out"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return mapping
