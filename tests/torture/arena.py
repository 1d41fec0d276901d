"""The arena: one round's folder, sandbox and runs, and the checks that follow each of them."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from tests import plain_http
from tests.rehearsal.audit import audit, sandbox_customers
from tests.rehearsal.processes import export, start_run, start_sandbox
from tests.torture import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_RUN = 240.0
"""Seconds after which a run counts as hung."""
MOST_RUNS = 12
POLL = 0.0005
FINE = {0, 3, 75}
"""Exit codes of a run that was let end by itself, while something is broken."""
REPOSITORY = Path(__file__).resolve().parents[2]


class Skipped(Exception):
    """This machine cannot play the scenario."""


class Run:
    """One ``importer run`` process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.interrupted = False

    def logged(self, text: str) -> bool:
        """Whether the log holds this text so far."""
        return text.encode() in self.log.read_bytes()

    def until(self, happened: Callable[[], object], seconds: float = 60.0) -> bool:
        """Wait until something happened (True), or the process or the patience ended."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            if happened():
                return True
            time.sleep(POLL)
        return False

    def until_logged(self, text: str) -> bool:
        """Wait until the log holds this text; False if the process ended without it."""
        return self.until(lambda: self.logged(text)) or self.logged(text)

    def send(self, signum: signal.Signals) -> None:
        """Send a signal, if the process is there to get it."""
        self.interrupted = self.interrupted or signum is signal.SIGINT
        self.process.send_signal(signum)


class Arena:
    """One round of one scenario. ``violations`` fills up; nothing is raised for one."""

    def __init__(self, folder: Path, seed: str, *, rows: int, thorough: bool = False) -> None:
        self.rng = random.Random(seed)
        self.thorough = thorough
        """Whether there is time to wait for longer than the product's own timeouts."""
        self.folder = folder
        self.ledger = folder / "ledger.db"
        self.database = ""
        """The address of a ledger in PostgreSQL, in place of the file."""
        self.out = folder / "results"
        self.source = folder / "customers.csv"
        self.options: list[str] = []
        self.from_stdin = False
        self.base_url = ""
        self.sandbox_url = ""
        self.sandbox: subprocess.Popen[str] | None = None
        self.conflicts: set[str] = set()
        """Customers of which somebody else edited what the source changes."""
        self.violations: list[str] = []
        self.runs = self.kills = self.audits = 0
        self._sandbox_options: tuple[str, ...] = ()
        self._running: list[Run] = []
        self.stack = ExitStack()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        make_source(self.source, rows)
        self.references = [line.split(",")[0] for line in self.source.read_text().splitlines()[1:]]
        self.secrets = checks.Secrets.of(self.source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._running:
            run.process.kill()
            run.process.wait()
        self.kill_sandbox()
        self.stack.close()

    # The sandbox ---------------------------------------------------------------------------------

    def open_sandbox(self, *options: str, group: int | None = None) -> None:
        """Start the sandbox; after ``kill_sandbox`` again at the same address."""
        port = int(self.sandbox_url.rpartition(":")[2] or 0)
        self._sandbox_options = options or self._sandbox_options
        self.sandbox, url = start_sandbox(*self._sandbox_options, port=port, group=group)
        self.sandbox_url = url
        self.base_url = self.base_url or url

    def kill_sandbox(self) -> None:
        """Kill -9 the sandbox."""
        if self.sandbox is not None:
            self.sandbox.kill()
            self.sandbox.communicate()
            self.sandbox = None

    def tell_sandbox(self, what: str, **body: Any) -> None:
        """Set faults or the clock of the running sandbox."""
        url = f"{self.sandbox_url}/_sandbox/{what}"
        plain_http.post(url, json=body, timeout=30).raise_for_status()

    def state(self) -> dict[str, Any]:
        """The sandbox's counts."""
        answer: dict[str, Any] = plain_http.get(
            f"{self.sandbox_url}/_sandbox/state", timeout=30
        ).json()
        return answer

    def under_way(self, run: Run, share: float) -> bool:
        """Wait until this share of the rows is in the sandbox; False if the run ended before."""
        wanted = len(self.references) * share

        def reached() -> bool:
            time.sleep(0.01)
            return bool(self.state()["customers"] >= wanted)

        return run.until(reached)

    # Runs ----------------------------------------------------------------------------------------

    def start(
        self,
        *options: str,
        stdin: IO[bytes] | int | None = None,
        output: IO[bytes] | None = None,
        group: int | None = None,
    ) -> Run:
        """Start the command; it is the same in every run of a round, but for ``options``."""
        self.runs += 1
        log = f"run-{self.runs}.log"
        source = "-" if stdin is not None else self.source
        where = ("--ledger", self.database or str(self.ledger), "--out", str(self.out))
        process = start_run(
            self.base_url,
            source,
            self.folder,
            *where,
            *self.options,
            *options,
            log=log,
            stdin=stdin,
            output=output,
            group=group,
        )
        run = Run(process, self.folder / log)
        self._running.append(run)
        return run

    def end(self, run: Run, expected: Iterable[int], *, within: float = LONGEST_RUN) -> int:
        """Wait for the end of a run and check what it leaves; its exit code."""
        began = time.monotonic()
        try:
            code = run.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.violate(f"{run.log.name}: still running after {within:.0f} s")
            run.process.kill()
            code = run.process.wait()
        else:
            if code not in set(expected):
                took = time.monotonic() - began
                self.violate(f"{run.log.name}: exit {code} after {took:.1f} s: {_last(run.log)}")
        self._running.remove(run)
        self.inspect(run)
        return code

    def kill(self, run: Run) -> None:
        """Kill -9, and check what is left."""
        run.process.kill()
        self.kills += 1
        self.end(run, {-signal.SIGKILL, *FINE, *({1} if self.conflicts else ())})

    def inspect(self, run: Run) -> None:
        """Check logs, modes and published results after any end."""
        self.violations += checks.traceback_in(run.log, interrupted=run.interrupted)
        self.violations += self.secrets.found_in(run.log)
        self.violations += checks.open_modes(self.ledger, self.out)
        self.violations += checks.half_results(
            self.out, None if self.from_stdin else self.references
        )
        for side in ("", "-wal"):
            path = self.ledger.with_name(self.ledger.name + side)
            self.violations += self.secrets.found_in(path)

    def settle(self, fine: Iterable[int] = FINE) -> None:
        """The same command again until it says 0 (1 where there are conflicts), then the audit."""
        for _ in range(MOST_RUNS):
            with self.source.open("rb") as whole:
                run = self.start(stdin=whole if self.from_stdin else None)
                code = self.end(run, fine)
                if code == 0 or (code == 1 and self.conflicts and not self._unsettled()):
                    break
        else:
            self.violate(f"not settled after {MOST_RUNS} runs")
        self.audit()

    def audit(self) -> None:
        """Input = sandbox = ledger = results, each created once, nothing left behind."""
        self.audits += 1
        ids = export(self.folder, self.database or self.ledger)
        found = audit(set(self.references), self.sandbox_url, ids)
        self.violations += found.faults
        self.violations += checks.leftovers(self.out)
        held = {ref: one for ref, (one, _) in sandbox_customers(self.sandbox_url).items()}
        folders = checks.published(self.out)
        if not folders:
            self.violate("no results were published")
            return
        self.violations += checks.unsettled_results(folders[-1], held, self.conflicts)
        self.violations += self.secrets.found_in(folders[-1] / "results.csv")
        self.violations += self.secrets.found_in(folders[-1] / "summary.json")
        if defects := self.state()["defects"]:
            self.violate(f"the sandbox itself failed: {defects}")

    def nothing_sent(self) -> None:
        """Check that not one request reached the sandbox."""
        if requests := self.state()["requests"]:
            self.violate(f"requests were sent: {requests}")

    def quiet_night(self) -> None:
        """The same command once more: not one request, and no row that is news."""
        before = self.state()["requests"]
        run = self.start()
        self.end(run, {1 if self.conflicts else 0})
        if (after := self.state()["requests"]) != before:
            self.violate(f"a quiet night sent requests: {before} before, {after} after")
        for row in checks.results(checks.published(self.out)[-1]):
            reference = row["external_reference"]
            if row["outcome"] != ("conflict" if reference in self.conflicts else "unchanged"):
                self.violate(f"a quiet night says {row['outcome']} of {reference}")

    def _unsettled(self) -> bool:
        folders = checks.published(self.out)
        return any(row["outcome"] == "unsettled" for row in checks.results(folders[-1]))

    def violate(self, text: str) -> None:
        """Note that something did not hold."""
        self.violations.append(text)

    def expect(self, run: Run, *texts: str) -> None:
        """Check that a run's output names all of these."""
        for text in texts:
            if not run.logged(text):
                self.violate(f"{run.log.name} does not say {text!r}: {_last(run.log)}")


def make_source(path: Path, rows: int) -> None:
    """A clean CSV with this many customers, from the sample generator."""
    most = 20_000
    whole = path.parents[1] / "whole" / "customers.csv"
    if not whole.exists():
        generate = [sys.executable, str(REPOSITORY / "sample_data/generate.py"), str(whole.parent)]
        subprocess.run([*generate, "--rows", str(most)], check=True)
    with whole.open(encoding="utf-8") as file:
        lines = [line for _, line in zip(range(rows + 1), file, strict=False)]
    path.write_text("".join(lines), encoding="utf-8")


def _last(log: Path) -> str:
    lines: list[str] = []
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "(nothing was logged)"
