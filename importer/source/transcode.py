"""Turns text of any encoding into UTF-8, piece by piece, so that memory stays bounded.

Bytes that mean nothing in the encoding become bytes that mean nothing in UTF-8 either: the record
that holds them is malformed, and no neighbour is. 0xFF in front makes sure of that, because it is
in no UTF-8 text, whatever stands next to it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "\udcff"
"""What 0xFF is as a surrogate escape."""
_ERRORS = "importer.undefined"
_FIRST_HIGH = 0x80


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    kept = "".join(chr(0xDC00 + byte) for byte in bad if byte >= _FIRST_HIGH)
    return MARK + kept, error.end


codecs.register_error(_ERRORS, _marked)


def transcoded(read: Callable[[], bytes], encoding: str) -> Callable[[], bytes]:
    """A reader of UTF-8 over one of ``encoding``; both give b"" at the end."""
    decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)

    def read_utf8() -> bytes:
        while True:
            piece = read()
            text = decoder.decode(piece, not piece)
            if text or not piece:
                return text.encode(errors="surrogateescape")

    return read_utf8
