"""The exceptions that importer raises on purpose, as one tree.

Every one carries what a person needs: a message that names the place, a hint that names the fix,
and the process exit code that the command line answers with (docs/exit-codes.md)::

    ImporterError
     +-- UsageError           2  a setting, a flag or a file is wrong; nothing was sent
     |    +-- SourceError     2  an input cannot be read as a customer file
     +-- RunStopped           3  a stop rule ended the run early; rows keep their state
     |    |                  75  the same where the cause passes by itself (``passes``)
     |    +-- LedgerFailed    3  the ledger could not be written (disk full, I/O error)
     |    |                  75  or its database is away
     |    +-- InvalidFound    1  --fail-fast: reading stopped at the first invalid record
     +-- LedgerInUse          4  another run holds this ledger
     +-- BugFound            70  an invariant does not hold: a fault of importer itself
"""

from __future__ import annotations

from enum import IntEnum


def printable(text: str) -> str:
    """``text`` on one line, with every character escaped that a terminal might obey or hide.

    That is control and format characters, line ends and lone surrogates: names of files and
    columns, and the words of a server, may hold any of them.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class ExitCode(IntEnum):
    """Process exit codes; stable, documented in docs/exit-codes.md."""

    OK = 0
    ROWS_LEFT = 1
    USAGE = 2
    STOPPED = 3
    LEDGER_IN_USE = 4
    INTERNAL = 70
    TEMPFAIL = 75
    """``EX_TEMPFAIL`` of sysexits.h: the same command goes on by itself, later."""
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


def to_install(extra: str) -> str:
    """The fix where an extra is not installed.

    From importer's own files, since an index may have something else of this name.
    """
    return f"in the folder of importer: pip install '.[{extra}]'"


class ImporterError(Exception):
    """Base of everything importer raises on purpose; ``str()`` of it is fit to be read."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message)


class UsageError(ImporterError):
    """A setting, flag, key or file is wrong. Nothing was sent."""


class SourceError(UsageError):
    """An input cannot be read as a customer file (missing, no header, no reference column)."""


class RunStopped(ImporterError):
    """A stop rule ended the run early. Rows keep their state; the same command goes on later.

    ``reason`` is a stable machine-readable code, for example ``unauthorised`` or ``redirected``.
    ``passes``: the cause passes without anybody doing anything, so that an orchestrator may type
    the same command again; then the exit code is ``TEMPFAIL``.
    """

    exit_code = ExitCode.STOPPED

    def __init__(self, message: str, *, reason: str, hint: str = "", passes: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        if passes:
            self.exit_code = ExitCode.TEMPFAIL


class LedgerFailed(RunStopped):
    """The ledger could not be read or written, so nothing more may be sent."""

    def __init__(self, message: str, *, hint: str = "", passes: bool = False) -> None:
        super().__init__(message, reason="ledger_failed", hint=hint, passes=passes)


class InvalidFound(RunStopped):
    """A record is invalid, and the first one was to end the reading (``check --fail-fast``)."""

    exit_code = ExitCode.ROWS_LEFT

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, reason="invalid_found", hint=hint)


class LedgerInUse(ImporterError):
    """Another run holds this ledger."""

    exit_code = ExitCode.LEDGER_IN_USE


class BugFound(ImporterError):
    """What must always hold does not: importer is wrong, and stops before that costs money.

    Args:
        what: which invariant, in words, without personal data.
        safe: what nobody needs to fear, for example "nothing was sent".
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, what: str, *, safe: str) -> None:
        super().__init__(
            f"this is a bug in importer, and {safe}: {what}",
            hint="please report this line; type the same command again once it is mended",
        )
