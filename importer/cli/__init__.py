"""The command line: thin, every command imports what it needs when it is called."""

from __future__ import annotations

import os
import sys

from importer.errors import ExitCode, ImporterError


def main() -> None:
    """Run the command line; an ImporterError becomes a message and its exit code."""
    _open_missing_streams()
    try:
        from importer.cli.app import app  # noqa: PLC0415 - keeps `import importer` light

        app()
    except ImporterError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.SIGINT))
    except BrokenPipeError:
        # The reader of our output is gone (`| head`); nothing of ours depends on it.
        sys.exit(int(ExitCode.OK))
    finally:
        _drop_broken_streams()


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the user interface
    except OSError:
        pass  # Nobody can be told; the exit code still tells it.


def _open_missing_streams() -> None:
    """Let no file of ours take the place of a standard stream that was closed (``2>&-``)."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # POSIX: takes the lowest free number
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open


def _drop_broken_streams() -> None:
    """Let a stream that cannot be written not turn the exit code into Python's own 120."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            setattr(sys, name, None)
