"""Source: bytes in, verified records out, each with its source and physical line.

Names are loaded when they are first used: who looks into a ledger reads no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.values import names_of

if TYPE_CHECKING:
    from importer.source.opened import OpenSource, open_source
    from importer.source.records import CellFault, Kind, Layout, Malformed, RecordBatch
    from importer.source.remote import shown_source
    from importer.source.source_options import SourceOptions

__all__ = [
    "CellFault",
    "Kind",
    "Layout",
    "Malformed",
    "OpenSource",
    "RecordBatch",
    "SourceOptions",
    "open_source",
    "shown_source",
]

_HOMES = {
    "CellFault": "records",
    "Kind": "records",
    "Layout": "records",
    "Malformed": "records",
    "OpenSource": "opened",
    "RecordBatch": "records",
    "SourceOptions": "source_options",
    "open_source": "opened",
    "shown_source": "remote",
}

__getattr__ = names_of(__name__, _HOMES)
