"""What one run was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from importer.delivery.pacing.valve import PATIENCE
from importer.rows import OnDuplicate
from importer.source import shown_source

if TYPE_CHECKING:
    from importer.job.limit import ErrorLimit
    from importer.mapping import Mapping


@dataclass(frozen=True, slots=True)
class InputSettings:
    """How the sources are read and validated, and where results go."""

    sources: tuple[str, ...]
    out: Path = Path("results")
    strict: bool = False
    on_duplicate: OnDuplicate = OnDuplicate.ERROR
    delimiter: str | None = None
    max_errors: ErrorLimit | None = None
    """More invalid rows stop the job; None for the command's own limit (``check`` has none)."""
    fail_fast: bool = False
    """Stop reading at the first invalid record; for ``check`` only."""
    encoding: str = "auto"
    """``auto``, or the text encoding of every source."""
    sheet: str | None = None
    """The sheet of an Excel workbook; None = the first that holds something."""
    mapping: Mapping | None = None
    """Which column is what; None where the header says it."""
    config: Path | None = None
    """The file that the mapping stands in."""

    @property
    def shown_sources(self) -> list[str]:
        """The sources as messages and results call them: URLs without what they may hide."""
        return [shown_source(name) for name in self.sources]


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How the rows are delivered."""

    ledger: Path = Path("importer-ledger.db")
    base_url: str = ""
    account: str = "default"
    concurrency: int = 32
    """Workers, and the most requests in flight."""
    rate: float | None = None
    """Ceiling in requests per second; None for no ceiling of our own."""
    patience: float = PATIENCE
    """Seconds without one settled row after which the run stops, to be continued later."""
    limit: int | None = None
    """Rows to deliver at most; the others stay unsettled."""
    dry_run: bool = False
    retry_rejected: bool = False
    live: bool = False
    """Live money keys are meant."""
    key_changed: bool = False
    """Another key than last time is meant: it is the same merchant's."""
