"""``make run``: imports the sample customers into the embedded sandbox API.

The sandbox keeps its customers in rehearsal/sandbox.db, the importer its ledger beside it; so the
second run finds every row settled and sends nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PORT = 8787
HERE = Path(__file__).parent
FOLDER = Path("rehearsal")


def main() -> int:
    """Start the sandbox, run the importer as a user would, stop the sandbox."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    importer = [sys.executable, "-m", "importer"]
    serve = [*importer, "sandbox", "--port", str(PORT), "--data", str(FOLDER / "sandbox.db")]
    sandbox = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
    try:
        if sandbox.stdout is None or not (ready := sandbox.stdout.readline()):
            return sandbox.wait() or 1
        print(ready.split(" (", maxsplit=1)[0], flush=True)
        command = [
            "run",
            os.path.relpath(HERE / "customers.csv"),
            "--ledger",
            str(FOLDER / "ledger.db"),
        ]
        command += ["--out", str(FOLDER / "results"), "--log-format", "console"]
        if sys.stderr.isatty():
            command = command[:-2]
        print("$ importer", " ".join(command), flush=True)
        environment = {
            **os.environ,
            "MOMENT_BASE_URL": f"http://127.0.0.1:{PORT}",
            "MOMENT_API_KEY": "sk_test_sandbox",
        }
        return subprocess.call([*importer, *command], env=environment)
    finally:
        sandbox.terminate()
        sandbox.wait()


if __name__ == "__main__":
    sys.exit(main())
