"""What is said of an exception that nobody expected, and what is kept of it: never any data.

Output that nobody reads any more must not end a run: ``importer run ... 2>&1 | head``.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from importer import __version__
from importer.errors import BugFound, printable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unbreakable:
    """A text stream whose writes never fail; what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.written = False
        """Something was written, or was to be."""
        self.lost: OSError | None = None
        """Why something that a reader waits for could not be written (a full disk); a reader who
        went away, or a terminal that hung up, waits for nothing."""

    def write(self, text: str) -> int:
        """Write, or drop where the reader is gone or the disk is full."""
        self.written = self.written or bool(text)
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as possible."""
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.EIO, errno.EBADF}:
                self.lost = self.lost or error
        except ValueError:
            pass  # It is closed.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_MOST = 30
"""Exceptions of one chain that are kept; a group may hold thousands."""
_PACKAGE = str(Path(__file__).parents[1])


def as_bug(error: BaseException) -> BugFound:
    """The error to report: one sentence, and where the details are.

    The details are types, files, lines and names of functions. Messages and values are left out,
    because they may hold a customer's data.
    """
    causes = _chain(error)
    where = _place(causes[0])
    kept = _keep(causes)
    bug = BugFound(
        f"{type(error).__name__}{f' in {where}' if where else ''}",
        safe="everything that was sent is in the ledger",
    )
    report = f"please report it with {kept}, which holds no data of yours" if kept else ""
    bug.hint = printable(report or "please report this line")
    return bug


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, those of its group, and what caused each; the first is the one to name."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MOST:
        one = waiting.pop(0)
        if one is None or any(one is known for known in found):
            continue
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        else:
            found.append(one)
        waiting += (one.__cause__, one.__context__)
    return found or [error]


def _frames(error: BaseException) -> list[str]:
    import traceback  # noqa: PLC0415 - few runs end so

    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = frame.filename
        if file.startswith(_PACKAGE):
            file = f"importer{file.removeprefix(_PACKAGE)}"
        else:
            # A path of this machine says who works on it; the end of it is enough.
            file = "/".join(file.split("/")[-3:])
        found.append(f"{file}:{frame.lineno} in {frame.name}")
    return found


def _place(error: BaseException) -> str:
    """The last line of importer's own that the exception passed."""
    own = [frame for frame in _frames(error) if frame.startswith("importer/")]
    return own[-1] if own else ""


def _keep(causes: list[BaseException]) -> str:
    """Write the details into a private file; its path, "" where none can be written."""
    import platform  # noqa: PLC0415 - as above
    import tempfile  # noqa: PLC0415 - as above

    lines = [
        f"importer {__version__}, python {platform.python_version()}, {platform.system()}",
        f"command {_command()}",
    ]
    for number, one in enumerate(causes):
        lines.append(f"{'caused by or with ' if number else ''}{type(one).__qualname__}")
        lines += (f"  {frame}" for frame in _frames(one))
    with suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="importer-bug-", suffix=".txt")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines) + "\n")
        return name
    return ""


def _command() -> str:
    """The command's name; its arguments may name customers."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    return word if word.isascii() and word.isalpha() and len(word) < len("presets") + 1 else "-"
