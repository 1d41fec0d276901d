"""The command line: thin, every command imports what it needs when it is called."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys

from importer.cli.crash import Unbreakable
from importer.errors import ExitCode, ImporterError, UsageError

JSON = "--json"
"""Asks for one JSON document on standard output (json_output.py)."""
COLLECT_AFTER = 200_000
"""New objects, some 40 MB, after which Python looks for cycles among them; few runs make them."""


def main() -> None:
    """Run the command line; whatever is raised becomes a message and its exit code."""
    # Little of ours is ever part of a cycle: to look after every 700 objects costs 7 % of a row.
    gc.set_threshold(COLLECT_AFTER)
    # At its end a process is let go of whole: to look for cycles then is a tenth of a small run.
    atexit.register(gc.freeze)
    _open_missing_streams()
    stdout, stderr = sys.stdout, sys.stderr
    out = sys.stdout = Unbreakable(stdout)
    sys.stderr = Unbreakable(stderr)
    try:
        code, error = _run()
        out.flush()
        if out.lost and not code:
            # What was asked for is not there: a script must not take half of it for the whole.
            error = _not_written(out.lost)
            _report(error)
            code = ExitCode.STOPPED
        _tell(code, error)
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        _drop_broken_streams()
    sys.exit(code)


def _run() -> tuple[int | str | None, ImporterError | None]:
    """The exit code of the command that was typed, and what was reported."""
    wants_json = JSON in sys.argv[1:]
    code, error = _call(wants_json=wants_json)
    if wants_json and code and not getattr(sys.stdout, "written", True):
        from importer.cli.json_output import emit_error, left_with  # noqa: PLC0415 - as above

        emit_error(error or left_with(code))
    return code, error


def _call(*, wants_json: bool) -> tuple[int | str | None, ImporterError | None]:
    try:
        from importer.cli.app import app  # noqa: PLC0415 - keeps `import importer` light
        from importer.cli.completion import VARIABLE, answer  # noqa: PLC0415 - as above
        from importer.cli.settings import command_of  # noqa: PLC0415 - as above

        if VARIABLE in os.environ:
            return answer(functools.partial(command_of, app)), None
        gc.freeze()  # What was imported stays; nobody needs to look at it again.
        # With JSON, what is wrong with the command line is not to be printed, but raised.
        left_by = command_of(app, sys.argv[1:])(standalone_mode=not wants_json)
    except SystemExit as left:
        return int(left.code) if isinstance(left.code, ExitCode) else left.code, None
    except ImporterError as error:
        return _reported(error)
    except KeyboardInterrupt:
        return int(ExitCode.SIGINT), None
    except BaseException as error:  # noqa: BLE001 - polars' panics are no Exception
        from importer.cli.crash import as_bug  # noqa: PLC0415 - few runs need it

        return _reported(_of_command_line(error) or as_bug(error))
    return (int(left_by) if isinstance(left_by, int) else 0), None


def _reported(error: ImporterError) -> tuple[int, ImporterError]:
    _report(error)
    return int(error.exit_code), error


def _of_command_line(error: BaseException) -> UsageError | None:
    """What typer says of a command line that it cannot read; None of any other exception."""
    words = getattr(error, "format_message", None)
    if words is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "importer"
    return UsageError(words(), hint=f"see {path} --help")


def _tell(code: int | str | None, error: ImporterError | None) -> None:
    """Let alerts, pings and metrics know how a run ended, now that a person does."""
    app = sys.modules.get("importer.cli.app")
    news = [] if app is None else app.NEWS
    exit_code = code if isinstance(code, int) else int(code is not None)
    for one in filter(None, news):
        one.end(exit_code, error)
    arguments = sys.argv[1:]
    if not news and arguments[:1] == ["run"] and exit_code not in {0, ExitCode.SIGINT}:
        somebody = any(one.startswith(("IMPORTER_NOTIFY", "IMPORTER_PING")) for one in os.environ)
        if somebody or any(one.startswith("--config") for one in arguments):
            from importer.cli.notify_command import tell_refused  # noqa: PLC0415 - as above

            tell_refused(exit_code, error, arguments)
    news.clear()


def _not_written(lost: OSError) -> ImporterError:
    return ImporterError(
        f"standard output could not be written: {lost.strerror or lost}",
        hint="make room where it goes to; the command itself has done its work",
    )


def _report(error: ImporterError) -> None:
    """Tell a person in two lines; tell who reads JSON log lines in one of those."""
    logs = sys.modules.get("importer.cli.logs")
    if logs is not None and logs.writes_json():
        logs.log_error(error)
        return
    print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - this is the user interface
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)  # noqa: T201 - this is the user interface


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
