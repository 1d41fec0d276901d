"""A ledger in PostgreSQL: who may write, and which servers, schemas and users are taken."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from importer.errors import ExitCode, LedgerFailed, LedgerInUse, UsageError
from importer.ledger.account import Account
from importer.ledger.address import LedgerAddress
from importer.ledger.interface import LeaseLost, OlderLedger, Share
from importer.ledger.opening import hold, joined, open_ledger, read_accounts
from importer.ledger.postgres import account_lease, schema
from importer.ledger.postgres.account_lease import AccountLease
from importer.ledger.postgres.postgres_connection import (
    failed,
    not_reached,
    open_postgres,
    refuse_server,
)
from tests.ledger.samples import ACCOUNT, SENT, attempt, done, sent
from tests.postgres_server import PASSWORD, ROLE, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def lease_of(
    address: LedgerAddress,
    run_id: str,
    *,
    share: Share | None = None,
    seconds: float = 45,
    renew_every: float = 100,
) -> AccountLease:
    """A lease that nobody renews in time, unless it is said otherwise."""
    return AccountLease(
        address,
        ACCOUNT,
        run_id=run_id,
        started_at=0,
        share=share,
        seconds=seconds,
        renew_every=renew_every,
    )


@contextmanager
def taken(address: LedgerAddress, run_id: str) -> Iterator[None]:
    """Holds the lease, as soon as whoever has it lets it end."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lease_of(address, run_id))
                break
            except LedgerInUse:
                time.sleep(0.02)
        yield


# Leases -------------------------------------------------------------------------------------------


def test_one_run_at_a_time(postgres_address: LedgerAddress) -> None:
    """A second run is told which run has the account, where, and when its lease ends; exit 4."""
    with lease_of(postgres_address, "the-first"):
        with pytest.raises(LedgerInUse) as caught, lease_of(postgres_address, "the-second"):
            pass
        assert caught.value.exit_code == ExitCode.LEDGER_IN_USE
        for words in (
            "run the-first (process ",
            "its lease ends at 20",
            "s, unless that run renews",
        ):
            assert words in caught.value.message
        other = Account(ACCOUNT.base_url, "live")
        with hold(postgres_address, other, run_id="the-third", started_at=0):
            pass  # Another account is nobody's business.
    with lease_of(postgres_address, "the-fourth"):
        pass  # It was given back.


def test_a_killed_run_keeps_others_away_for_a_minute_at_most() -> None:
    """A lease lives shorter than that, and is renewed several times meanwhile."""
    assert account_lease.SECONDS <= 60
    assert account_lease.RENEW_EVERY * 3 < account_lease.SECONDS


@pytest.mark.parametrize("somebody_came", [True, False])
def test_who_slept_past_its_lease_writes_nothing_more(
    postgres_address: LedgerAddress, *, somebody_came: bool
) -> None:
    """Neither after another run has come, nor before: exit 4, and the results are owed still."""
    slept = lease_of(postgres_address, "slept")
    with (
        slept,
        open_ledger(postgres_address, ACCOUNT, lease=slept) as ledger,
        ExitStack() as after,
    ):
        ledger.apply([sent("A")], [], run_id="slept", now=1.0)
        with open_postgres(postgres_address) as other:
            other.read("UPDATE lease SET expires = clock_timestamp() RETURNING 1")
        if somebody_came:
            after.enter_context(taken(postgres_address, "after"))
        for write in (
            lambda: ledger.apply([done("A")], [attempt("A")], run_id="slept", now=2.0),
            lambda: ledger.end_run("slept", ended_at=3.0, exit_code=0),
            lambda: ledger.forget_attempts(9.0),
        ):
            with pytest.raises(LeaseLost) as caught:
                write()
            assert caught.value.exit_code == ExitCode.LEDGER_IN_USE
            assert caught.value.reason == "lease_lost"
        assert ledger.states(["A"]) == {"A": SENT}
        assert ledger.runs(1)[0].ended_at is None


