"""Writes importer.1, the manual page, from the program itself: ``make man``.

Commands and options are those of the command line, settings those of their one table, exit codes
those of docs/exit-codes.md. Only what no table says (description, files, examples) is written here.
The language is man(7), which groff and mandoc both read.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer import __version__
from importer.cli.app import app
from importer.cli.settings import command_of, settings_of
from importer.job.job_settings import TABLE

if TYPE_CHECKING:
    import typer

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("importer.1")
DATE = "2026-11-26"
"""Of the last change to the text in this file."""

DESCRIPTION = """
importer reads customers from CSV, Excel, JSON Lines or Parquet, checks every record, and creates
each of them once with the Moment billing API. A ledger holds which row became which customer, and
is written before each request leaves. So a run that was interrupted, killed or refused is continued
by typing the same command again: nothing is sent twice, and no id is lost.

Given update policies, it keeps customers in step with a file that comes every night. A file that is
unlike the last one stops the run before anything is sent.
"""
SETTINGS = """
A setting is taken from its flag, else from its variable, else from the section [run] of the mapping
file, else it has its default. importer config shows where each comes from.
"""
SEE_ALSO = """
importer COMMAND --help; in the folder docs/ of the source: guide-going-live.md,
guide-migration-day.md, guide-nightly.md, guide-3am.md, exit-codes.md, settings.md.
"""

FILES = {
    "import.toml": "The mapping file that --config names: which column is what, and in its section"
    " [run] any setting. importer init writes it.",
    "importer-ledger.db": "The ledger, unless --ledger says otherwise; beside it its lock"
    " (.lock) and SQLite's own files (-wal, -shm). It must not be lost, and is as private as the"
    " sources.",
    "results/RUN_ID/": "What became of every record: results.csv, errors.csv, summary.json, and"
    " others where there is something to tell. errors.csv holds personal data.",
}

ENVIRONMENT = {
    "MOMENT_API_KEY": "The API key. There is no flag for it: every process list shows flags.",
    "MOMENT_API_KEY_FILE": "A file that holds the key, readable by its owner only.",
    "MOMENT_API_KEY_COMMAND": "A command that prints the key: a password manager's.",
    "HTTPS_PROXY, NO_PROXY": "The proxy on the way to the API, and hosts that are reached without.",
    "SSL_CERT_FILE, SSL_CERT_DIR": "The authorities to trust, where they are not the usual ones.",
    "PGPASSWORD": "The password of a ledger in PostgreSQL, and libpq's other variables.",
}

EXAMPLES = [
    (
        "Propose a mapping for an export, and check all of it offline:",
        [
            "importer init export.csv",
            "importer check export.csv --config import.toml",
        ],
    ),
    (
        "Look first, then do exactly that or nothing:",
        [
            "importer plan export.csv --config import.toml --save plan.json",
            "importer run --plan plan.json",
        ],
    ),
    (
        "Every night, with a live key; balances follow the file:",
        [
            "importer run tonight.csv --config import.toml --update balance=source --live",
        ],
    ),
    (
        "It did not go well: could a run begin, how did the last ones end, and what became of one:",
        ["importer doctor", "importer runs --failed", "importer why CUST-000042"],
    ),
    (
        "A Moment on this machine, to rehearse with:",
        [
            "importer sandbox --faults lost=0.05,503=0.02",
        ],
    ),
]


def escaped(text: str) -> str:
    """Text as roff shows it: no character of it is a request, an escape, or turned into another."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    text = text.replace("`", r"\(ga").replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def paragraph(text: str) -> list[str]:
    """A text filled by whoever shows it, in lines that a reader of the source can read."""
    flat = re.sub(r"\s+", " ", text.strip())
    return [escaped(one) for one in textwrap.wrap(flat, 68, break_on_hyphens=False)]


def bold(text: str) -> str:
    """A line in bold."""
    return f"\\fB{escaped(text)}\\fR"


def tagged(tag: str, text: str) -> list[str]:
    """An entry: a tag, and what it means."""
    return [".TP", tag, *paragraph(text)]


def commands() -> list[tuple[str, typer.Context]]:
    """Every command with its context, in the order of ``--help``; groups before their own."""
    found: list[tuple[str, typer.Context]] = []

    def walk(command: Any, name: str, parent: typer.Context | None) -> None:
        context = command.context_class(command, info_name=name, parent=parent)
        if parent is not None:
            found.append((context.command_path, context))
        for key in getattr(command, "list_commands", lambda _: [])(context):
            walk(command.get_command(context, key), key, context)

    walk(command_of(app), "importer", None)
    return found


def own_options(context: typer.Context, shared: set[str]) -> list[str]:
    """What a command alone has: its arguments and options, as --help tells them."""
    lines: list[str] = []
    for one in context.command.get_params(context):
        record = one.get_help_record(context)
        if record is not None and not shared & set(one.opts) and "--help" not in one.opts:
            lines += tagged(bold(record[0]), record[1])
    return lines


def command_section(path: str, context: typer.Context) -> list[str]:
    """What one command does, and how it is typed."""
    usage = " ".join(context.command.collect_usage_pieces(context))
    lines = [f'.SS "{escaped(path)} {escaped(usage)}"', *paragraph(context.command.help or "")]
    flags = [one.flag for one in settings_of(path.partition(" ")[2]) if not one.secret]
    lines += own_options(context, set(flags))
    if flags:
        lines += [".PP", "Settings (below):", *paragraph(", ".join(flags) + ".")]
    return lines


def settings_section() -> list[str]:
    """Every setting that has a flag, with its variable and its commands."""
    lines: list[str] = []
    for one in (one for one in TABLE if not one.secret):
        letter = f"{one.letter}, " if one.letter else ""
        value = "" if one.kind is bool else f" {one.metavar or one.kind.__name__.upper()}"
        default = "" if one.default in (None, False, "") else f" Default: {one.default}."
        variable = f" Variable: {one.variable}." if one.variable else ""
        text = f"{one.help}{default}{variable} Commands: {', '.join(one.commands)}."
        lines += tagged(bold(f"{letter}{one.flag}{value}"), text)
    return lines


def exit_codes() -> list[tuple[str, str]]:
    """The table of docs/exit-codes.md: code and name, what it means and what to do."""
    page = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    plain = [[re.sub(r"`|\[([^]]+)\]\([^)]+\)", r"\1", cell) for cell in row] for row in rows]
    return [
        (f"{code} {name}", f"{meaning}. To do: {what_to_do}.")
        for code, name, meaning, what_to_do in plain
    ]


