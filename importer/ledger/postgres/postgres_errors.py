"""What PostgreSQL's errors mean to a person, and what is worth another try. Pure.

No message shows a password or what stands in a row: details of an error are never passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import LedgerFailed, UsageError

if TYPE_CHECKING:
    import psycopg

    from importer.ledger.address import LedgerAddress

AGAIN = "then type the same command again: nothing is sent twice"
# SQLSTATEs of postgresql.org/docs/current/errcodes-appendix.html: (what happened, what to do).
_MEANINGS = {
    "53100": ("its server's disk is full", f"free some space there, {AGAIN}"),
    "53300": ("its server takes no more connections", f"see to max_connections, {AGAIN}"),
    "42501": (
        "its user lacks a right",
        "grant it as docs/ledger.md says (Rights), then type the same command again",
    ),
    "25006": ("its server is read-only (a standby)", f"name the primary, {AGAIN}"),
    "57014": ("its server cancelled a statement", f"see to its timeouts, {AGAIN}"),
    "55P03": ("somebody else holds a lock in it", f"end that session, {AGAIN}"),
    "42P07": (
        "its schema holds other tables already",
        "name another schema: ?schema=NAME at the end of the URL",
    ),
    "58030": ("its server's disk failed (I/O error)", f"check that disk, {AGAIN}"),
    "XX001": ("its server found damaged data", f"restore a backup, {AGAIN}"),
}
_LOST = ("08", "57P", "25006", "25P03", "53300")
"""Classes and codes that say that the connection, or the server, is gone: another server is the
primary now, the server ended a session that slept in a transaction, or has no room for one yet."""
_RACES = {"40001", "40P01", "23505"}
"""Serialisation, deadlock, and a row that another writer has made meanwhile."""
_NAMED = ("42", "3D", "3F", "28", "57", "53", "55", "0A", "25")
"""Classes whose first line names objects and settings, never what stands in a row."""
_WRONG = ("28", "3D")
"""Classes of a user, a password or a database that the server does not take."""
_WORDS = (
    *("authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist"),
    *("is not permitted to log in", "invalid", "root certificate", "certificate verify failed"),
    *("SSL is not enabled", "does not support SSL", "server does not support", "could not read"),
)
"""Of libpq's messages, where it gives no SQLSTATE: what another try would not change."""


def code_of(error: psycopg.Error) -> str:
    """The SQLSTATE; "" where the server did not speak."""
    return error.sqlstate or ""


def is_race(error: psycopg.Error) -> bool:
    """Whether the same transaction may simply be run again."""
    return code_of(error) in _RACES


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection or the server went away, or another server is the primary now."""
    import psycopg as driver  # noqa: PLC0415 - an extra, loaded by who raised the error

    code = code_of(error)
    if code:
        return code.startswith(_LOST)
    return isinstance(error, driver.OperationalError | driver.InterfaceError)


def failed(address: LedgerAddress, error: psycopg.Error) -> LedgerFailed:
    """The error that stops the run: nothing may be sent without a ledger."""
    code = code_of(error)
    what, hint = _MEANINGS.get(code, (f"PostgreSQL says {_said(error)}", f"see to it, {AGAIN}"))
    return LedgerFailed(f"the ledger {address} failed: {what}", hint=hint)


def _said(error: psycopg.Error) -> str:
    code = code_of(error)
    if not code:
        gone = is_lost(error)
        return "nothing: the connection was lost" if gone else f"nothing ({type(error).__name__})"
    primary = error.diag.message_primary if code.startswith(_NAMED) else None
    return f"{primary} (SQLSTATE {code})" if primary else f"SQLSTATE {code}"


def not_reached(address: LedgerAddress, error: psycopg.Error) -> LedgerFailed | UsageError:
    """Why no connection was made: a setting that is wrong, or a server that is not there."""
    text = " ".join(str(error).split())
    for _, secret in address.secrets:
        text = text.replace(secret, "...")
    if code_of(error).startswith(_WRONG) or any(words in text for words in _WORDS):
        return UsageError(
            f"the ledger {address} cannot be used: {text}",
            hint="the password comes from PGPASSWORD, ~/.pgpass or passfile=FILE; sslmode=... and"
            " all other parameters of libpq may stand in the URL",
        )
    return LedgerFailed(
        f"the ledger {address} cannot be reached: {text}", hint=f"start its server, {AGAIN}"
    )