def test_without_its_number_a_sleeper_writes(postgres_address: LedgerAddress) -> None:
    """The checks above notice a ledger that does not ask for the lease."""
    slept = lease_of(postgres_address, "slept", seconds=0.2)
    with slept, open_ledger(postgres_address, ACCOUNT, lease=joined(0)) as ledger:
        ledger.apply([sent("A")], [], run_id="slept", now=1.0)
        with taken(postgres_address, "after"):
            pass
        assert ledger.apply([done("A")], [], run_id="slept", now=2.0) == [None]


def test_a_lease_ends_only_between_two_writes(postgres_address: LedgerAddress) -> None:
    """Who comes next waits for a write that was begun in time; it is not torn in two."""
    slow = lease_of(postgres_address, "slow", seconds=0.5)
    with slow, open_ledger(postgres_address, ACCOUNT, lease=slow) as ledger:
        order: list[str] = []

        def come() -> None:
            with taken(postgres_address, "after"):
                order.append("taken")

        coming = threading.Thread(target=come)

        def work(db: object) -> None:
            del db
            coming.start()
            with open_postgres(postgres_address, read_only=True) as other:
                waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'"
                while not other.read(waiting):
                    time.sleep(0.01)
            order.append("written")

        ledger._db.transact(work)
        coming.join()
        assert order == ["written", "taken"]


def test_a_lease_is_renewed_while_its_run_lives(postgres_address: LedgerAddress) -> None:
    """Beside whatever the run does, and through the loss of the connection."""
    with (
        lease_of(postgres_address, "lives", seconds=1.0, renew_every=0.1) as lease,
        open_ledger(postgres_address, ACCOUNT, lease=lease) as ledger,
        open_postgres(postgres_address) as other,
    ):
        sql = "SELECT extract(epoch FROM renewed_at - taken_at)::float8 FROM lease"
        cut = False
        while (kept := other.read(sql)[0][0]) < 1.5:
            if kept > 0.5 and not cut:
                mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE ?"
                other.read(mine, ("%UPDATE lease SET renewed_at%",))
                cut = True
            time.sleep(0.02)
        lease.check()
        assert ledger.apply([sent("A")], [], run_id="lives", now=1.0) == [None]


def test_shards_of_one_job_hold_an_account_together(postgres_address: LedgerAddress) -> None:
    """Each index once; no other job, and no whole run, comes between."""
    with lease_of(postgres_address, "a", share=Share("job", 1, 2)) as one:
        with pytest.raises(LedgerInUse, match="run a "):
            lease_of(postgres_address, "b", share=Share("job", 1, 2)).__enter__()
        with pytest.raises(LedgerInUse, match="run a "):
            lease_of(postgres_address, "b", share=Share("job", 2, 3)).__enter__()
        with pytest.raises(LedgerInUse, match="run a "):
            lease_of(postgres_address, "b", share=Share("other", 2, 2)).__enter__()
        with pytest.raises(LedgerInUse, match="run a "):
            lease_of(postgres_address, "b").__enter__()
        with (
            lease_of(postgres_address, "c", share=Share("job", 2, 2)) as two,
            open_ledger(postgres_address, ACCOUNT, lease=one) as mine,
            open_ledger(postgres_address, ACCOUNT, lease=two) as theirs,
        ):
            assert one.number != two.number
            mine.apply([sent("A")], [], run_id="a", now=1.0)
            theirs.apply([sent("B")], [], run_id="c", now=1.0)
        with pytest.raises(LedgerInUse):
            lease_of(postgres_address, "d").__enter__()
    with lease_of(postgres_address, "d"):
        pass


