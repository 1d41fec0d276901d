"""SIGINT, SIGTERM and SIGHUP: the first asks to stop, the second leaves at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.errors import ExitCode, ImporterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ALWAYS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(ImporterError):
    """A signal ended the run at once. The ledger is whole; the same command goes on later."""

    def __init__(self, signum: int) -> None:
        name = signal.Signals(signum).name
        super().__init__(
            f"interrupted by {name}", hint="type the same command again: nothing is sent twice"
        )
        self.exit_code = exit_code_of(signum)


def exit_code_of(signum: int) -> ExitCode:
    """130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP (128 + number, as shells report it)."""
    return ExitCode(128 + signum)


def watched() -> tuple[signal.Signals, ...]:
    """The signals that end a run; a SIGHUP that our parent had ignored (``nohup``) stays so."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return _ALWAYS if ignored else (*_ALWAYS, signal.SIGHUP)


@contextmanager
def watch(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Call ``on_signal`` for each signal while the block runs; it may raise."""

    def handle(signum: int, frame: FrameType | None) -> None:
        del frame
        on_signal(signum)

    before = {signum: signal.signal(signum, handle) for signum in watched()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def leave_at_once(signum: int) -> None:
    """End the run where it stands."""
    raise Interrupted(signum)
