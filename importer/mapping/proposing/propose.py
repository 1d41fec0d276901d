"""Proposes a whole mapping from what was seen of a file, and from what the user said. Pure.

That includes which records are no customers, what else goes along as metadata, and the text of the
commented mapping file.
"""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from importer.errors import UsageError
from importer.mapping.proposing.amounts import (
    NO_BALANCE,
    amounts_of,
    propose_balance,
    propose_currency,
)
from importer.mapping.proposing.facts import FEW, NEARLY_ALL
from importer.mapping.proposing.headers import INACTIVE, LEFT, YES, fold, roles
from importer.mapping.proposing.parts import assign
from importer.mapping.proposing.people import propose_email, propose_name, propose_phone
from importer.mapping.proposing.proposal import Answers, Choice, Proposal, Question, counted
from importer.mapping.proposing.reference import is_usable, propose_reference
from importer.mapping.toml_text import comment, entries, entry, header, one_line
from importer.mapping.toml_text import entry as entry_line
from importer.mapping.updates import FIELDS
from importer.rows.api_limits import MAX_METADATA_KEY
from importer.rows.header_fields import PREFIX, nearest
from importer.rows.text import shown, trim

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts, Facts
    from importer.mapping.proposing.headers import Role
    from importer.mapping.proposing.parts import Parts


_LISTED = 5
_NAMED = 0.6
"""The weight of a name that says what a column holds."""
_NAMES = {"full_name", "company", "first_name", "last_name"}
MAX_KEYS = 10
"""Metadata keys that Moment takes."""
_LEFT_OUT = {
    "personal_id": "personal data that Moment does not need; nothing takes it along by default",
    "address": "Moment has no field for it",
    "date": "a date; Moment has no field for it",
    "status": "tells which customers are live; see [rows]",
    "country": "used for phone numbers, or not at all",
}


def propose_rows(parts: Parts, reference: str) -> Choice | None:
    """Totals lines and repeated headers are left out; who left is kept, with a hint.

    Other lines that look like no customers are told, as a run stops at them.

    Args:
        parts: the columns.
        reference: the column of the reference, "" where it is open.
    """
    entry: dict[str, Any] = {}
    reasons: list[str] = []
    totals = parts.facts.totals
    if totals:
        entry["skip_totals"] = True
        lines = ", ".join(str(line) for line, _, _ in totals)
        reasons.append(f"line {lines} is a totals line, no customer")
    repeated = parts.facts.repeated
    if repeated:
        column = reference or parts.facts.columns[0].name
        entry["drop"] = {column: column}
        lines = ", ".join(str(line) for line in repeated[:_LISTED])
        reasons.append(f"line {lines} repeats the header, as where files were joined")
    instead: list[str] = []
    warnings: list[str] = []
    status = parts.best("status")
    if status is not None and status.top:
        left = [(value, count) for value, count in status.top if fold(value) in INACTIVE]
        live = [value for value, _ in status.top if fold(value) not in INACTIVE]
        if left and live:
            number = sum(count for _, count in left)
            named = ", ".join(shown(value) for value, _ in left)
            warnings.append(
                f"{shown(status.name)} is {named} in {counted(number, 'record')}: imported too,"
                " unless you keep only the others"
            )
            instead.append(entry_line("keep", {status.name: live}))
    drop: dict[str, Any] = {}
    for one in parts.facts.columns:
        gone = [(value, count) for value, count in one.top if fold(value) in YES]
        number = sum(count for _, count in gone)
        if fold(one.name) in LEFT and 0 < number < parts.facts.records:
            named = ", ".join(shown(value) for value, _ in gone)
            warnings.append(
                f"{shown(one.name)} is {named} in {counted(number, 'record')}: imported too,"
                " unless you leave them out"
            )
            drop[one.name] = [value for value, _ in gone]
    if drop and "drop" not in entry:
        instead.append(entry_line("drop", drop))
    edges = parts.facts.edges
    if edges:
        told = "; ".join(f"line {one.line} looks like {one.looks_like}" for one in edges[:_LISTED])
        more = f"; and {len(edges) - _LISTED:,} more" if len(edges) > _LISTED else ""
        warnings.append(f"{told}{more}: check and run stop there until you say what they are")
        instead.append('edges = "skip"  # leaves them out')
    if not entry and not instead:
        return None
    reason = "; ".join(reasons) or f"every {'other ' * bool(edges)}record is a customer"
    return Choice(("rows",), entry, "high", reason, tuple(warnings), tuple(instead))