def test_a_worker_writes_as_long_as_its_run_has_the_lease(postgres_address: LedgerAddress) -> None:
    """It has the number alone; once the run has given the lease back, it writes nothing."""
    with lease_of(postgres_address, "run") as lease:
        number = lease.number
        with open_ledger(postgres_address, ACCOUNT, lease=joined(number)) as worker:
            assert worker.apply([sent("A")], [], run_id="run", now=1.0) == [None]
    with (
        open_ledger(postgres_address, ACCOUNT, lease=joined(number)) as worker,
        pytest.raises(LeaseLost),
    ):
        worker.apply([sent("B")], [], run_id="run", now=2.0)


# Writers at once ----------------------------------------------------------------------------------


def test_two_writers_that_meet_in_the_same_rows_agree(postgres_address: LedgerAddress) -> None:
    """Of each change one is applied and the other hears what is held; counters and history fit."""
    references = [f"R{number:03}" for number in range(60)]
    results: dict[str, list[object]] = {}
    ready = threading.Barrier(2)

    def work(name: str, order: int) -> None:
        with open_ledger(postgres_address, ACCOUNT) as ledger:
            ready.wait()
            for start in range(0, 60, 6):
                some = references[start : start + 6][::order]
                found = ledger.apply(
                    [sent(one) for one in some],
                    [attempt(one) for one in some],
                    run_id=name,
                    now=1.0,
                )
                results.setdefault(name, []).extend(found)
            results[name] += ledger.apply(
                [done(one, f"bcus_{name}") for one in references], [], run_id=name, now=2.0
            )

    open_ledger(postgres_address, ACCOUNT).close()
    workers = [threading.Thread(target=work, args=pair) for pair in (("one", 1), ("two", -1))]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    with open_ledger(postgres_address, ACCOUNT, read_only=True) as ledger:
        assert ledger.totals() == {"done": 60}
        mapped = {one.customer_id for one in ledger.mapping()}
        assert len(mapped) == 1
        # Equal changes are both taken; of the ids only one.
        settled = [results[name][60:].count(None) for name in ("one", "two")]
        assert sorted(settled) == [0, 60]
        for reference in references:
            history = ledger.history(reference)
            assert history is not None
            assert sum(one.event == "unknown" for one in history.entries) == 2
        assert (
            len(ledger.settled_by("one", references) | ledger.settled_by("two", references)) == 60
        )


# Servers, schemas and users -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "encoding", "commits", "words"),
    [
        (120022, "UTF8", "on", "PostgreSQL 12, which is too old"),
        (150000, "LATIN1", "on", "encoding LATIN1"),
        (180000, "UTF8", "off", "synchronous_commit = off"),
        (180000, "UTF8", "local", "synchronous_commit = local"),
    ],
)
def test_a_server_that_cannot_keep_the_promises_is_refused(
    version: int, encoding: str, commits: str, words: str
) -> None:
    """With its fix; a reader needs no durable commits."""
    address = LedgerAddress.parse("postgresql://h/d")
    with pytest.raises(UsageError) as caught:
        refuse_server(address, version, encoding, commits, read_only=False)
    assert words in caught.value.message
    assert caught.value.hint
    for fine in (130000, 180004):
        refuse_server(address, fine, "UTF8", "on", read_only=False)
        refuse_server(address, fine, "UTF8", "off", read_only=True)


def test_commits_that_are_not_durable_are_refused_at_the_start(
    postgres_server: PostgresServer,
) -> None:
    """A server, a role or a URL that says so is noticed before anything is written."""
    url = postgres_server.url(schema="lax", options="-csynchronous_commit=off")
    with pytest.raises(UsageError, match="synchronous_commit = off"):
        open_ledger(LedgerAddress.parse(url), ACCOUNT)


