"""The command line: thin, every command imports what it needs when it is called."""

from __future__ import annotations

import sys

from importer.errors import ExitCode, ImporterError


def main() -> None:
    """Run the command line; an ImporterError becomes a message and its exit code."""
    from importer.cli.app import app  # noqa: PLC0415 - keeps `import importer` light

    try:
        app()
    except ImporterError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - this is the user interface
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)  # noqa: T201
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.SIGINT))
    except BrokenPipeError:
        # The reader of our output is gone (`| head`); nothing of ours depends on it.
        sys.stderr.close()
        sys.exit(int(ExitCode.OK))
