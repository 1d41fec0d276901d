"""Who is told of a run, and ``importer notify test``.

What a run tells is known step by step: first the addresses, later what it is to do. It is told when
the process ends, whatever ended it, also where not even the settings could be read.
"""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from importer.cli.settings import SECRETS, secret_of
from importer.errors import UsageError, to_install
from importer.job.courier import Courier, Message, Ping
from importer.job.job_settings import OutwardSettings
from importer.job.run_news import RunNews, masked, ping_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.errors import ImporterError


def begin(
    outward: OutwardSettings,
    sources: Sequence[str],
    begun: RunNews | None,
    bundle: Path | None,
) -> RunNews:
    """Tell that a run begins, unless that was told; ``bundle`` are the authorities to trust.

    Raises:
        UsageError: an address is given, and what sends to it is not installed.
    """
    from importer.source.remote import shown_source  # noqa: PLC0415 - needs polars

    if outward.notify and not has_apprise():
        raise UsageError("alerts need Apprise", hint=to_install("notify"))
    news = begun or RunNews(outward)
    news.settings, news.bundle = outward, bundle
    news.sources = [shown_source(one) for one in sources]
    return news if begun else news.start()


def has_apprise() -> bool:
    """Whether the extra is installed; nothing of it is loaded."""
    return find_spec("apprise") is not None


def tell_refused(exit_code: int, error: ImporterError | None, arguments: Sequence[str]) -> None:
    """Tell of a run whose settings could not be read, whoever can be found all the same."""
    if not {"--dry-run", "--help"} & {*arguments}:
        news = RunNews(_found(arguments))
        if not news.settings.is_silent:
            news.start().end(exit_code, error)


def _found(arguments: Sequence[str]) -> OutwardSettings:
    """The addresses, each by itself: in the environment, or in what is readable of the file."""
    document: dict[str, object] = {}
    with suppress(OSError, ValueError):
        document = tomllib.loads(Path(_value_of("--config", arguments)).read_text("utf-8-sig"))
    section = document.get("notify")
    values = {}
    for one in SECRETS:
        with suppress(UsageError):
            values[one.name] = secret_of(one, os.environ, None).value
        given = section.get(one.in_section) if isinstance(section, dict) else None
        if values.get(one.name) is None and given is not None:
            with suppress(UsageError):
                values[one.name] = one.value_of(given)
    found = {name: value for name, value in values.items() if value}
    if not has_apprise():
        found.pop("notify", None)
    return OutwardSettings(**found)


def _value_of(flag: str, arguments: Sequence[str]) -> str:
    for number, one in enumerate(arguments):
        if one == flag:
            return "".join(arguments[number + 1 : number + 2])
        if one.startswith(f"{flag}="):
            return one.partition("=")[2]
    return ""


_TITLE = "importer: test message"
_BODY = (
    "If you read this, alerts of importer arrive here. They tell of a run that failed, that failed"
    " in another way, or that is ok again."
)


def send_test(settings: OutwardSettings, bundle: Path | None = None) -> bool:
    """Tell every service and the switch that this is a test; print which worked. Whether all did.

    Args:
        settings: whom to tell.
        bundle: the authorities to trust; None for those of the environment.

    Raises:
        UsageError: nobody is to be told anything.
    """
    if not settings.notify and not settings.ping_url:
        raise UsageError(
            "there is nobody to be told",
            hint="urls or ping_url under [notify] of the mapping file (--config), or"
            " IMPORTER_NOTIFY(_FILE), IMPORTER_PING_URL(_FILE); see docs/alerts.md",
        )
    if settings.notify and not has_apprise():
        raise UsageError("alerts need Apprise", hint=to_install("notify"))
    errands: list[Message | Ping] = [Message(one, _TITLE, _BODY, "info") for one in settings.notify]
    if settings.ping_url:
        # /log changes nothing: a success would say that a run went well.
        errands.append(Ping(ping_url(settings.ping_url, "log"), _BODY))
    whys = Courier(errands, settings.notify_timeout, bundle=bundle).wait()
    console = Console(highlight=False)
    for errand, why in zip(errands, whys, strict=True):
        base = errand.url if isinstance(errand, Message) else settings.ping_url
        what = "message" if isinstance(errand, Message) else "ping"
        told = f"[red]failed[/]: {escape(why)}" if why else "[green]worked[/]"
        console.print(f"{what:<8} {escape(masked(base))}  {told}", soft_wrap=True)
    return not any(whys)
