"""A night on which one row in a hundred changed: time, requests and memory of the updates.

``python -m benchmarks.updates [--rows 1000000] [--every 100] [--policy source|if_untouched]``

The ledger is seeded with every row settled and confirmed, the second file has another balance in
every Nth row, and a small server in a process of its own answers GET and PATCH as Moment would. It
is a Python program and shares the machine: the figures are an upper bound of what a run costs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data import customers, write
from benchmarks.peers.payload import KEY
from benchmarks.process import ROOT, run
from importer.delivery.protocol.states import NEW, Done, Origin, Transition
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch, parts_of
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions

RUN = "20260101T000000Z-seeded"
PORT = 8977


def changed(rows: int, every: int) -> pl.LazyFrame:
    """The rows with another balance in every Nth one."""
    number = pl.col("external_reference").str.slice(5).cast(pl.Int64)
    another = pl.when(number % every == 1).then(pl.lit("77")).otherwise("balance")
    currency = pl.when(number % every == 1).then(pl.lit("ZAR")).otherwise("currency")
    return customers(rows).with_columns(balance=another, currency=currency)


def seed(file: Path, path: Path, base_url: str) -> None:
    """Settle every row, as if its 201 had shown every field."""
    account, now = Account(base_url, "test", "default"), time.time()
    with open_ledger(path, account) as ledger:
        ledger.begin_run(
            RUN,
            started_at=now,
            command="run",
            version="0",
            key_digest=ledger.key_digest(KEY),
            sources=["night.csv"],
            series="night.csv",
        )
        hashes = ledger.hasher()
        with open_source(str(file), 0, SourceOptions(), None) as source:
            columns = map_columns(source.layout, strict=False)
            for batch in source.batches():
                for part in parts_of(batch):
                    valid = judge_batch(part, columns).valid
                    changes = []
                    for reference, fingerprint, payload in valid.select(
                        "reference", "fingerprint", "payload"
                    ).iter_rows():
                        fields = hashes(reference, json.loads(payload))
                        done = Done(0, fingerprint, _id(reference), Origin.CREATED)
                        changes.append(Transition(reference, NEW, done, 201, fields, fields))
                    ledger.apply(changes, [], run_id=RUN, now=now)


def _id(reference: str) -> str:
    return "bcus_" + reference.removeprefix("CUST-")


async def serve(rows: int, every: int) -> None:
    """Answer GET and PATCH of the customers that change; count the requests, write them at end."""
    held: dict[str, dict[str, Any]] = {}
    number = pl.col("external_reference").str.slice(5).cast(pl.Int64)
    for row in customers(rows).filter(number % every == 1).collect().iter_rows(named=True):
        fields = {name: text for name, text in row.items() if text and "." not in name}
        if "balance" in fields:
            fields["balance"] = int(fields["balance"])
        keys = {name[9:]: text for name, text in row.items() if name.startswith("metadata.")}
        reference = row["external_reference"]
        held[_id(reference)] = {"id": _id(reference), **fields, "metadata": keys}
    counts = {"GET": 0, "PATCH": 0, "POST": 0}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target = head.split(" ", 2)[:2]
                length = 0
                for line in head.split("\r\n")[1:]:
                    if line.lower().startswith("content-length:"):
                        length = int(line.split(":", 1)[1])
                body = await reader.readexactly(length)
                counts[method] += 1
                customer = held[target.rsplit("/", 1)[1]]
                if method == "PATCH":
                    customer.update(json.loads(body))
                text = json.dumps(customer).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                    b"\r\n%b" % (len(text), text)
                )
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", PORT)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    server.close()
    print(json.dumps(counts), flush=True)


def measure(rows: int, every: int, policy: str) -> dict[str, Any]:
    """Seed, serve, run once; figures of the run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "before.csv", customers(rows))
        write(folder / "night.csv", changed(rows, every))
        url = f"http://127.0.0.1:{PORT}"
        seed(folder / "before.csv", folder / "ledger.db", url)
        command = [sys.executable, "-m", "benchmarks.updates", "--serve"]
        command += ["--rows", str(rows), "--every", str(every)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdout.readline()
            job = [sys.executable, "-m", "importer", "run", "night.csv", "--base-url", url]
            job += ["--ledger", "ledger.db", "--update", f"balance={policy},currency={policy}"]
            environment = {"MOMENT_API_KEY": KEY, "PYTHONPATH": str(ROOT)}
            cost = run(job, cwd=folder, environment=environment)
            server.stdin.write("\n")
            server.stdin.close()
            counts = json.loads(server.stdout.readline())
        summary = json.loads(next(folder.glob("results/*/summary.json")).read_text())
        return {
            "policy": policy,
            "wall_s": round(cost.wall, 1),
            "cpu_s": round(cost.cpu, 1),
            "peak_mb": round(cost.peak / 1e6),
            "requests": counts,
            "outcomes": summary["outcomes"],
            "seconds": summary["seconds"],
        }


def main() -> None:
    """One line of JSON for each policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--policy", choices=("source", "if_untouched"))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.rows, options.every))
        return
    for policy in [options.policy] if options.policy else ["source", "if_untouched"]:
        print(json.dumps(measure(options.rows, options.every, policy)), flush=True)


if __name__ == "__main__":
    main()
