"""The bounds of the reading layer. They keep one broken file from costing unbounded memory."""

from __future__ import annotations

BLOCK_BYTES = 4 << 20
"""Text read at once."""
CAREFUL_BYTES = 1 << 20
"""Text framed at once by the careful path, which needs far more memory per byte."""
CAREFUL_LINES = 1 << 16
"""Lines framed at once by the careful path: each may become a record with a message."""
SAMPLE_BYTES = 64 << 10
"""Text at the start of a file from which kind and delimiter are judged."""
MAX_HEADER_BYTES = 1 << 20
MAX_COLUMNS = 10_000
MAX_FIELD = 128 << 10
"""Characters of one cell: the standard library's ``csv.field_size_limit``."""
MAX_RECORD = 1 << 20
"""Characters of one record."""
MAX_RECORD_LINES = 1_000
"""Physical lines of one record."""
MAX_LINE_BYTES = 4 * MAX_RECORD
"""Bytes kept of one physical line. No character needs more than 4, so what is cut is too long."""
PARQUET_ROWS = 50_000
"""Parquet rows read at once."""