def propose_metadata(parts: Parts, used: set[str]) -> tuple[list[Choice], list[tuple[str, str]]]:
    """(groups and types as metadata, the columns that are left out and why).

    Only columns with few different values go along: what is different for each customer may be
    personal, and nothing personal is sent unasked.
    """
    choices: list[Choice] = []
    left_out: list[tuple[str, str]] = []
    role_of = {one.name: role for role, listed in parts.by_role.items() for _, one in listed}
    for column in parts.facts.columns:
        if column.name in used:
            continue
        role = role_of.get(column.name)
        key = column.name.removeprefix(PREFIX)
        taken = {one.key[1] for one in choices}
        named = key not in {"", column.name, *taken} and len(key) <= MAX_METADATA_KEY
        if named and len(choices) < MAX_KEYS:
            reason = "its name says so"
            choices.append(Choice(("metadata", key), {"column": column.name}, "high", reason))
        elif role == "kind" and 0 < len(column.top) <= FEW and len(choices) < MAX_KEYS:
            choices.append(_metadata(column, taken))
        else:
            others = {one.name for one in parts.all(role)} & used if role else set()
            nested = column.name in parts.facts.nested
            left_out.append((column.name, _why(column, role, taken=bool(others), nested=nested)))
    return choices, left_out


def _metadata(column: ColumnFacts, taken: set[str]) -> Choice:
    word = re.sub(r"[^a-z0-9]+", "_", fold_words(column.name)).strip("_") or "group"
    tried = (f"{word[: MAX_METADATA_KEY - 4]}_{number}" for number in range(2, MAX_KEYS + 2))
    keys = itertools.chain((word[:MAX_METADATA_KEY],), tried)
    key = next(one for one in keys if one not in taken)
    reason = f"one of {len(column.top)} groups, nothing personal"
    return Choice(("metadata", key), {"column": column.name}, "medium", reason)


def fold_words(name: str) -> str:
    """A name in lower case as a metadata key: ``Customer Group`` is ``customer_group``."""
    return "_".join(fold(part) for part in re.split(r"[\W_]+", name) if part)


def _why(column: ColumnFacts, role: Role | None, *, taken: bool, nested: bool) -> str:
    if nested:
        return "it holds lists or objects, and a mapping takes none"
    said = roles(column.name)
    called = max(said, key=lambda one: said[one], default="full_name")
    nothing = "its name says nothing that Moment has a field for"
    reasons = (
        (not column.filled, "empty"),
        (role in _LEFT_OUT, _LEFT_OUT.get(role or "", "")),
        (role in _NAMES, "the name is taken from elsewhere"),
        (role == "reference" and not is_usable(column), "its values repeat"),
        (taken, f"another column is used as {(role or '').replace('_', ' ')}"),
        (column.share("date") > NEARLY_ALL, _LEFT_OUT["date"]),
        (role == "reference", "no certain customer number"),
        (role == "currency", "its values are no ISO 4217 codes"),
        (role is not None, nothing),
        (
            called in said and said[called] >= _NAMED,
            f"its name says {called.replace('_', ' ')}, and its values say no such thing",
        ),
    )
    return next((why for holds, why in reasons if holds), nothing)


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


