"""What one run was asked to do, and the one table of what a user can set.

A new setting is one field here. A field that is made with ``setting`` can be set by a user, any
other by the program alone. The command line, ``[run]`` in a mapping file, ``IMPORTER_...``
variables, ``importer config`` and the pages in docs/ follow from it. Modules that a parser needs
are loaded when a value is parsed.
"""

from __future__ import annotations

import os
import re
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from importer.base_url import DEFAULT_BASE_URL, check_base_url
from importer.delivery.stopping import PATIENCE
from importer.errors import UsageError
from importer.job.limit import (
    DEFAULT_CHANGED,
    DEFAULT_FEWER,
    DEFAULT_NEW,
    DEFAULT_OLDER,
    DEFAULT_VANISHED,
    ErrorLimit,
    parse_bound,
    parse_limit,
)
from importer.ledger.address import DEFAULT_LEDGER, LedgerAddress
from importer.outcomes import OnDuplicate, Outcome
from importer.shard import WHOLE, Shard, shard_of
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from importer.delivery.protocol.updating import UpdatePolicy
    from importer.mapping.model import Mapping as FileMapping


T = TypeVar("T")
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""What stands between several addresses; a blank or a comma may be a part of one."""

PREFIX = "IMPORTER_"
SENDS = ("run", "plan")
READS = ("run", "plan", "check")
ONLY_RUN = ("run",)
NOTIFY_TEST = "notify test"
_KEY = "setting"


@value
class Setting:
    """One setting, as users meet it. ``name`` is the field's; the flag is ``--name``."""

    name: str
    help: str
    default: Any
    """As a command line would give it: a text, a number, a truth, or None."""
    kind: type
    """What a command line and a file give: ``str``, ``int``, ``float``, ``bool`` or ``Path``."""
    commands: tuple[str, ...]
    """The commands that have it; ``config`` has those of ``run``, ``plan`` and ``check``."""
    parse: Callable[[Any], Any] | None = None
    """Makes the field's value of what was given, or raises UsageError."""
    letter: str = ""
    """A short flag: ``-q``."""
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    own_variable: str | None = None
    """The environment variable, if it is not ``IMPORTER_NAME``."""
    each_time: bool = False
    """It must be meant each time: no variable sets it."""
    once: bool = False
    """It is for one run: no file says yes to it either."""
    section: str = ""
    """It may stand in this section of a mapping file, too: ``source``, ``guard``, ``notify``,"""
    key: str = ""
    """and is called so there; "" for its name."""
    repeated: bool = False
    """The flag may be given several times; the field holds a tuple."""
    secret: bool = False
    """It holds tokens: no flag sets it, because process lists show flags, and nothing shows its
    value. Beside its variable there is ``NAME_FILE``, the name of a file that holds it."""
    help_of: Mapping[str, str] = field(default_factory=dict)
    """Other words for some commands, where it does something else there."""
    values: tuple[str, ...] | Callable[[], list[str]] = ()
    """What a shell offers for it, or what makes that when it is asked for; others may be taken."""
    several: bool = False
    """They may be joined by commas."""

    @property
    def flag(self) -> str:
        """Its long flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def in_section(self) -> str:
        """What its section calls it."""
        return self.key or self.name

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it; None if none does."""
        if self.each_time:
            return None
        return self.own_variable or PREFIX + self.name.upper()

    def value_of(self, given: Any) -> Any:
        """The field's value for what was given.

        Raises:
            UsageError: it is no value of this setting.
        """
        if self.repeated:
            several = _BETWEEN.split(given.strip()) if isinstance(given, str) else given
            if several is not None and not isinstance(several, list | tuple):
                several = [several]
            return tuple(self._one(one) for one in several or ())
        return None if given is None else self._one(given)

    def _one(self, given: Any) -> Any:
        # A plan, being JSON, has a path as text.
        given = Path(given) if self.kind is Path else given
        return given if self.parse is None else self.parse(given)


def setting(  # noqa: D417 - the others are documented at Setting
    default: T,
    help: str,  # noqa: A002 - as click and typer call it
    *,
    kind: type | None = None,
    commands: tuple[str, ...] = READS,
    shown: Any = ...,
    **more: Any,
) -> T:
    """A dataclass field that users can set.

    Args:
        default: the field's default.
        help: one line for ``--help``.
        kind: the type of what is given; that of the default if left out.
        commands: where the flag exists.
        shown: the default as a command line would give it, where that differs from ``default``.
    """
    given: Any = default if shown is ... else shown
    if kind is None:
        kind = Path if isinstance(given, Path) else type(given)
    made = {"help": help, "default": given, "kind": kind, "commands": commands}
    return field(default=default, metadata={_KEY: {**made, **more}})