def page() -> str:
    """The whole manual page."""
    lines = [
        '.\\" Made by make man; do not edit.',
        f'.TH IMPORTER 1 "{DATE}" "importer {__version__}" "User Commands"',
        ".nh",  # A flag that is hyphenated cannot be copied.
        ".ad l",
        ".SH NAME",
        r"importer \- import customers into the Moment billing API, each once",
        ".SH SYNOPSIS",
        r"\fBimporter\fR \fICOMMAND\fR [\fIARGUMENTS\fR] [\fIOPTIONS\fR]",
        ".br",
        r"\fBimporter\fR [\fB\-\-version\fR | \fB\-\-help\fR]",
        ".SH DESCRIPTION",
    ]
    first, *more = DESCRIPTION.strip().split("\n\n")
    lines += paragraph(first)
    for one in more:
        lines += [".PP", *paragraph(one)]
    lines.append(".SH COMMANDS")
    for path, context in commands():
        lines += command_section(path, context)
    lines += [
        ".SH SETTINGS",
        *paragraph(SETTINGS),
        *settings_section(),
    ]
    lines.append(".SH ENVIRONMENT")
    secrets = {
        f"{one.variable}, {one.variable}_FILE": f"{one.help} The second one names a file."
        for one in TABLE
        if one.secret
    }
    for name, text in {**ENVIRONMENT, **secrets}.items():
        lines += tagged(bold(name), text)
    lines.append(".SH FILES")
    for name, text in FILES.items():
        lines += tagged(f"\\fI{escaped(name)}\\fR", text)
    lines.append(".SH EXIT STATUS")
    for code, text in exit_codes():
        lines += tagged(bold(code), text)
    lines.append(".SH EXAMPLES")
    for index, (text, typed) in enumerate(EXAMPLES):
        lines += [".PP"] * bool(index) + paragraph(text)
        lines += [".PP", ".RS 4", ".nf", *map(escaped, typed), ".fi", ".RE"]
    lines += [
        ".SH SEE ALSO",
        *paragraph(SEE_ALSO),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