_COMPLETED_BY_FILE = ("region", "region_column", "regions", "number_format", "unit", "positive")
"""What the file shows or the user says of a field is added to the preset's entry."""
_ANSWERED_BY = {
    "reference": ("external_reference", ()),
    "name": ("name", ()),
    "balance": ("balance", ()),
    "region": ("phone", ("region", "region_column", "regions")),
    "currency": ("currency", ()),
    "number_format": ("balance", ("number_format",)),
    "unit": ("balance", ("unit",)),
    "positive": ("balance", ("positive",)),
}
"""Which field, and which of its keys, answer a question."""
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def propose(facts: Facts, answers: Answers, preset: dict[str, Any] | None = None) -> Proposal:
    """A mapping for a file; the same input gives the same proposal.

    Args:
        facts: what was seen.
        answers: what the user said; it wins over everything.
        preset: the tables of a preset (``fields``, ``metadata``, ``rows``), which win over what
            the file suggests where the file has their columns.

    Raises:
        UsageError: an answer names a column that the file does not have.
    """
    answers = _trimmed(answers)
    _check(facts, answers)
    proposal = Proposal()
    parts = assign(facts)
    reference = propose_reference(parts, answers)
    phone, which_region = propose_phone(parts, answers)
    region = answers.region or (phone.entry.get("region") if phone else None)
    amounts = amounts_of(parts, answers)
    columns = () if isinstance(amounts, Question) else amounts
    currency, which_currency = propose_currency(parts, answers, region, columns)
    balance, of_balance = propose_balance(parts, answers, columns)
    name = propose_name(parts, answers)
    found = (reference, name, propose_email(parts), phone, currency, balance)
    proposal.choices = [one for one in found if isinstance(one, Choice)]
    asked = (reference, name, which_region, amounts, which_currency, *of_balance)
    proposal.questions = [one for one in asked if isinstance(one, Question)]
    own = reference.entry.get("column", "") if isinstance(reference, Choice) else ""
    rows = propose_rows(parts, own)
    if rows is not None:
        proposal.choices.append(rows)
    if preset is not None:
        _apply(proposal, facts, preset, answers)
    used = _used(proposal)
    metadata, proposal.left_out = propose_metadata(parts, used)
    proposal.choices += [one for one in metadata if proposal.entry(*one.key) is None]
    proposal.notes += _notes(parts, proposal, answers)
    if proposal.entry("fields", "name") is None and name is None:
        proposal.notes.append('no column is taken for the name: --name "COLUMN" says which')
    return proposal


def _trimmed(answers: Answers) -> Answers:
    """Blanks around a column's name make no other name, as in a mapping."""
    reference, balance = (tuple(map(trim, one)) for one in (answers.reference, answers.balance))
    name = answers.name
    if name is not None:
        name = trim(name) if "{" not in name else _PLACEHOLDER.sub(_trim_placeholder, name)
    return replace(answers, reference=reference, balance=balance, name=name)


def _trim_placeholder(found: re.Match[str]) -> str:
    return f"{{{trim(found[1])}}}"


def _check(facts: Facts, answers: Answers) -> None:
    names = [one.name for one in facts.columns]
    named = _PLACEHOLDER.findall(answers.name or "") or [answers.name]
    given = [("--reference", name, "external_reference") for name in answers.reference]
    given += [("--name", name, "name") for name in named if name is not None]
    given += [("--balance", name, "balance") for name in answers.balance if name != NO_BALANCE]
    for flag, name, field in given:
        if name not in names:
            near = [one for one in names if nearest(one) == field] or names
            raise UsageError(
                f"{flag} {shown(name)}: {facts.layout.name} has no such column",
                hint="its columns are "
                + ", ".join(shown(one) for one in list(dict.fromkeys(near + names))[:12]),
            )
    if len(answers.balance) > 2:  # noqa: PLR2004 - debit and credit
        raise UsageError(
            "--balance is given more than twice", hint="one column, or that of debit, then credit"
        )


def columns_of(entry: dict[str, Any]) -> set[str]:
    """The columns that an entry reads."""
    found = {entry[key] for key in ("column", "region_column", "debit", "credit") if key in entry}
    found |= set(entry.get("columns", ()))
    found |= set(_PLACEHOLDER.findall(entry.get("template", "")))
    for rule in ("keep", "drop"):
        found |= set(entry.get(rule, ()))
    return {str(one) for one in found}


def _used(proposal: Proposal) -> set[str]:
    used: set[str] = set()
    for choice in proposal.choices:
        used |= columns_of(choice.entry)
    return used