def secret(help: str, **more: Any) -> dict[str, Any]:  # noqa: A002 - as click and typer call it
    """The metadata of a field of texts that nothing shows; see ``Setting.secret``."""
    made = {"help": help, "default": None, "kind": str, "commands": (*ONLY_RUN, NOTIFY_TEST)}
    return {_KEY: {**made, "secret": True, "section": "notify", **more}}


def settings_in(*classes: type[Any]) -> Iterator[Setting]:
    """The settings among the fields of dataclasses, in their order."""
    for one in classes:
        for found in fields(one):
            if _KEY in found.metadata:
                yield Setting(name=found.name, **found.metadata[_KEY])


VANISHED = "vanished"
"""What ``--fail-on`` calls customers that the input has no record of any more."""
ENGINES = {"dask": "tcp", "tcp": "tcp", "dask+tls": "tls", "tls": "tls"}
"""What an engine's address begins with, and what Dask calls it."""
LOG_FORMATS = ("auto", "console", "json")
_NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t"}


def parse_delimiter(text: str) -> str:
    """The character that ``--delimiter`` names.

    Raises:
        UsageError: it is not one usable ASCII character.
    """
    from importer.source.source_options import SourceOptions  # noqa: PLC0415 - needs polars

    given = _NAMED_DELIMITERS.get(text, text)
    if given.isalnum():
        raise UsageError(f"--delimiter {text!r} is not known", hint="one of , ; | tab, or a sign")
    SourceOptions(delimiter=given)
    return given


def parse_encoding(text: str) -> str:
    """The name of a text encoding, or ``auto``.

    Raises:
        UsageError: no such encoding is known.
    """
    from importer.source.text.encodings import label_of  # noqa: PLC0415 - most are "auto"

    label_of(text)
    return text


def parse_header(text: str) -> str:
    """The names of columns that ``--header`` gives.

    Raises:
        UsageError: there is none, or one is there twice.
    """
    from importer.source.source_options import names_in  # noqa: PLC0415 - needs polars

    names_in(text)
    return text


def parse_edges(text: str) -> str:
    """What ``--edges`` names.

    Raises:
        UsageError: it names nothing that is known.
    """
    from importer.rows.not_customers import Edges  # noqa: PLC0415 - as above

    if text not in {one.value for one in Edges}:
        raise UsageError(f"--edges {text!r} is not known", hint="stop, keep or skip")
    return text


def parse_duplicate_policy(text: str) -> OnDuplicate:
    """What ``--on-duplicate`` names.

    Raises:
        UsageError: it names nothing that is known.
    """
    try:
        return OnDuplicate(text)
    except ValueError:
        raise UsageError(
            f"--on-duplicate {text!r} is not known", hint="error, first or last"
        ) from None


def parse_update(text: str) -> str:
    """The update policies that ``FIELD=POLICY,...`` gives, in their one spelling.

    Raises:
        UsageError: a field or a policy is not known, or a field is given twice.
    """
    from importer.mapping.updates import parse_updates, updates_text  # noqa: PLC0415 - few runs

    return updates_text(parse_updates(text))


def _update_policies() -> list[str]:
    from importer.mapping.updates import FIELDS, POLICIES  # noqa: PLC0415 - few ask

    return [f"{field}={policy}" for field in FIELDS for policy in POLICIES]


def parse_fail_on(text: str) -> str:
    """The outcomes that ``--fail-on`` names, in their canonical spelling.

    Raises:
        UsageError: it names one that is not known.
    """
    names = {part.strip() for part in text.split(",")} - {""}
    known = {one.value for one in Outcome} | {VANISHED}
    if unknown := sorted(names - known):
        raise UsageError(
            f"--fail-on {unknown[0]!r} is no outcome", hint=f"any of {', '.join(sorted(known))}"
        )
    return ",".join(sorted(names))


def parse_engine(text: str) -> str:
    """The address of a Dask scheduler as Dask takes it, ``tcp://`` or ``tls://``; "" for none.

    Raises:
        UsageError: it names no engine that is known.
    """
    scheme, separator, place = text.partition("://")
    host, colon, port = place.rstrip("/").rpartition(":")
    whole = separator and colon and host and port.isdigit()
    if text and not (whole and scheme.lower() in ENGINES):
        raise UsageError(
            f"--engine {text!r} is not known",
            hint="dask://HOST:PORT, or dask+tls://HOST:PORT; without it this process delivers",
        )
    return f"{ENGINES[scheme.lower()]}://{host}:{port}" if text else ""


