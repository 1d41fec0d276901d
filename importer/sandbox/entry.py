"""The public calls; they import the optional stack only when one of them is used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.errors import UsageError, to_install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from importer.sandbox.config import SandboxConfig
    from importer.sandbox.sandbox_app import Sandbox

LOOPBACK = "127.0.0.1"


def create_app(config: SandboxConfig) -> Sandbox:
    """Build the sandbox as an ASGI 3 application.

    Connection faults need the server of ``serve`` or ``running``; under any other server the
    application raises ``ConnectionResetError`` instead.

    Raises:
        UsageError: a setting or the data file is wrong, or the extra is not installed.
    """
    try:
        from importer.sandbox.sandbox_app import Sandbox  # noqa: PLC0415 - optional extra
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return Sandbox(config)


def serve(
    config: SandboxConfig,
    host: str = LOOPBACK,
    port: int = 0,
    *,
    ready: Callable[[str], None] | None = None,
    allow_remote: bool = False,
) -> None:
    """Run the sandbox until SIGINT or SIGTERM, then finish what is in flight and return.

    Args:
        config: the settings.
        host: a loopback address or ``localhost``; others only with ``allow_remote``.
        port: a TCP port; 0 takes any free one.
        ready: called once with the base URL when requests are accepted. Nothing is printed here.
        allow_remote: accept a host that other machines can reach.

    Raises:
        UsageError: host, port, a setting or the data file is wrong, or the extra is missing.
    """
    _server().serve(config, host, port, ready=ready, allow_remote=allow_remote)


@contextmanager
def running(config: SandboxConfig, *, port: int = 0) -> Iterator[str]:
    """Run the sandbox in a thread on loopback; yields the base URL, stops at the end of the block.

    Raises:
        UsageError: as ``serve``.
    """
    with _server().running(config, LOOPBACK, port) as base_url:
        yield base_url


def _server() -> ModuleType:
    try:
        from importer.sandbox import server  # noqa: PLC0415 - optional extra
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return server


def _missing(error: ModuleNotFoundError) -> UsageError:
    if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn", "jsonschema"}:
        raise error
    return UsageError(
        f"the sandbox needs the package {error.name}, which is not installed",
        hint=to_install("sandbox"),
    )