def _apply(proposal: Proposal, facts: Facts, preset: dict[str, Any], answers: Answers) -> None:
    """Let a preset's tables replace the proposed ones, where the file has what they read."""
    names = {one.name for one in facts.columns}
    for section in ("fields", "metadata"):
        for name, given in preset.get(section, {}).items():
            if name == "external_reference" and answers.reference:
                continue
            missing = columns_of(given) - names
            if missing:
                listed = ", ".join(shown(one) for one in sorted(missing))
                proposal.notes.append(f"the preset's {name} is left out: no column {listed}")
                continue
            old = proposal.entry(section, name) or {}
            shown_by_file = {key: old[key] for key in _COMPLETED_BY_FILE if key in old}
            merged = {**given, **shown_by_file, **given}
            _replace(proposal, Choice((section, name), merged, "high", "the preset says so"))

    proposal.questions = [one for one in proposal.questions if not _answered(proposal, one)]


def _answered(proposal: Proposal, question: Question) -> bool:
    name, keys = _ANSWERED_BY[question.answer]
    entry = proposal.entry("fields", name)
    return entry is not None and (not keys or any(key in entry for key in keys))


def _replace(proposal: Proposal, choice: Choice) -> None:
    for index, one in enumerate(proposal.choices):
        if one.key == choice.key:
            kept = Choice(
                choice.key,
                choice.entry,
                choice.confidence,
                choice.reason,
                one.warnings,
                one.instead,
            )
            proposal.choices[index] = kept
            return
    proposal.choices.append(choice)


def _notes(parts: Parts, proposal: Proposal, answers: Answers) -> list[str]:
    notes = [
        f"{shown(column.name)} holds dates, {_date_habit(column.shapes)}"
        for column in parts.facts.columns
        if column.share("date") > NEARLY_ALL
    ]
    asked = any(one.answer == "balance" for one in proposal.questions)
    if not (answers.balance or asked or proposal.entry("fields", "balance")):
        # The total of an age analysis is the balance, and stands behind its parts.
        columns = sorted(parts.facts.columns, key=lambda one: "total" not in roles(one.name))
        listed = [
            shown(one.name)
            for one in columns
            if one.share("amount") > NEARLY_ALL and one.share("decimals") > NEARLY_ALL
        ]
        if listed:
            notes.append(
                f"no column is taken for the balance; {', '.join(listed[:_LISTED])} may hold"
                ' amounts: --balance "COLUMN" says which'
            )
    for column in parts.facts.columns:
        lost = column.shapes["shortened"]
        if lost and "phone" in roles(column.name):
            notes.append(
                f"{shown(column.name)}: a spreadsheet has shortened {counted(lost, 'number')}, as"
                " 2.78E+10; their digits are lost: export again with the column as text"
            )
    notes += _not_available(parts)
    for text, count in parts.facts.nothing:
        notes.append(
            f"{shown(text)} stands in {counted(count, 'cell')} and is read as an empty cell:"
            " empty in [source]"
        )
    if parts.facts.text_formulas:
        notes.append(
            f'{counted(parts.facts.text_formulas, "cell")} such as ="0042", which keeps'
            " spreadsheets from rewriting a text: read without it by text_formulas in [source]"
        )
    if parts.facts.malformed:
        notes.append(f"{parts.facts.malformed:,} records cannot be read; check will name them")
    return notes


def _not_available(parts: Parts) -> list[str]:
    """Where NA stands for no value, as R writes it; it is Namibia too, so nothing is taken."""
    found = 0
    for role in _HAVE_SHAPES:
        for column in parts.all(role):
            found += int((parts.facts.sample[column.name] == "NA").sum())
    if not found:
        return []
    land = [shown(one.name) for one in parts.all("country") if any(t == "NA" for t, _ in one.top)]
    but = f" (but {land[0]} has it too, where it may be Namibia)" if land else ""
    cells = f'"NA" stands in {counted(found, "cell")} of e-mails, numbers or amounts; if it means'
    return [f'{cells} an empty cell, write empty = ["NA"] under [source]{but}']


_HAVE_SHAPES: tuple[Role, ...] = ("email", "phone", "balance", "debit", "credit")


def _date_habit(shapes: dict[str, int]) -> str:
    if shapes["day_first"] and not shapes["month_first"]:
        return "the day first"
    if shapes["month_first"] and not shapes["day_first"]:
        return "the month first"
    if shapes["day_first"]:
        return "some with the day first, some with the month first"
    return "the year first, or day and month that cannot be told apart"
