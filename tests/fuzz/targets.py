"""What is fuzzed, and one round of it. Apart from the program, so that processes can import it."""

from __future__ import annotations

import faulthandler
import traceback
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests import plain_http
from tests.fuzz.bulk import judge_many
from tests.fuzz.contract import REQUESTS, conforms
from tests.fuzz.inputs import (
    COMPRESSED,
    CSV_BYTES,
    ENCODED,
    JSON_LINES,
    PARQUET_BYTES,
    XLSX_BYTES,
    read_all,
)
from tests.fuzz.records import CELLS, PAYLOAD, judge, judge_payload
from tests.fuzz.wire import WIRE, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    Target = tuple[SearchStrategy[Any], Callable[..., object], int]

HANGS_AFTER = 120
"""Seconds; a round takes a few."""
SANDBOX = "sandbox contract"


TARGETS: dict[str, Target] = {
    "csv": (CSV_BYTES, read_all, 500),
    "gzip and zstd": (COMPRESSED, read_all, 300),
    "encodings": (ENCODED, read_all, 300),
    "json lines": (JSON_LINES, read_all, 500),
    "excel": (XLSX_BYTES, read_all, 300),
    "parquet": (PARQUET_BYTES, read_all, 20),
    "records": (CELLS, judge, 500),
    "whole batches": (st.integers(0, 2**64), judge_many, 20),
    "payloads": (PAYLOAD, judge_payload, 500),
    "answers, asyncio": (WIRE, partial(ask, "asyncio"), 300),
    "answers, httpx": (WIRE, partial(ask, "httpx"), 300),
    SANDBOX: (REQUESTS, conforms, 500),
}
"""What is fuzzed: inputs, the property, inputs a round."""


def round_of(name: str, number: int) -> tuple[str, int, str]:
    """One round of a target from one seed: its name, the inputs tried, and the failure in words."""
    strategy, holds, inputs = TARGETS[name]
    tried = 0
    stack = ExitStack()
    if name == SANDBOX:
        base_url = stack.enter_context(running(SandboxConfig(faults="stored500=0.05,503=0.05")))
        http = stack.enter_context(plain_http.Client(base_url=base_url))
        holds = partial(conforms, http)

    @seed(number)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def target(value: Any) -> None:
        nonlocal tried
        records = holds(value)
        # A batch holds many inputs, and says how many.
        tried += records if isinstance(records, int) else 1

    # A hang is a failure too: it prints where, and ends the process and so the campaign.
    faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
    try:
        with stack:
            target()
    except Exception as error:  # noqa: BLE001 - a failure is the result
        return name, tried, "".join(traceback.format_exception(error))
    finally:
        faulthandler.cancel_dump_traceback_later()
    return name, tried, ""
