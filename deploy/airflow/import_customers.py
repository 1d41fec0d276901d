"""A DAG for Airflow 3: one file a night, a mapped task for each shard, one ledger in PostgreSQL.

The workers have importer installed, /etc/importer/import.toml names the ledger, and their
environment has MOMENT_API_KEY_FILE and PGPASSWORD. A task that failed is tried again and goes on;
nothing is sent twice. One that ends with exit code 1 has rows that Moment does not take: a retry
changes nothing, and errors.csv says why.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag

SHARDS = 4


@dag(
    schedule="30 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Two nights at once: the later one's tasks would end with exit code 4.
    max_active_runs=1,
)
def import_customers() -> None:
    """Import tonight's file."""
    BashOperator.partial(
        task_id="shard",
        bash_command=(
            "importer run /srv/exports/customers_{{ ds }}.csv --config /etc/importer/import.toml"
            " --live --log-format json"
        ),
        append_env=True,
        retries=5,
        retry_delay=timedelta(minutes=2),
        execution_timeout=timedelta(hours=20),
    ).expand(env=[{"IMPORTER_SHARD": f"{index}/{SHARDS}"} for index in range(1, SHARDS + 1)])


import_customers()
