"""The third script: httpx.AsyncClient, asyncio.gather, a semaphore; no ledger, no checks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from benchmarks.peers.payload import KEY, arguments, headers, payloads


async def main() -> None:
    """Post every row; the first failure ends the script."""
    path, url, in_flight = arguments()
    semaphore = asyncio.Semaphore(in_flight)
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    authorisation = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(limits=limits, headers=authorisation, timeout=30) as client:

        async def post(body: dict[str, Any]) -> str:
            async with semaphore:
                answer = await client.post(url, json=body, headers=headers(body))
            answer.raise_for_status()
            return str(answer.json()["id"])

        await asyncio.gather(*(post(body) for body in payloads(path)))


if __name__ == "__main__":
    asyncio.run(main())
