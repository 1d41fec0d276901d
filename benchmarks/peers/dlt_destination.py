"""dlt with a custom destination, as its documentation of reverse ETL shows.

Tuned: 32 load workers, small load files so that all have work, one session a thread, telemetry
off. ``primary_key`` or a merge would change nothing: a custom destination only appends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from typing import Any

from benchmarks.peers.payload import KEY, arguments, headers, payloads

ROWS_A_FILE = 250


def main() -> int:
    """Extract, normalise and load every row; 1 if a load job failed."""
    path, url, in_flight = arguments()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    os.environ["LOAD__WORKERS"] = str(in_flight)
    os.environ["NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS"] = str(ROWS_A_FILE)
    import dlt  # noqa: PLC0415 - it reads the settings above
    import requests  # noqa: PLC0415 - beside it

    local = threading.local()

    def session() -> requests.Session:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.headers["Authorization"] = f"Bearer {KEY}"
        found: requests.Session = local.session
        return found

    @dlt.destination(batch_size=ROWS_A_FILE, max_parallel_load_jobs=in_flight, name="customers")
    def post(items: list[dict[str, Any]], table: dict[str, Any]) -> None:  # noqa: ARG001 - dlt's signature
        for item in items:
            body = {name: value for name, value in item.items() if value is not None}
            if isinstance(body.get("metadata"), str):
                body["metadata"] = json.loads(body["metadata"])
            answer = session().post(url, json=body, headers=headers(body), timeout=30)
            answer.raise_for_status()

    @dlt.resource(name="customers", columns={"metadata": {"data_type": "json"}})
    def customers() -> Any:
        yield from payloads(path)

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("benchmark", destination=post, pipelines_dir=folder)
        info = pipeline.run(customers())
        return int(info.has_failed_jobs)


if __name__ == "__main__":
    sys.exit(main())