def parse_shard(text: str) -> Shard:
    """What ``--shard`` names, with what an orchestrator says of this process.

    Raises:
        UsageError: it names no shard.
    """
    return shard_of(text, os.environ)


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s].*")


def parse_notify(text: str) -> str:
    """An address as Apprise has them; the message shows nothing of it.

    Raises:
        UsageError: it is none.
    """
    if not _ADDRESS.fullmatch(str(text)):
        raise UsageError(
            "an address to notify is none",
            hint="KIND://..., as Apprise lists them: mailto://, slack://, json:// (docs/alerts.md)",
        )
    return text


def parse_ping_url(text: str) -> str:
    """The address of a dead man's switch; the message shows nothing of it.

    Raises:
        UsageError: it is no http(s) URL.
    """
    given = str(text).strip()
    if given and not re.fullmatch(r"https?://[^\s/]+(?:/[!-~]*)?", given, re.IGNORECASE):
        raise UsageError(
            "the ping URL is no URL of a web server",
            hint="https://HOST/..., as healthchecks.io shows it for a check (docs/alerts.md)",
        )
    return given


def parse_log_format(text: str) -> str:
    """What ``--log-format`` names.

    Raises:
        UsageError: it names nothing that is known.
    """
    if text not in LOG_FORMATS:
        raise UsageError(f"--log-format {text!r} is not known", hint="auto, console or json")
    return text


def _guard_bound(default: ErrorLimit, key: str, what: str) -> ErrorLimit:
    """A field that holds a bound of the volume guard."""
    usual = f"{default.percent}%, and more than {default.tolerated}"
    return setting(
        default,
        f"Send nothing beyond so many {what}. Default {usual}.",
        kind=str,
        shown=None,
        commands=SENDS,
        parse=parse_bound,
        metavar="N|P%",
        section="guard",
        key=key,
    )


@value
class InputSettings:
    """How the sources are read and validated, and where results go."""

    sources: tuple[str, ...]
    out: Path = setting(
        Path("results"),
        "Folder that gets one results folder per run.",
        commands=(*READS, "verify", "doctor", "report", "why"),
        help_of={
            "why": "Folder that the results folders are in.",
            "plan": "Folder for scratch files meanwhile.",
            "report": "Folder that the results folders are in.",
        },
    )
    no_report: bool = setting(
        default=False, help="Leave report.html out of the results.", commands=("run", "check")
    )
    ca_bundle: Path | None = setting(
        None,
        "File of the authorities to trust (PEM), for Moment, sources by https, and alerts.",
        kind=Path,
        commands=(*READS, "init", "verify", "doctor", NOTIFY_TEST),
        metavar="FILE",
    )
    """In place of SSL_CERT_FILE, SSL_CERT_DIR and the usual ones; None for those."""
    strict: bool = setting(
        default=False, help="An unknown column, or text that looks damaged, is an error."
    )
    delimiter: str | None = setting(
        None,
        "CSV delimiter: one character, or tab. Detected by default.",
        kind=str,
        commands=(*READS, "init", "verify"),
        parse=parse_delimiter,
        section="source",
        values=(",", ";", "|", "tab"),
    )
    encoding: str = setting(
        "auto",
        "Text encoding of the sources, for example windows-1252. Or auto.",
        commands=(*READS, "init", "verify"),
        parse=parse_encoding,
        section="source",
        values=("auto", "utf-8", "windows-1252", "windows-1250", "iso-8859-15", "utf-16"),
    )
    sheet: str | None = setting(
        None,
        "Sheet of an Excel workbook. The first with data by default.",
        kind=str,
        commands=(*READS, "init", "verify"),
        section="source",
    )
    header_row: int | None = setting(
        None,
        "Line that names the columns, where a title stands above it (CSV, Excel).",
        kind=int,
        commands=(*READS, "init", "verify"),
        section="source",
        least=1,
    )
    header: str | None = setting(
        None,
        "Names of the columns, joined by commas; for a file without, or in place of its own.",
        kind=str,
        commands=(*READS, "init", "verify"),
        parse=parse_header,
        section="source",
        metavar="NAMES",
    )
    edges: str | None = setting(
        None,
        "Lines such as totals, that look like no customers: stop (default), keep or skip.",
        kind=str,
        parse=parse_edges,
        values=("stop", "keep", "skip"),
    )
    on_duplicate: OnDuplicate = setting(
        OnDuplicate.ERROR,
        "Rows with one reference and different payloads: error, or first|last wins.",
        kind=str,
        shown=OnDuplicate.ERROR.value,
        parse=parse_duplicate_policy,
        values=tuple(OnDuplicate),
    )
    max_errors: ErrorLimit | None = setting(
        None,
        "Send nothing if more rows are invalid. Default 10%, and more than 10 rows.",
        kind=str,
        parse=parse_limit,
        metavar="N|P%",
        help_of={
            "check": "Exit code 3 if more rows are invalid: a run with this limit would send"
            " nothing."
        },
    )
    """More invalid rows stop the job; None for the command's own limit (``check`` has none)."""
    fail_fast: bool = setting(
        default=False, help="Stop reading at the first invalid record.", commands=("check",)
    )
    shard: Shard = setting(
        WHOLE,
        "Deliver share I of N of the references: one of N such commands on one PostgreSQL ledger."
        " Or auto/N in an array job.",
        kind=str,
        shown=None,
        commands=SENDS,
        parse=parse_shard,
        metavar="I/N",
    )
    """All of it is read and checked; what falls to other shards is theirs to deliver and report."""
    mapping: FileMapping | None = None
    """Which column is what; None where the header says it."""
    config: Path | None = None
    """The file that the mapping stands in."""

    @property
    def shown_sources(self) -> list[str]:
        """The sources as messages and results call them: URLs without what they may hide."""
        from importer.source.remote import shown_source  # noqa: PLC0415 - needs polars

        return [shown_source(name) for name in self.sources]


