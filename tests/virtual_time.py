"""asyncio in virtual time: the clock jumps on whenever everybody waits, so waiting costs nothing.

Every figure is exact and the same on any machine: asyncio runs what is ready in order. Nothing
outside can wake such a loop, so it is for code without sockets and threads.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run an async function in virtual time, which begins at 0.

    Raises:
        RuntimeError: everybody waits for ever.
    """
    return anyio.run(main, backend="asyncio", backend_options={"loop_factory": _Loop})


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self._virtual

    def jump(self, seconds: float) -> None:
        self._virtual += seconds


class _Jump(selectors.SelectSelector):
    """Where a loop would wait for the outside, time passes."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self._loop.jump(timeout)
        return []
