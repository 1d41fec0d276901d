"""``importer export``: the whole mapping reference -> id, written in one rename."""

from __future__ import annotations

import csv
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.ledger.opening import open_ledger, read_accounts
from importer.results.workspace import PRIVATE_FILE
from importer.source.fed_back import escape_formula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress


Entry = tuple[str, str, str, str, str, str]
"""account base URL, mode, account name, reference, id, origin"""
COLUMNS = ("external_reference", "bcus_id", "origin", "base_url", "mode", "account")


def export_mapping(ledger: LedgerAddress, file: Path, account_name: str | None) -> int:
    """Write every settled customer of the ledger; the number written.

    Raises:
        UsageError: no such ledger, no such account, an unknown file type, or the file exists.
    """
    write = _writer(file)
    accounts = read_accounts(ledger, account_name)
    with _replacing(file) as partial:
        return write(partial, _entries(ledger, accounts))


def _entries(address: LedgerAddress, accounts: Iterable[Account]) -> Iterator[Entry]:
    for account in accounts:
        with open_ledger(address, account, read_only=True) as opened:
            for reference, customer_id, origin, _ in opened.mapping():
                yield reference, customer_id, str(origin), *_columns_of(account)


def _columns_of(account: Account) -> tuple[str, str, str]:
    return account.base_url, account.mode, account.name


def _writer(file: Path) -> Callable[[Path, Iterator[Entry]], int]:
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
    try:
        return writers[file.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{file} has an unknown type", hint="name it .csv, .parquet or .jsonl"
        ) from None


@contextmanager
def _replacing(file: Path, *, keep: bool = True) -> Iterator[Path]:
    """A private file beside the target that takes its place when it is whole, or is scratch."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        yield partial
        if keep:
            partial.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(path: Path, entries: Iterator[Entry]) -> int:
    return _csv(path, ((escape_formula(entry[0]), *entry[1:]) for entry in entries))


def _csv(path: Path, rows: Iterable[tuple[str, ...]]) -> int:
    number = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(row)
            number += 1
    return number


def _write_jsonl(path: Path, entries: Iterator[Entry]) -> int:
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(dict(zip(COLUMNS, entry, strict=True)), ensure_ascii=False))
            file.write("\n")
            number += 1
    return number


def _write_parquet(path: Path, entries: Iterator[Entry]) -> int:
    """By way of a CSV file beside it, which polars streams: memory stays bounded."""
    import polars as pl  # noqa: PLC0415 - only this format needs it

    with _replacing(path.with_suffix(".csv"), keep=False) as rows:
        number = _csv(rows, entries)
        schema = dict.fromkeys(COLUMNS, pl.String)
        pl.scan_csv(rows, schema=schema).sink_parquet(path)
    return number