@value
class DeliverySettings:
    """How the rows are delivered."""

    ledger: LedgerAddress = setting(
        DEFAULT_LEDGER,
        "The results ledger: a file (SQLite), or postgresql://USER@HOST/DATABASE.",
        kind=str,
        shown=str(DEFAULT_LEDGER),
        commands=(
            *(*SENDS, "verify", "status", "why", "runs", "export", "doctor"),
            *("ledger move", "report"),
        ),
        parse=LedgerAddress.parse,
        metavar="PATH|URL",
    )
    base_url: str = setting(
        DEFAULT_BASE_URL,
        "Where the API is; plain http for loopback only.",
        commands=(*SENDS, "verify", "doctor"),
        parse=check_base_url,
        own_variable="MOMENT_BASE_URL",
        values=(DEFAULT_BASE_URL, "http://127.0.0.1:8787"),
    )
    account: str = setting(
        "default",
        "Keeps merchants apart in one ledger.",
        commands=(*SENDS, "verify", "doctor"),
    )
    engine: str = setting(
        "",
        "Deliver in the workers of a Dask cluster: dask://HOST:PORT, the scheduler's address.",
        commands=ONLY_RUN,
        parse=parse_engine,
        metavar="ADDRESS",
    )
    """As Dask takes it; "" to deliver in this process."""
    concurrency: int = setting(
        32, "Most requests in flight.", commands=("run", "verify"), least=1, most=1024
    )
    """Workers, and the most requests in flight."""
    rate: float | None = setting(
        None,
        "Most requests per second; of all workers together, where the ledger is in PostgreSQL.",
        kind=float,
        commands=("run", "verify"),
        least=0.01,
        help_of={"verify": "Most requests per second; 50 by default."},
    )
    """Ceiling in requests per second; None for no ceiling of our own. See ``open_rate``."""
    patience: float = setting(
        PATIENCE,
        "Stop after N seconds without one settled row.",
        kind=float,
        commands=("run", "verify"),
        least=1,
    )
    """The run is continued by the same command; nothing is sent twice."""
    limit: int | None = setting(
        None, "Deliver at most N rows.", kind=int, commands=ONLY_RUN, least=1
    )
    """Rows to deliver at most; the others stay unsettled."""
    dry_run: bool = setting(
        default=False, help="Show what would be sent; send nothing.", commands=ONLY_RUN
    )
    retry_rejected: bool = setting(
        default=False, help="Send refused rows again, though unchanged.", commands=SENDS
    )
    keep_history: int = setting(
        365,
        "Days for which the ledger keeps what happened to each customer.",
        commands=ONLY_RUN,
        least=1,
    )
    """Of the history alone; what a customer's row itself tells stays for ever."""
    series: str = setting(
        "",
        "The name of this nightly file, where it is not its own name without the date.",
        commands=SENDS,
        section="guard",
    )
    incremental: bool = setting(
        default=False,
        help="Each file holds only what is new or changed: its volume says nothing.",
        commands=SENDS,
        section="guard",
    )
    accept_drift: bool = setting(
        default=False,
        help="Send although the input is unlike the last one; this once.",
        commands=SENDS,
        each_time=True,
        once=True,
    )
    max_fewer: ErrorLimit = _guard_bound(DEFAULT_FEWER, "fewer", "fewer records than last time")
    max_changed: ErrorLimit = _guard_bound(DEFAULT_CHANGED, "changed", "records to be updated")
    max_new: ErrorLimit = _guard_bound(DEFAULT_NEW, "new", "new references")
    max_vanished: ErrorLimit = _guard_bound(
        DEFAULT_VANISHED, "vanished", "vanished customers, where they are marked"
    )
    max_older: ErrorLimit = _guard_bound(
        DEFAULT_OLDER, "older", "customers that an input of an earlier run would change back"
    )
    update: str = setting(
        "",
        "Fields that a settled customer gets from the source: FIELD=source|if_untouched|never,...",
        commands=SENDS,
        parse=parse_update,
        metavar="FIELD=POLICY",
        section="update",
        values=_update_policies,
        several=True,
    )
    """In its one spelling (mapping.updates); ``updates`` is what it says."""
    fail_on: str = setting(
        "",
        "Further outcomes that count as not done (exit code 1): changed, found, vanished ...",
        commands=ONLY_RUN,
        parse=parse_fail_on,
        metavar="OUTCOME",
        values=(*Outcome, VANISHED),
        several=True,
    )
    """Canonical: sorted, joined by commas."""
    live: bool = setting(
        default=False,
        help="Live money keys are meant.",
        commands=(*SENDS, "doctor"),
        each_time=True,
    )
    key_changed: bool = setting(
        default=False,
        help="The new API key is the same merchant's.",
        commands=(*ONLY_RUN, "verify"),
        each_time=True,
    )
    """Another key than last time is meant: it is the same merchant's."""
    accept_new_account: bool = setting(
        default=False,
        help="The ledger knows nobody of this account, and that is right; this once.",
        commands=ONLY_RUN,
        each_time=True,
        once=True,
    )
    """It is not another account of the ledger under a new base URL or name."""

    @property
    def updates(self) -> UpdatePolicy:
        """Who wins in which field of a settled customer."""
        from importer.delivery.protocol.updating import (  # noqa: PLC0415 - few commands ask
            Rule,
            UpdatePolicy,
        )

        pairs = (one.partition("=") for one in self.update.split(",") if one)
        rules = tuple((field, Rule(rule)) for field, _, rule in pairs)
        return UpdatePolicy(rules=rules, retry_rejected=self.retry_rejected)


