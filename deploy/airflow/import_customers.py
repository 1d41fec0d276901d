"""A DAG for Airflow 3: one file a night, a mapped task for each shard, one ledger in PostgreSQL.

The workers have importer installed, /etc/importer/import.toml names the ledger, and their
environment has MOMENT_API_KEY_FILE and PGPASSWORD. A task that goes on by itself is tried again,
and nothing is sent twice; one that needs a person fails at once, whatever retries are left.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

SHARDS = 4
GOES_ON = {75, 4}
"""Only what passes is in the way, or a run that died has its lease still."""
SIGNALS = 128
"""Exit codes above it, and below 0, are those of a process that was ended."""


@task(retries=6, retry_delay=timedelta(minutes=5), execution_timeout=timedelta(hours=20))
def shard(index: int, day: str) -> None:
    """Deliver one share of the file of a day."""
    process = subprocess.Popen(  # noqa: S603 - nothing of it is anybody else's
        [  # noqa: S607 - where it is installed is the worker's
            "importer",
            "run",
            f"/srv/exports/customers_{day}.csv",
            "--config",
            "/etc/importer/import.toml",
            "--live",
            "--log-format",
            "json",
            "--shard",
            f"{index}/{SHARDS}",
        ]
    )
    try:
        code = process.wait()
    except BaseException:
        # Airflow ends the task: the first SIGTERM lets requests in flight finish.
        process.terminate()
        process.wait()
        raise
    if code in GOES_ON or not 0 <= code <= SIGNALS:
        raise AirflowException(f"it goes on by itself: exit code {code}")
    if code:
        raise AirflowFailException(f"a person is needed: exit code {code}, see errors.csv")


@dag(
    schedule="30 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Two nights at once: the later one's tasks would end with exit code 4.
    max_active_runs=1,
)
def import_customers() -> None:
    """Import tonight's file."""
    shard.partial(day="{{ ds }}").expand(index=list(range(1, SHARDS + 1)))


import_customers()
