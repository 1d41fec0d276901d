"""What a user would type next, after a run, a check or a plan: commands to be pasted. Pure.

Each means what the command meant that was typed: it has its sources, its mapping file and its
options, as far as they concern it. What the environment said it will say again.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from importer.ledger.address import DEFAULT_LEDGER, LedgerAddress

if TYPE_CHECKING:
    from importer.results.summary import Summary

NextCommands = Callable[["Summary", str], list[str]]
_ONCE = ("accept_drift", "accept_new_account", "dry_run", "key_changed", "log_format", "quiet")
"""What was meant for the command that was typed, and not for those after it."""
_TO_CORRECT = ("invalid", "rejected")
"""Outcomes of rows in an errors file that may be corrected there."""
_TO_LOOK_AT = ("conflict", "missing")
"""Those about which Moment says something else than the source: no cell of ours is wrong."""
_TO_LOOK_AT_MARKS = ("conflict", "missing", "rejected")
"""The same of the marks of vanished customers."""
_EDITS_WIN = "if_untouched"
_BALANCES = "balance=if_untouched"
"""What changes most, and so that an edit at Moment is left alone (docs/syncing.md)."""
STDIN = "-"
_ALIGNED = 100
"""Longer commands stand beside the column in which the words on the others begin."""
ACCOUNT = "--account"
"""``export`` has one of its own: without it all accounts of a ledger are written."""


class Flags(Protocol):
    """The options of what was typed."""

    def __call__(
        self, command: str, *, without: Sequence[str] = (), planned: bool = True
    ) -> list[str]:
        """Those that another command has, too, as words; ``planned``: a plan's own among them."""
        ...


def no_flags(command: str, *, without: Sequence[str] = (), planned: bool = True) -> list[str]:
    """Nothing was given but names of files."""
    del command, without, planned
    return []


def after_run(
    ledger: LedgerAddress,
    summary: Summary,
    results: str,
    *,
    plan: Path | None = None,
    config: Path | None = None,
    flags: Flags = no_flags,
    hides: bool = False,
    update: str = "",
) -> list[str]:
    """Three commands or more, each with a word on why.

    Args:
        ledger: the run's.
        summary: how it ended.
        results: the folder with its results.
        plan: the saved plan that it followed.
        config: its mapping file.
        flags: its options.
        hides: whether the summary leaves out a part of a source's address.
        update: the policies of its updates, as ``--update`` takes them.
    """
    make = _Maker(ledger, config, flags)
    if plan is None:
        again = make("run", summary.sources)
    else:
        words = flags("run", without=_ONCE, planned=False)
        again = " ".join(["importer run", "--plan", pasted(str(plan)), *map(_word, words)])
    to_correct = _files_with(_TO_CORRECT, summary, results)
    to_look_at = _files_with(_TO_LOOK_AT, summary, results)
    gone = _less([f"{results}/vanished.csv"])
    marks = summary.marked
    part = "" if plan is not None else _missing_part(summary, hides=hides)
    if summary.stopped_by == "too_many_invalid":
        check = make("check", summary.sources, without=("max_errors",))
        first = (check, f"until the mapping fits the file{part}")
    elif summary.stopped_by == "volume_guard":
        look = make("plan", summary.sources)
        first = (look, "what would be sent; if the input is right, run it with --accept-drift")
    elif summary.outcomes.get("would_create"):
        first = (again, f"send them{part}")
    elif summary.outcomes.get("unsettled") or marks.get("unsettled"):
        first = (again, f"goes on with what is not settled; nothing is sent twice{part}")
    elif to_correct:
        first = (make("run", to_correct), "once the rows in it are corrected")
    elif to_look_at:
        first = (_less(to_look_at), "what Moment holds otherwise, and was left alone")
    elif any(marks.get(one) for one in _TO_LOOK_AT_MARKS):
        first = (gone, "who has vanished, and could not be marked")
    else:
        first = (again, f"again: sends only what is new{part}")
    return _aligned(
        first,
        *_not_in_step(make, summary, results, update),
        *[(gone, "who was delivered before, and is not in the input any more")]
        * (summary.vanished > 0 and not summary.stopped_by and first[0] != gone),
        (make("status"), "the ledger: totals and last runs"),
        (make("export", ["ids.csv"]), "every reference with its bcus_ id"),
    )


def _not_in_step(
    make: _Maker, summary: Summary, results: str, update: str
) -> list[tuple[str, str]]:
    """What may be done with rows about which Moment says something else than the source."""
    found = []
    conflicts = _files_with(("conflict",), summary, results)
    if conflicts and _EDITS_WIN in update:
        wins = ("--update", update.replace(_EDITS_WIN, "source"))
        command = make("run", conflicts, more=wins, without=("update",))
        found.append((command, "if the source is right in all of it: it wins, this once"))
    if summary.outcomes.get("changed") and not (update or summary.stopped_by):
        look = make("plan", summary.sources, more=("--update", _BALANCES))
        found.append((look, "what would put changed rows in step, by the fields that you name"))
    if missing := _files_with(("missing",), summary, results):
        found.append((make("verify", missing), "asks Moment for these rows again; reads only"))
    return found


