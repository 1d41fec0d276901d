"""``init``: looks at an export, asks what no file can say, and writes a mapping file.

The answers that ``init`` takes: from flags, or asked for on a terminal.

The first records before and after a mapping, as ``init`` shows them.

Names, e-mail addresses, phone numbers and everything that is not known to be harmless are masked,
also on the user's own terminal: such output ends up in tickets. Amounts, currencies, countries,
groups and references stand there as they are: how they are read is what a person must check.

``presets``: the mappings that come with importer.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import phonenumbers
import typer

from importer.cli.next_commands import pasted
from importer.cli.questions import on_terminal
from importer.errors import UsageError, printable
from importer.mapping import presets
from importer.mapping.bound import bind
from importer.mapping.load import load_mapping
from importer.mapping.money.money_text import FORMATS
from importer.mapping.proposing.facts import gather
from importer.mapping.proposing.parts import assign
from importer.mapping.proposing.proposal import counted
from importer.mapping.proposing.propose import columns_of, propose, render
from importer.mapping.toml_text import WIDTH
from importer.mapping.toml_text import entry as entry_line
from importer.rows.currencies import ACTIVE, currency_hint
from importer.rows.header_fields import PREFIX
from importer.rows.text import mask_email, mask_phone, mask_words, shown, trim
from importer.source.opened import open_source
from importer.source.source_options import names_text
from importer.source.text.encodings import UTF8

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.mapping.model import Mapping
    from importer.mapping.proposing.facts import Facts
    from importer.mapping.proposing.proposal import Answers, Choice, Proposal, Question
    from importer.source.opened import SourceKind
    from importer.source.records import RecordBatch
    from importer.source.source_options import SourceOptions


def list_presets() -> None:
    """One line a preset: its name and the first line of its description."""
    names = presets.names()
    width = max(map(len, names))
    for name in names:
        first = presets.text(name).splitlines()[0].removeprefix("# ")
        typer.echo(f"{name:<{width}}  {first}")


def show_preset(name: str) -> None:
    """The preset's own text, with what was verified and what is open.

    Raises:
        UsageError: there is no such preset.
    """
    typer.echo(presets.text(name), nl=False)


def checked(answers: Answers) -> Answers:
    """The same answers.

    Raises:
        UsageError: one of them is none of the values that it may have.
    """
    if answers.region and answers.region not in phonenumbers.SUPPORTED_REGIONS:
        raise UsageError(
            f"--region {answers.region!r} is no country code",
            hint="two capital letters of ISO 3166, for example ZA",
        )
    if answers.currency and answers.currency not in ACTIVE:
        raise UsageError(
            f"--currency {answers.currency!r} is no ISO 4217 code",
            hint=currency_hint(answers.currency),
        )
    for flag, value, known in (
        ("--unit", answers.unit, ("major", "minor")),
        ("--positive", answers.positive, ("debit", "credit")),
        ("--number-format", answers.number_format, tuple(FORMATS)),
    ):
        if value is not None and value not in known:
            raise UsageError(f'{flag} "{value}" is not known', hint=" or ".join(known))
    return answers


def prompted(question: Question) -> Any:
    """Ask until there is an answer; a number picks a suggestion."""
    typer.echo("", err=True)
    typer.echo(printable(question.text), err=True)
    typer.echo(printable(f"  {question.why}"), err=True)
    for number, suggestion in enumerate(question.suggestions, 1):
        line = f"  {number}  {suggestion.text}: {suggestion.note}"
        typer.echo(printable(line), err=True)
    while True:
        try:
            given = typer.prompt("  number or value", err=True).strip()
        except typer.Abort:
            typer.echo(err=True)
            raise KeyboardInterrupt from None
        if given.isdigit() and 1 <= int(given) <= len(question.suggestions):
            return question.suggestions[int(given) - 1].answer
        if given:
            return (given,) if question.answer in {"reference", "balance"} else given


RECORDS = 3
_OPEN_FIELDS = frozenset({"external_reference", "currency", "balance"})


def preview(
    mapping: Mapping, proposal: Proposal, facts: Facts, options: SourceOptions
) -> Iterator[str]:
    """Lines that show the first records, each field before and after."""
    batch = _first(facts.layout.name, options)
    mapped = bind(mapping, facts.layout).apply(batch)
    parts = assign(facts)
    personal = {one.name for one in parts.all("personal_id")}
    countries = {one.name for one in parts.all("country")}
    groups = {one.name for one in parts.all("kind")}
    choices = [one for one in proposal.choices if one.key[0] in {"fields", "metadata"}]
    width = max(len(_target(one)) for one in choices)
    after = dict(zip(mapped.batch.lines, mapped.batch.frame.iter_rows(named=True), strict=True))
    skipped = {one.line: one.text for one in mapped.skipped}
    header = list(map(trim, facts.layout.columns))
    wrong: dict[int, dict[str, str]] = {}
    for fault in mapped.batch.faults:
        wrong.setdefault(mapped.batch.lines[fault.index], {})[fault.column] = fault.message
    for line, before in zip(batch.lines, batch.frame.iter_rows(), strict=True):
        yield f"line {line}, before and after:"
        if line in skipped:
            yield f"    skipped: {skipped[line]}"
            continue
        cells = dict(zip(header, before, strict=True))
        for choice in choices:
            column = _target(choice)
            names = sorted(columns_of(choice.entry) & cells.keys(), key=header.index)
            harmless = choice.key[0] == "metadata" and set(names) <= groups
            plain = (harmless or column in _OPEN_FIELDS) and not personal & set(names)
            shown_cells = [
                _cell(column, cells[one] or "", plain=plain or one in countries)
                for one in names
                if cells[one]
            ]
            read = " ".join(shown_cells) or ("(empty)" if names else "(constant)")
            message = wrong.get(line, {}).get(column)
            made = _cell(column, after[line][column] or "", plain=plain) or "(empty)"
            became = f"error: {message}" if message else made
            yield f"    {column:<{width}}  {read:<30}  ->  {became}"


def _first(name: str, options: SourceOptions) -> RecordBatch:
    with open_source(name, 0, options) as source:
        for batch in source.batches():
            if batch.frame.height:
                return batch.slice(0, RECORDS)
    raise AssertionError  # init has seen records in it


def _target(choice: Choice) -> str:
    """The column that a choice makes."""
    return choice.key[1] if choice.key[0] == "fields" else PREFIX + choice.key[1]


def _cell(field: str, value: str, *, plain: bool) -> str:
    if not value:
        return ""
    if plain:
        return shown(value, 24)
    if field == "email":
        return mask_email(value)
    if field == "phone":
        return mask_phone(value)
    # Word by word: "Jane Jane Smith" must not look like "Jane Smith".
    return mask_words(value)


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
        kind, encoding, warnings = source.kind, source.encoding, source.warnings
    if not facts.records:
        raise _nothing_to_read(facts)
    proposal = propose(facts, answers, preset)
    _say(_found(facts, encoding))
    for warning in (*warnings, *_twice(facts)):
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
    reading = _reading(facts, kind, encoding, settings.options)
    billing = preset is not None and "balance" in preset.get("fields", {})
    text = render(proposal, settings.source, reading, billing=billing)
    mapping = _write(settings.out, text, force=settings.force)
    for line in preview(mapping, proposal, facts, settings.options):
        typer.echo(printable(line))
    _say(f"{settings.out} written; read it, then:")
    typed = f"{pasted(settings.source)} --config {pasted(str(settings.out))}"
    typer.echo(f"  importer check {typed}")


def _twice(facts: Facts) -> Iterator[str]:
    """Columns that no mapping can name, as others are called the same."""
    header = list(map(trim, facts.layout.columns))
    for name in dict.fromkeys(header):
        where = [str(at) for at, one in enumerate(header, 1) if one == name]
        if name and len(where) > 1:
            yield (
                f"columns {' and '.join(where)} are called {shown(name)}, so none of them can be"
                f" mapped; to name all columns: --header-row {facts.layout.header_row or 1}"
                ' --header "NAME,NAME,..."'
            )


def _nothing_to_read(facts: Facts) -> UsageError:
    named = facts.layout.name
    if facts.unreadable is None:
        return UsageError(f"{named} has no records", hint="give an export with customers")
    first = facts.unreadable
    return UsageError(
        f"{named} has no records that can be read: line {first.line} of"
        f" {counted(facts.malformed, 'line')}: {first.message}",
        hint="check the delimiter, and which line names the columns (--header-row)",
    )


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
        entry = ", ".join(entry_line(*one) for one in choice.entry.items())
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


def _reading(
    facts: Facts, kind: SourceKind, encoding: str, options: SourceOptions
) -> dict[str, Any]:
    """The ``[source]`` table, so that a later run reads the file in the same way."""
    found: dict[str, Any] = {}
    if kind == "csv" or (kind == "json" and encoding != UTF8):
        found["encoding"] = encoding
    if kind == "csv":
        found["delimiter"] = facts.layout.delimiter
    if kind == "excel" and options.sheet:
        found["sheet"] = options.sheet
    if facts.nothing:
        found["empty"] = [text for text, _ in facts.nothing]
    if facts.text_formulas:
        found["text_formulas"] = True
    if options.header is not None:
        found["header"] = names_text(options.header)
    row = facts.layout.header_row or (options.header_row if options.header else None)
    if row is not None:
        found["header_row"] = row
    return found


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
