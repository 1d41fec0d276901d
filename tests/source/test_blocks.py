"""Blocks of whole lines, however the bytes arrive."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from importer.source.source_options import MAX_LINE_BYTES
from importer.source.text.text_stream import Blocks


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n"]), max_size=40).map(b"".join),
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
)
def test_blocks_join_to_the_text(data: bytes, size: int, piece: int, back: bool) -> None:  # noqa: FBT001
    """Nothing is lost, every block ends a line, and the end is known."""
    stream = io.BytesIO(data)
    blocks = Blocks(lambda: stream.read(piece), size)
    found = []
    while block := blocks.take():
        cut = block.index(b"\n") + 1
        if back and cut < len(block):
            blocks.put_back(block[cut:])
            block = block[:cut]
        found.append(block)
        assert block.endswith(b"\n")
    assert blocks.ended
    joined = b"".join(found)
    assert joined == (data if data.endswith(b"\n") or not data else data + b"\n")


def test_an_endless_line_is_not_kept() -> None:
    """Of a line without an end only the limit stays in memory."""
    pieces = iter([b"x" * (1 << 20)] * 40 + [b"y\nz\n", b""])
    blocks = Blocks(lambda: next(pieces), 100)
    first = blocks.take()
    assert len(first) == MAX_LINE_BYTES + 2
    assert blocks.take() == b"z\n"
    assert blocks.take() == b""


def test_a_first_line_without_an_end_is_not_read_to_its_end() -> None:
    """It is no header whatever follows, so a bomb is not unpacked for it."""
    asked = []

    def read() -> bytes:
        asked.append(1)
        return b"x" * (1 << 20)

    assert len(Blocks(read, 100).take()) > MAX_LINE_BYTES
    assert len(asked) <= 2 + (MAX_LINE_BYTES >> 20)