def after_check(
    summary: Summary,
    results: str,
    *,
    config: Path | None = None,
    flags: Flags = no_flags,
    hides: bool = False,
) -> list[str]:
    """Two or three commands, each with a word on why."""
    make = _Maker(DEFAULT_LEDGER, config, flags)
    to_correct = _files_with(_TO_CORRECT, summary, results)
    looks = [(_less(to_correct), "the rows to correct")] * bool(to_correct)
    hidden = _missing_part(summary, hides=hides)
    return _aligned(
        *looks,
        (make("plan", summary.sources), f"what a run would do with this ledger{hidden}"),
        (make("run", summary.sources), f"import them{hidden}"),
    )


def after_plan(
    ledger: LedgerAddress,
    sources: Sequence[str],
    saved: Path | None,
    *,
    config: Path | None = None,
    flags: Flags = no_flags,
    drifts: bool = False,
) -> list[str]:
    """One or two commands, each with a word on why; ``drifts``: the guard would stop a run."""
    accept, only = (("--accept-drift",), ", if the input is right") if drifts else ((), "")
    if saved is not None:
        # The plan holds every setting but those that must be meant each time.
        live = [word for word in flags("run") if word == "--live"]
        words = ["importer run --plan", pasted(str(saved)), *accept, *live]
        return _aligned((" ".join(words), f"do this{only}"))
    make = _Maker(ledger, config, flags)
    save = make("plan", sources, more=("--save", "plan.json"))
    run = make("run", sources, more=accept)
    return _aligned((save, "write it down for run --plan"), (run, f"import them{only}"))


def command_for(
    command: str,
    names: Sequence[str],
    *,
    ledger: LedgerAddress,
    config: str = "",
    more: Sequence[str] = (),
) -> str:
    """A command that nothing was typed for, with its files, as a shell takes it."""
    make = _Maker(ledger, Path(config) if config else None, no_flags)
    return make(command, names, more=more)


class _Maker:
    """Writes commands that mean what was typed."""

    def __init__(self, ledger: LedgerAddress, config: Path | None, flags: Flags) -> None:
        self._ledger = ledger
        self._config = config
        self._flags = flags

    def __call__(
        self,
        command: str,
        names: Sequence[str] = (),
        *,
        more: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> str:
        words = ["importer", command, *map(pasted, names)]
        if command in {"run", "plan", "check", "verify"} and self._config is not None:
            words += ["--config", pasted(str(self._config))]
        # One that holds a password was not typed: who said it will say it again.
        if command != "check" and self._ledger != DEFAULT_LEDGER and not self._ledger.has_password:
            words += ["--ledger", pasted(str(self._ledger))]
        words += more
        given = self._flags(command, without=(*_ONCE, *without, "ledger"))
        if command == "export" and ACCOUNT in (words_of_run := self._flags("run")):
            at = words_of_run.index(ACCOUNT)
            given += words_of_run[at : at + 2]
        return " ".join([*words, *map(_word, given)])


def _files_with(outcomes: Sequence[str], summary: Summary, results: str) -> list[str]:
    """The errors files that hold a row with one of these outcomes."""
    return [
        f"{results}/{name}"
        for name, rows in summary.errors_files.items()
        if any(rows.get(one) for one in outcomes)
    ]


def _less(names: Sequence[str]) -> str:
    return f"less {' '.join(map(pasted, names))}"


def _missing_part(summary: Summary, *, hides: bool) -> str:
    """What a command cannot hold: what was piped in, and what an address hides."""
    if STDIN in summary.sources:
        return " (pipe the same input in again)"
    return " (with the whole address)" if hides else ""


def pasted(text: str) -> str:
    """A file's name as a shell takes it: quoted, and never an option or a control character."""
    return _word(f"./{text}" if text.startswith("-") and text != STDIN else text)


def _word(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    # $'...' takes bytes in octal (POSIX.1-2024, section 2.2.4), whatever the locale.
    plain = (chr(byte) if _is_plain(byte) else f"\\{byte:03o}" for byte in os.fsencode(text))
    return f"$'{''.join(plain)}'"


def _is_plain(byte: int) -> bool:
    return chr(byte).isascii() and chr(byte).isprintable() and chr(byte) not in "'\\"


def _aligned(*commands: tuple[str, str]) -> list[str]:
    # One long command does not push the words on the others out of sight.
    width = max((len(one) for one, _ in commands if len(one) <= _ALIGNED), default=0)
    return [f"{command:<{width}}  # {why}" for command, why in commands]
