"""drt (drt-core) with its REST API destination; the CSV goes into SQLite, one of its sources.

Tuned: no pause between requests (its default is 10 a second), batches of 1000. drt posts one
row after the other; ``--threads`` runs several syncs, not one sync faster.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.payload import KEY, arguments

_PROFILE = "local:\n  type: sqlite\n  database: {database}\n"
_PROJECT = 'name: benchmark\nversion: "0.1"\nprofile: local\n'
_SYNC = """\
name: customers
model: "SELECT * FROM customers"
destination:
  type: rest_api
  url: "{url}"
  method: POST
  headers:
    Content-Type: "application/json"
    Authorization: "Bearer {key}"
  native_idempotency_key: "{{{{ row.external_reference }}}}"
  body_template: |
    {{"external_reference": {{{{ row.external_reference | tojson }}}}
    {{% for name in ["name", "email", "phone", "currency"] if row[name] %}}
    , "{{{{ name }}}}": {{{{ row[name] | tojson }}}}{{% endfor %}}
    {{% if row.balance %}}, "balance": {{{{ row.balance }}}}{{% endif %}}
    , "metadata": {{"segment": {{{{ row["metadata.segment"] | tojson }}}},
      "legacy_id": {{{{ row["metadata.legacy_id"] | tojson }}}}}}}}
sync:
  mode: full
  batch_size: 1000
  rate_limit:
    requests_per_second: 1000000
  on_error: fail
"""


def main() -> int:
    """Load the CSV, write the project, run the sync; drt's exit code."""
    path, url, _ = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "customers.sqlite"
        _load(path, database)
        (folder / ".drt").mkdir()
        (folder / ".drt" / "profiles.yml").write_text(_PROFILE.format(database=database))
        (folder / "drt_project.yml").write_text(_PROJECT)
        (folder / "syncs").mkdir()
        (folder / "syncs" / "customers.yml").write_text(_SYNC.format(url=url, key=KEY))
        command = [str(Path(sys.executable).with_name("drt")), "run"]
        environment = {**os.environ, "HOME": name, "PYTHONPATH": ""}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _load(path: Path, database: Path) -> None:
    db = sqlite3.connect(database)
    with path.open(encoding="utf-8", newline="") as file, db:
        records = csv.reader(file)
        names = next(records)
        db.execute("CREATE TABLE customers (" + ", ".join(f'"{n}" TEXT' for n in names) + ")")
        places = ", ".join("?" * len(names))
        db.executemany(f"INSERT INTO customers VALUES ({places})", records)  # noqa: S608 - marks only
    db.close()


if __name__ == "__main__":
    sys.exit(main())
