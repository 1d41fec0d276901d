"""The second script: a thread pool, one requests session a thread (a session is not shared)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from benchmarks.peers.payload import KEY, arguments, headers, payloads

_LOCAL = threading.local()


def session() -> requests.Session:
    """The session of this thread."""
    if not hasattr(_LOCAL, "session"):
        _LOCAL.session = requests.Session()
        _LOCAL.session.headers["Authorization"] = f"Bearer {KEY}"
    found: requests.Session = _LOCAL.session
    return found


def main() -> None:
    """Post every row; the first failure ends the script."""
    path, url, in_flight = arguments()

    def post(body: dict[str, Any]) -> str:
        answer = session().post(url, json=body, headers=headers(body), timeout=30)
        answer.raise_for_status()
        return str(answer.json()["id"])

    with ThreadPoolExecutor(in_flight) as pool:
        for _ in pool.map(post, payloads(path)):
            pass


if __name__ == "__main__":
    main()
