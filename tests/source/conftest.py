"""Writes sources and reads them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import SourceError
from importer.source.source_options import SourceOptions
from tests.source.reading import Content, content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Content]:
    """Read bytes as a file: ``read(data, block_bytes=..., delimiter=...)``, and other options."""

    def reading(
        data: bytes,
        *,
        block_bytes: int = 1 << 16,
        delimiter: str | None = None,
        encoding: str = "auto",
        **options: Any,
    ) -> Content:
        path = tmp_path / "customers.csv"
        path.write_bytes(data)
        return content_of(str(path), SourceOptions(delimiter, block_bytes, encoding, **options))

    return reading


@pytest.fixture
def refused(read: Callable[..., Content]) -> Callable[..., SourceError]:
    """The error that reading bytes as a file ends with."""

    def refusing(data: bytes, **options: object) -> SourceError:
        with pytest.raises(SourceError) as caught:
            read(data, **options)
        assert caught.value.hint
        return caught.value

    return refusing
