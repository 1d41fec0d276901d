"""A CSV as lines for xargs: the idempotency key, then the body, by turns."""

from __future__ import annotations

import json
import sys

from benchmarks.peers.payload import arguments, headers, payloads

for body in payloads(arguments()[0]):
    sys.stdout.write(f"{headers(body)['Idempotency-Key']}\n{json.dumps(body)}\n")