def test_a_schema_is_made_once_by_whoever_comes_first(postgres_address: LedgerAddress) -> None:
    """Several that open a new ledger at once all find it whole."""
    failures: list[BaseException] = []
    ready = threading.Barrier(4)

    def come() -> None:
        ready.wait()
        try:
            open_ledger(postgres_address, ACCOUNT).close()
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    workers = [threading.Thread(target=come) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failures == []
    with open_postgres(postgres_address, read_only=True) as db:
        assert db.read("SELECT steps FROM ledger_version") == [(len(schema.STEPS),)]
        assert len(db.read("SELECT value FROM salt")) == 1


def test_versions_of_the_schema(postgres_address: LedgerAddress) -> None:
    """A writer brings an older ledger up to date, a reader says so, and a newer one is refused."""
    with open_ledger(postgres_address, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
    with open_postgres(postgres_address) as db:
        for undone in (
            *("DROP TABLE rate", "DROP TABLE news", "ALTER TABLE run DROP COLUMN stopped_by"),
            *("ALTER TABLE run DROP COLUMN input", "DROP INDEX sync_shared"),
            "ALTER TABLE attempt DROP COLUMN request_id, DROP COLUMN seconds",
            "UPDATE ledger_version SET steps = 1",
        ):
            db.transact(lambda one, sql=undone: one.execute(sql))  # type: ignore[misc]
    with pytest.raises(OlderLedger, match="older importer"):
        open_ledger(postgres_address, ACCOUNT, read_only=True)
    with open_ledger(postgres_address, ACCOUNT) as ledger:
        assert ledger.states(["A"]) == {"A": SENT}
    with open_postgres(postgres_address) as db:
        assert db.read("SELECT count(*) FROM rate") == [(0,)]
        assert db.read("SELECT request_id FROM attempt WHERE false") == []
        db.read("UPDATE ledger_version SET steps = 99 RETURNING 1")
    for read_only in (True, False):
        with pytest.raises(UsageError, match="newer importer"):
            open_ledger(postgres_address, ACCOUNT, read_only=read_only)


def test_a_schema_with_other_tables_is_left_alone(
    postgres_server: PostgresServer, postgres_address: LedgerAddress
) -> None:
    """Somebody else's table of one name is not touched, and the message says what to do."""
    name = postgres_address.schema
    sql = f"CREATE SCHEMA {name} AUTHORIZATION {ROLE}; CREATE TABLE {name}.account (id INT)"
    with psycopg.connect(postgres_server.url(user="postgres"), autocommit=True) as db:
        db.execute(sql.encode())
        with pytest.raises(LedgerFailed, match="holds other tables") as caught:
            open_ledger(postgres_address, ACCOUNT)
        assert "?schema=" in caught.value.hint
        found = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [name])
        assert found.fetchall() == [("account",)]


def test_the_rights_of_the_documentation_are_enough(
    postgres_server: PostgresServer, postgres_address: LedgerAddress
) -> None:
    """The SQL of docs/ledger.md: one role makes the tables, one runs, one reads and no more."""
    text = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")
    sql = text.partition("```sql\n")[2].partition("```")[0]
    name = postgres_address.schema
    told = {"SCHEMA importer": f"SCHEMA {name}", "DATABASE billing": "DATABASE importer"}
    for old, new in told.items():
        assert old in sql
        sql = sql.replace(old, new)
    owner, runs, reads = (
        LedgerAddress.parse(postgres_server.url(user=user, schema=name))
        for user in ("importer_owner", "importer_runs", "importer_reads")
    )
    superuser = postgres_server.url(user="postgres")
    with psycopg.connect(superuser, autocommit=True) as db:
        db.execute(sql.encode())
    with pytest.raises(LedgerFailed, match="lacks a right"):
        open_ledger(runs, ACCOUNT)
    open_ledger(owner, ACCOUNT).close()
    with (
        hold(runs, ACCOUNT, run_id="r", started_at=0) as lease,
        open_ledger(runs, ACCOUNT, lease=lease) as ledger,
    ):
        ledger.apply([sent("A")], [attempt("A")], run_id="r", now=1.0)
        ledger.apply([done("A")], [], run_id="r", now=2.0)
        ledger.forget_attempts(9.0)
    assert read_accounts(reads) == [ACCOUNT]
    with open_ledger(reads, ACCOUNT, read_only=True) as ledger:
        assert ledger.totals() == {"done": 1}
    with pytest.raises(LedgerFailed, match="lacks a right"), open_ledger(reads, ACCOUNT) as ledger:
        ledger.apply([sent("B")], [], run_id="r", now=1.0)


@pytest.mark.parametrize(
    ("user", "database", "words"),
    [
        (ROLE, "importer", "password authentication failed"),
        ("nobody_here", "importer", "password authentication failed"),
    ],
)
def test_what_the_server_refuses_is_a_setting(
    postgres_server: PostgresServer, user: str, database: str, words: str
) -> None:
    """A wrong password, user or database is exit code 2, and nothing of a password is shown."""
    url = postgres_server.url(database, user=user, tcp=True).replace("@", ":wrong-hush@")
    with pytest.raises(UsageError) as caught:
        open_ledger(LedgerAddress.parse(url), ACCOUNT)
    assert words in caught.value.message
    assert "hush" not in caught.value.message + caught.value.hint + repr(caught.value.__context__)


def test_a_password_is_in_no_process_title(
    postgres_server: PostgresServer, postgres_address: LedgerAddress
) -> None:
    """Neither ours nor the server's, nor what the server shows of its sessions."""
    url = postgres_server.url(tcp=True).replace("@", f":{PASSWORD}@")
    address = LedgerAddress.parse(f"{url}?schema={postgres_address.schema}")
    with open_ledger(address, ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r", now=1.0)
        shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
        assert PASSWORD.encode() not in shown
        sessions = postgres_server.execute("SELECT pg_stat_activity::text FROM pg_stat_activity")
        assert PASSWORD not in repr(sessions)


def test_without_the_driver_the_error_names_the_package(tmp_path: Path) -> None:
    """And a ledger in a file needs none of it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from importer.errors import UsageError\n"
        "from importer.ledger.account import Account\n"
        "from importer.ledger.address import LedgerAddress\n"
        "from importer.ledger.opening import open_ledger\n"
        "account = Account('https://api.example.com', 'test')\n"
        "open_ledger(Path(sys.argv[1]), account).close()\n"
        "try: open_ledger(LedgerAddress.parse('postgresql://h/d'), account)\n"
        "except UsageError as error: print(error.message, error.hint)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ledger.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install '.[postgres]'" in found.stdout


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        ("08006", True),
        ("57P01", True),
        ("53300", True),
        ("55P03", True),
        ("25006", False),
        ("53100", False),
        ("42501", False),
        ("57014", False),
        ("XX001", False),
    ],
)
def test_what_the_database_says_passes_by_itself_or_needs_a_person(
    code: str, *, passes: bool
) -> None:
    """Exit code 75 where its server is away, full of others or locked; else 3."""
    error = failed(LedgerAddress.parse("postgresql://host/db"), psycopg.errors.lookup(code)("x"))
    assert error.exit_code is (ExitCode.TEMPFAIL if passes else ExitCode.STOPPED)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("connection to server at 10.0.0.1, port 5432 failed: Connection refused", 75),
        ("connection timeout expired", 75),
        ("failed to resolve host 'db.example': Temporary failure in name resolution", 75),
        ("failed to resolve host 'db.example': [Errno -2] Name or service not known", 3),
        ("FATAL: password authentication failed for user x", 2),
        ('server certificate for "db" does not match host name "10.0.0.1"', 2),
        ('private key file "k" has group or world access', 2),
        ("SSL error: certificate verify failed", 2),
        ("SSL error: tlsv13 alert certificate required", 2),
        ("SSL error: unexpected eof while reading", 75),
    ],
)
def test_a_server_that_is_not_reached(said: str, code: int) -> None:
    """An outage passes; a name that nobody knows, and a wrong password, need a person."""
    error = not_reached(LedgerAddress.parse("postgresql://host/db"), psycopg.OperationalError(said))
    assert error.exit_code == code
    tls = "certificate verify" in said
    assert ("sslrootcert=FILE" in error.hint) is tls
