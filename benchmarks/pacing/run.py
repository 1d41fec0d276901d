"""Does the pacing find an unknown rate limit? Real time, real loopback sockets, two processes.

``python benchmarks/pacing/run.py --table --json OUT [--seconds 20] [--client raw|httpx]``

The server (``server.py``) is a token bucket in a process of its own. What is measured is the gate:
``--limiter simple`` measures simple_rate.py in the place of the product's rate_limit.py.
``--client raw`` (the default) sends over plain asyncio streams, one connection a worker, so that
1,000 requests/s do not measure an HTTP library; ``--client httpx`` uses the product's transport.
Figures count after 5 s. Where a 429 brings ``Retry-After: 1`` each one costs a second by order of
the server, so those scenarios run three times as long. Targets: 97 % of the allowed rate, at most
1 % of the answers 429.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.pacing import simple_rate  # noqa: E402
from importer.delivery.http.network import AsyncioTransport  # noqa: E402
from importer.delivery.pacing import pace, rate_limit  # noqa: E402
from importer.delivery.pacing.gate import Gate  # noqa: E402 - runs from a plain checkout too
from importer.delivery.pacing.pace import PaceSettings  # noqa: E402
from importer.delivery.pacing.server_hints import parse, retry_after  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Send = Callable[[], Awaitable[tuple[int, dict[str, str]]]]

WARM_UP = 5.0
TIMEOUT = 5.0


@dataclass(frozen=True)
class Scenario:
    """Rate in requests/s (0: unlimited), latency in seconds."""

    rate: float
    latency: float
    flags: str = "none"
    burst: float = 1.0
    later: float = 0.0
    after: float = float("inf")

    @property
    def in_flight(self) -> int:
        """Twice what the rate needs, at least the default of ``--concurrency``."""
        return max(32, int(self.rate * self.latency * 2))


@dataclass(frozen=True)
class Result:
    """What came of one scenario, after the warm-up."""

    scenario: str
    share_of_allowed: float
    share_429: float
    timeouts: int
    cpu_share: float


SCENARIOS = [
    *(Scenario(rate, latency) for rate in (50, 200, 1000) for latency in (0.02, 0.1)),
    *(Scenario(rate, 0.1, "retry-after") for rate in (50, 200, 1000)),
    *(Scenario(rate, 0.1, "hints") for rate in (50, 200, 1000)),
    Scenario(0, 0.02, later=0.4, after=WARM_UP),
]


async def raw(port: int) -> Send:
    """A connection over plain streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> tuple[int, dict[str, str]]:
        writer.write(b"POST /billing/customers HTTP/1.1\r\nHost: loopback\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        await reader.readexactly(int(headers["Content-Length"]))
        return int(head[0].split()[1]), headers

    return send


def over_httpx(port: int, transport: AsyncioTransport) -> Send:
    """The product's transport."""
    url = httpx.URL(f"http://127.0.0.1:{port}/billing/customers")

    async def send() -> tuple[int, dict[str, str]]:
        response = await transport.handle_async_request(httpx.Request("POST", url))
        async for _ in response.aiter_raw():
            pass
        await response.aclose()
        return response.status_code, dict(response.headers)

    return send


async def drive(scenario: Scenario, port: int, seconds: float, client: str) -> Result:
    """Send as fast as the gate allows, for this long."""
    gate = Gate(PaceSettings(max_in_flight=scenario.in_flight))
    answers: list[tuple[float, str]] = []
    transport = AsyncioTransport()
    begin, cpu = time.monotonic(), time.process_time()

    async def worker() -> None:
        send = await raw(port) if client == "raw" else over_httpx(port, transport)
        while True:
            sent = await gate.enter()
            try:
                async with asyncio.timeout(TIMEOUT):
                    status, headers = await send()
            except TimeoutError:
                gate.leave("lost", sent)
                answers.append((time.monotonic() - begin, "lost"))
                send = await raw(port) if client == "raw" else send
                continue
            kind = "throttled" if status == 429 else "ok"
            lowered = {name.lower(): value for name, value in headers.items()}
            wait = retry_after(lowered.get("retry-after"), time.time())
            gate.leave(kind, sent, retry_after=wait, hint=parse(headers))
            answers.append((time.monotonic() - begin, kind))

    tasks = [asyncio.create_task(worker()) for _ in range(scenario.in_flight)]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await transport.aclose()
    for task in done:
        task.result()
    kinds = [kind for at, kind in answers if WARM_UP <= at < seconds]
    passed = kinds.count("ok")
    allowed = scenario.rate or scenario.in_flight / scenario.later
    return Result(
        name(scenario),
        round(passed / allowed / (seconds - WARM_UP), 4),
        round(kinds.count("throttled") / max(1, len(kinds)), 4),
        kinds.count("lost"),
        round((time.process_time() - cpu) / seconds, 2),
    )


def name(scenario: Scenario) -> str:
    """One scenario in words."""
    if not scenario.rate:
        return f"no limit, {scenario.latency * 1000:.0f} -> {scenario.later * 1000:.0f} ms"
    told = {"none": "silent", "hints": "RateLimit", "retry-after": "Retry-After"}[scenario.flags]
    return f"{scenario.rate:.0f}/s, {scenario.latency * 1000:.0f} ms, {told}"


def measure(scenario: Scenario, seconds: float, client: str) -> Result:
    """Start the server, drive it, end it."""
    s = scenario
    words = [s.rate, max(1, s.rate * s.burst), s.latency, s.later, s.after, s.flags]
    command = [sys.executable, "-m", "benchmarks.pacing.server", *map(str, words)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            return asyncio.run(drive(scenario, int(server.stdout.readline()), seconds, client))
        finally:
            server.terminate()


def main() -> int:
    """Run all scenarios; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--table", action="store_true", help="print them as a table")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each scenario")
    parser.add_argument("--client", choices=("raw", "httpx"), default="raw")
    parser.add_argument("--limiter", choices=("ours", "simple"), default="ours")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args()
    if options.limiter == "simple":
        pace.rates = simple_rate  # type: ignore[attr-defined]
        pace.Pace.__new__.__defaults__ = tuple(
            simple_rate.Rate() if isinstance(one, rate_limit.Rate) else one
            for one in pace.Pace.__new__.__defaults__ or ()
        )
    results = []
    if options.table:
        print(f"{'scenario':34}{'of allowed':>11}{'429':>8}{'timeouts':>10}{'CPU':>6}")
    chosen = [one for one in SCENARIOS if options.only in name(one)]
    for scenario in chosen:
        long = 3 if scenario.flags == "retry-after" else 1
        found = measure(scenario, options.seconds * long, options.client)
        results.append(found)
        if options.table:
            print(
                f"{found.scenario:34}{found.share_of_allowed:>11.1%}{found.share_429:>8.2%}"
                f"{found.timeouts:>10}{found.cpu_share:>6.0%}",
                flush=True,
            )
    if options.json:
        figures = {
            "seconds": options.seconds,
            "warm_up": WARM_UP,
            "client": options.client,
            "results": [asdict(found) for found in results],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    met = all(
        found.share_of_allowed >= (0.97 if scenario.rate else 0.8)
        and found.share_429 <= 0.01
        and not found.timeouts
        for scenario, found in zip(chosen, results, strict=True)
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
