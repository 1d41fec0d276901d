"""Source: bytes in, verified records out, each with its source and physical line."""

from importer.source.opened import OpenSource, open_source
from importer.source.options import SourceOptions
from importer.source.records import CellFault, Layout, Malformed, RecordBatch
from importer.source.urls import shown_source

__all__ = [
    "CellFault",
    "Layout",
    "Malformed",
    "OpenSource",
    "RecordBatch",
    "SourceOptions",
    "open_source",
    "shown_source",
]
