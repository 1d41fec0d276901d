"""``importer verify`` for people: what was found, in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.errors import printable
from importer.job.verify import WORDS

if TYPE_CHECKING:
    from importer.job.verify import Verified


def verify_document(verified: Verified) -> dict[str, Any]:
    """The same for scripts (docs/schemas/verify.json)."""
    stopped, signum = verified.stopped_by, verified.signum
    return {
        "account": verified.account,
        "results": str(verified.results),
        "findings": {finding: number for finding, number in verified.found.items() if number},
        "customers": verified.found.total(),
        "is_whole": stopped is None and signum is None,
        "gone_on_after": verified.gone_on_after,
        "stopped_by": f"signal {signum}" if signum is not None else getattr(stopped, "reason", ""),
    }


def show_verified(verified: Verified) -> None:
    """Print the findings, and where those that are no good stand."""
    console = Console(highlight=False)
    title = escape(printable(f"verify for {verified.account}"))
    table = Table(title=title, title_justify="left")
    table.add_column("finding")
    table.add_column("customers", justify="right")
    table.add_column("meaning")
    for finding, words in WORDS.items():
        if number := verified.found.get(finding):
            table.add_row(finding, f"{number:,}", words)
    table.add_section()
    ended = verified.stopped_by is None and verified.signum is None
    rest = "" if ended else "interrupted; the same command goes on"
    table.add_row("total", f"{verified.found.total():,}", rest)
    console.print(table)
    if verified.gone_on_after:
        console.print("with what an interrupted verify had found before")
    console.print(escape(printable(f"findings: {verified.results}/verify.csv")), soft_wrap=True)
