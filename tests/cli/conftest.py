"""What every test of the command line begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from importer.cli import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """No test writes to the streams of an earlier one."""
    structlog.reset_defaults()
    logs.forget()
    yield
    structlog.reset_defaults()
    logs.forget()
