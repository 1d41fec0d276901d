"""An asset for Dagster: one file a night, one ledger in PostgreSQL.

Where it runs, importer is installed, /etc/importer/import.toml names the ledger, and the
environment has MOMENT_API_KEY_FILE and PGPASSWORD. What goes on by itself is tried again, and
nothing is sent twice; for anything else a person is needed, and a retry would change nothing.
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
GOES_ON = {75, 4}
"""Only what passes is in the way, or a run that died has its lease still."""
SIGNALS = 128
"""Exit codes above it, and below 0, are those of a process that was ended."""


@dg.asset(pool="moment")
def moment_customers() -> None:
    """Every customer of tonight's file, in Moment."""
    code = subprocess.run(COMMAND, check=False).returncode  # noqa: S603 - nothing of it is anybody's
    if code in GOES_ON or not 0 <= code <= SIGNALS:
        raise dg.RetryRequested(max_retries=12, seconds_to_wait=300)
    if code:
        raise dg.Failure(
            f"a person is needed: exit code {code}, see errors.csv", allow_retries=False
        )


nightly = dg.ScheduleDefinition(
    name="moment_customers_nightly",
    target=[moment_customers],
    cron_schedule="30 5 * * *",
    execution_timezone="Africa/Johannesburg",
)
defs = dg.Definitions(assets=[moment_customers], schedules=[nightly])
