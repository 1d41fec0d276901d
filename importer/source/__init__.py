"""Source: bytes in, verified records out, each with its source and physical line."""

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
