"""The first script that people write: one requests session, one row after the other."""

from __future__ import annotations

import requests

from benchmarks.peers.payload import KEY, arguments, headers, payloads


def main() -> None:
    """Post every row; the first failure ends the script."""
    path, url, _ = arguments()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {KEY}"
        for body in payloads(path):
            answer = session.post(url, json=body, headers=headers(body), timeout=30)
            answer.raise_for_status()
            answer.json()["id"]


if __name__ == "__main__":
    main()
