"""What every test of the command line begins with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import structlog

from importer.cli import logs, main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """No test writes to the streams of an earlier one."""
    structlog.reset_defaults()
    logs.forget()
    yield
    structlog.reset_defaults()
    logs.forget()


@pytest.fixture
def importer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command: (exit code, output, errors)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["importer", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
