"""An asset for Dagster: one file a night, one ledger in PostgreSQL.

Where it runs, importer is installed, /etc/importer/import.toml names the ledger, and the environment
has MOMENT_API_KEY_FILE and PGPASSWORD. What goes on by itself is tried again, and nothing is sent
twice; for anything else a person is needed, and a retry would change nothing.
"""

import subprocess

import dagster as dg

COMMAND = [
    "importer",
    "run",
    "/srv/exports/customers.csv",
    "--config",
    "/etc/importer/import.toml",
    "--live",
    "--log-format",
    "json",
]
AGAIN = (4, 75, 129, 137, 143)
"""Another run has the ledger; it goes on by itself; it was ended from outside."""


@dg.asset(pool="moment")
def moment_customers() -> None:
    """Every customer of tonight's file, in Moment."""
    code = subprocess.run(COMMAND, check=False).returncode
    if code < 0 or code in AGAIN:
        raise dg.RetryRequested(max_retries=12, seconds_to_wait=300)
    if code:
        raise dg.Failure(
            f"importer ended with exit code {code}: see docs/guide-3am.md", allow_retries=False
        )


nightly = dg.ScheduleDefinition(
    name="moment_customers_nightly",
    target=[moment_customers],
    cron_schedule="30 5 * * *",
    execution_timezone="Africa/Johannesburg",
)
defs = dg.Definitions(assets=[moment_customers], schedules=[nightly])