@value
class DisplaySettings:
    """How a job tells of itself."""

    log_format: str = setting(
        "auto",
        "auto: progress on a terminal, JSON log lines elsewhere. Or console, json.",
        parse=parse_log_format,
        values=LOG_FORMATS,
    )
    quiet: bool = setting(default=False, help="Only warnings and errors.", letter="-q")


@value
class OutwardSettings:
    """Whom a run tells how it went."""

    metrics: Path | None = setting(
        None,
        "Write the run's figures to FILE, for node_exporter's textfile collector.",
        kind=Path,
        commands=ONLY_RUN,
        metavar="FILE.prom",
    )
    notify: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=secret(
            "Who is told when a run fails, or is ok again: addresses as Apprise has them.",
            repeated=True,
            parse=parse_notify,
            key="urls",
        ),
    )
    ping_url: str = field(
        default="",
        repr=False,
        metadata=secret(
            "A dead man's switch in the style of healthchecks.io: told of start and end.",
            parse=parse_ping_url,
        ),
    )
    notify_timeout: float = setting(
        10.0,
        "Most seconds that alerts and pings may take.",
        commands=(*ONLY_RUN, NOTIFY_TEST),
        least=0.1,
        most=300,
        section="notify",
        key="timeout",
    )

    warnings: tuple[str, ...] = ()
    """What is odd about where the addresses were found."""

    @property
    def is_silent(self) -> bool:
        """Nobody is told anything."""
        return not (self.metrics or self.notify or self.ping_url)


TABLE: tuple[Setting, ...] = tuple(
    settings_in(InputSettings, DeliverySettings, OutwardSettings, DisplaySettings)
)
"""Every setting, in the order of ``--help``."""
