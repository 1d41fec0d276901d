"""The commands: each reads its settings, calls one job, and says how it ended.

The options that several commands share are made from the table of settings (job.job_settings).
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from importer.cli.completion import install_script, offer, offering, run_ids, show_script
from importer.cli.json_output import JsonFlag, emit
from importer.cli.next_commands import after_check, after_run
from importer.cli.settings import (
    ConfigFile,
    Given,
    config_document,
    effective,
    read,
    show,
    with_settings,
)
from importer.errors import printable
from importer.job.job_settings import NOTIFY_TEST

if TYPE_CHECKING:
    from importer.cli.next_commands import NextCommands
    from importer.errors import ExitCode, RunStopped
    from importer.job.job_settings import DisplaySettings
    from importer.job.observer import Observer
    from importer.job.plan_guard import PlanGuard, SavedPlan
    from importer.job.run_news import RunNews

NEWS: list[RunNews | None] = []
"""Who is told of this process' run, None for nobody; empty until its settings could be read."""
DEFAULT_CONFIG = Path("import.toml")
_READS = (
    "CSV, JSON Lines (gzip, zstd too), Excel or Parquet: paths or URLs; - reads standard input."
)

Sources = Annotated[list[str], typer.Argument(metavar="SOURCE...", help=_READS)]
OptionalSources = Annotated[
    list[str] | None, typer.Argument(metavar="SOURCE...", help=_READS, show_default=False)
]

AccountName = Annotated[
    str | None, typer.Option("--account", help="Only of this account name.", show_default=False)
]
"""Of a command that looks at all accounts of a ledger."""


def _preset_names() -> list[str]:
    from importer.mapping.presets import names  # noqa: PLC0415

    return names()


_SHOW = offering(typer.Option("--show", help="Print this preset."), offer(_preset_names))
_PATCHED = offering(
    typer.Option(help="A PATCH keeps metadata that it does not name (merge), or not (replace)."),
    offer(("merge", "replace")),
)
"""Not in the commands themselves, whose annotations are read each time that commands are made."""


app = typer.Typer(
    name="importer",
    help="Bulk customer importer for the Moment billing API: every row becomes one customer, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
sandboxes = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(sandboxes, name="sandbox")
ledgers = typer.Typer(
    help="Work on whole ledgers: copy one, or give an account a new base URL.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(ledgers, name="ledger")
notifying = typer.Typer(
    help="Alerts: see whether they arrive.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(notifying, name="notify")


@app.callback(invoke_without_command=True)
def root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    install_completion: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--install-completion",
            callback=install_script,
            is_eager=True,
            help="Let the Tab key complete in this shell, or in the one named behind it: bash, zsh,"
            " fish.",
        ),
    ] = False,
    show_completion: Annotated[  # noqa: ARG001 - as above
        bool,
        typer.Option(
            "--show-completion",
            callback=show_script,
            is_eager=True,
            help="Print what that would install.",
        ),
    ] = False,
) -> None:
    """Bulk customer importer for the Moment billing API: every row becomes one customer, once."""
    if version:
        from importer import __version__  # noqa: PLC0415

        typer.echo(f"importer {__version__}")
        raise typer.Exit


@app.command()
@with_settings("run")
def run(
    sources: OptionalSources = None,
    *,
    config: ConfigFile = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Do exactly what this plan says, with its sources and settings, or nothing.",
        ),
    ] = None,
    given: Given,
) -> None:
    """Import every customer of the sources into Moment, each once."""
    from importer.cli.questions import (  # noqa: PLC0415
        confirm_live,
        confirm_new_account,
        confirm_new_key,
    )
    from importer.delivery.credentials import read_api_key  # noqa: PLC0415
    from importer.job.finish import Typed  # noqa: PLC0415
    from importer.job.run import run as run_job  # noqa: PLC0415
    from importer.way import check_way  # noqa: PLC0415

    news = _news_of(given, sources or [])
    saved, guard = _plan_of(plan)
    if saved is not None:
        if config is None and saved.mapping is not None:
            config = Path(saved.mapping.name)
            given.context.obj = read(config, given.context)
        given.follow(saved)
        sources = sources or [one.name for one in saved.sources]
        news = _news_of(given, sources, news)
    display = given.display()
    delivery = given.delivery()
    next_commands = partial(
        after_run,
        delivery.ledger,
        plan=plan,
        config=config,
        flags=given.flags,
        hides=_hides(sources or []),
        update=delivery.update,
    )
    observer = _observer(display, next_commands)
    inputs = given.inputs(sources or [])
    if news is not None:
        news.knows(inputs, delivery, observer.warning)
    key = read_api_key(os.environ)
    if news is not None:
        news.mode = key.mode
    if key.warning:
        observer.warning("key_file_open", key.warning)
    if not delivery.dry_run:
        check_way(delivery.base_url, bundle=inputs.ca_bundle)
        confirm_live(key, delivery.base_url, live=delivery.live)
    finished = run_job(
        inputs,
        delivery,
        key,
        observer=observer,
        confirm_key=confirm_new_key,
        confirm_account=confirm_new_account,
        plan=guard,
        typed=Typed(effective(given), next_commands),
    )
    if news is not None:
        news.finished = finished
    _end(finished.exit_code, finished.stopped_by)


@app.command()
@with_settings("plan")
def plan(
    sources: Sources,
    *,
    config: ConfigFile = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the plan to FILE for run --plan."),
    ] = None,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Show offline what a run would do with this ledger: no key, no network, nothing sent."""
    from importer.cli.plan_command import plan_document, show_plan  # noqa: PLC0415
    from importer.delivery.credentials import mode_of  # noqa: PLC0415
    from importer.job.planning import plan as plan_job  # noqa: PLC0415

    next_commands = partial(after_check, config=config, flags=given.flags, hides=_hides(sources))
    observer = _observer(given.display(), next_commands, as_json=as_json)
    delivery = given.delivery()
    mode = mode_of(os.environ, live=delivery.live)
    made = plan_job(given.inputs(sources), delivery, mode, save=save, observer=observer)
    tell = plan_document if as_json else show_plan
    told = tell(made, ledger=delivery.ledger, save=save, config=config, flags=given.flags)
    if told is not None:
        _emit("plan", told, made.exit_code, made.stopped_by)
    _end(made.exit_code, made.stopped_by)


@app.command()
@with_settings("check")
def check(
    sources: Sources,
    *,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Validate the sources offline: no key, no network, the same results files."""
    from importer.cli.json_output import check_document  # noqa: PLC0415
    from importer.job.check import check as check_job  # noqa: PLC0415
    from importer.job.finish import Typed  # noqa: PLC0415

    next_commands = partial(after_check, config=config, flags=given.flags, hides=_hides(sources))
    observer = _observer(given.display(), next_commands, as_json=as_json)
    typed = Typed(effective(given), next_commands)
    finished = check_job(given.inputs(sources), observer=observer, typed=typed)
    if as_json:
        _emit("check", check_document(finished), finished.exit_code, finished.stopped_by)
    _end(finished.exit_code, finished.stopped_by)


@app.command()
@with_settings("init")
def init(
    source: Annotated[str, typer.Argument(metavar="EXPORT", help="The export to look at.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="The mapping file to write.")] = DEFAULT_CONFIG,
    preset: Annotated[
        str | None,
        offering(
            typer.Option(
                "--preset",
                help="Begin with this one; importer presets lists.",
            ),
            offer(_preset_names),
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            help="The column of your own customer numbers; again: used where the first is empty.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help='The name: a column, or "{FIRST} {LAST}".')
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Country of national phone numbers: ZA.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Where the file names none: ZAR.")
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(
            "--balance", help="The column of the amounts; twice: debit, then credit; or none."
        ),
    ] = None,
    number_format: Annotated[
        str | None, typer.Option("--number-format", help='How amounts are written: "1.234,56".')
    ] = None,
    unit: Annotated[
        str | None,
        offering(
            typer.Option(
                "--unit",
                help="Amounts count major (rand) or minor (cents).",
            ),
            offer(("major", "minor")),
        ),
    ] = None,
    positive: Annotated[
        str | None,
        offering(
            typer.Option(
                "--positive",
                help="A positive amount: debit (is owed to you) or credit.",
            ),
            offer(("debit", "credit")),
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Take the proposal; ask nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the mapping file.")] = False,
    given: Given,
) -> None:
    """Look at an export and write a mapping file for it."""
    from importer.cli.init_command import InitSettings  # noqa: PLC0415
    from importer.cli.init_command import init as init_file  # noqa: PLC0415
    from importer.mapping.proposing.proposal import Answers  # noqa: PLC0415
    from importer.source.source_options import SourceOptions, names_in  # noqa: PLC0415

    answers = Answers(
        reference=tuple(reference or ()),
        name=name,
        region=region,
        currency=currency,
        balance=tuple(balance or ()),
        number_format=number_format,
        unit=unit,
        positive=positive,
    )
    inputs = given.inputs([source])
    options = SourceOptions(
        delimiter=inputs.delimiter,
        encoding=inputs.encoding,
        sheet=inputs.sheet,
        header_row=inputs.header_row,
        header=names_in(inputs.header) if inputs.header else None,
        find_header=True,
        ca_bundle=inputs.ca_bundle,
    )
    init_file(InitSettings(source, out, options, answers, preset=preset, yes=yes, force=force))


@app.command()
def presets(
    *,
    show: Annotated[str | None, _SHOW] = None,
) -> None:
    """List the mappings that come with importer, or print one."""
    from importer.cli.init_command import list_presets, show_preset  # noqa: PLC0415

    if show is None:
        list_presets()
    else:
        show_preset(show)


@app.command()
@with_settings("verify")
def verify(
    sources: OptionalSources = None,
    *,
    config: ConfigFile = None,  # noqa: ARG001 - it has been read by now
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Ask for N customers, drawn by chance.")
    ] = None,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Ask Moment for every customer of the ledger, and say what is not as it was: read-only."""
    from importer.cli.verify_command import show_verified, verify_document  # noqa: PLC0415
    from importer.delivery.credentials import read_api_key  # noqa: PLC0415
    from importer.job.verify import verify as verify_job  # noqa: PLC0415

    key = read_api_key(os.environ)
    verified = verify_job(given.inputs(sources or []), given.delivery(), key, sample=sample)
    if as_json:
        _emit("verify", verify_document(verified), verified.exit_code, verified.stopped_by)
    else:
        show_verified(verified)
    _end(verified.exit_code, verified.stopped_by)


@app.command("config")
@with_settings("config")
def show_config(
    *,
    config: ConfigFile = None,  # noqa: ARG001 - it has been read by now
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Show the settings that run, check and plan would have, and where each comes from."""
    if as_json:
        emit("config", config_document(given))
        return
    for line in show(given):
        typer.echo(line)


@app.command()
@with_settings("doctor")
def doctor(
    sources: OptionalSources = None,
    *,
    config: ConfigFile = None,  # noqa: ARG001 - it has been read by now
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Look whether a run could begin: key, network, clock, API, ledger, folders. Read-only."""
    from importer.cli.doctor_command import doctor_document, show_examined  # noqa: PLC0415
    from importer.job.doctor import doctor as examine  # noqa: PLC0415

    found = examine(given.inputs(sources or []), given.delivery())
    code = 0 if found.is_fit else 1
    if as_json:
        emit("doctor", doctor_document(found), exit_code=code)
    else:
        show_examined(found)
    _end(code)


@app.command()
@with_settings("status")
def status(
    reference: Annotated[
        str | None, typer.Argument(help="Show the history of one external_reference.")
    ] = None,
    *,
    account: AccountName = None,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Show the ledger: totals and last runs, or what happened to one customer."""
    from importer.cli.status_command import show_customer, show_ledger  # noqa: PLC0415

    ledger = given.delivery().ledger
    if reference is None:
        show_ledger(ledger, account, as_json=as_json)
    else:
        _end(show_customer(ledger, reference, account, as_json=as_json))


@app.command()
@with_settings("why")
def why(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The external_reference of a customer.")
    ],
    *,
    account: AccountName = None,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """Say what happened to one customer, in sentences, and what to type next."""
    from importer.cli.why_command import show_why  # noqa: PLC0415

    ledger, out = given.delivery().ledger, given.inputs([]).out
    _end(show_why(ledger, reference, out, account, as_json=as_json))


@app.command()
@with_settings("runs")
def runs(
    *,
    account: AccountName = None,
    series: Annotated[
        str | None,
        typer.Option("--series", metavar="NAME|FILE", help="Only of this nightly file."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that did not end with 0.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Only those that began since: 2026-11-26, or 36h, 7d."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most N, the newest.")] = 20,
    as_json: JsonFlag = False,
    given: Given,
) -> None:
    """List the runs of the ledger, the newest first: when, how they ended, what became of rows."""
    from importer.cli.runs_command import Wanted, parse_since, show_runs  # noqa: PLC0415

    began = None if since is None else parse_since(since, time.time())
    wanted = Wanted(account, series, failed=failed, since=began, limit=limit)
    show_runs(given.delivery().ledger, wanted, as_json=as_json)


@app.command()
@with_settings("report")
def report(
    run_id: Annotated[
        str | None,
        offering(
            typer.Argument(
                metavar="RUN_ID",
                help="The run, or its results folder; else the newest.",
            ),
            run_ids,
        ),
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="A page of all runs in the ledger, with trends.")
    ] = False,
    given: Given,
) -> None:
    """Write the page of a run again (report.html), or one of all runs (index.html)."""
    from importer.cli.report_command import write_index, write_report  # noqa: PLC0415
    from importer.errors import UsageError  # noqa: PLC0415

    out = given.inputs([]).out
    if every and run_id is not None:
        raise UsageError("--all is of all runs", hint="leave the run's id out")
    path = write_index(out, given.delivery().ledger) if every else write_report(out, run_id)
    typer.echo(f"report: {printable(str(path))}")


@app.command()
@with_settings("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .parquet or .jsonl.")],
    *,
    account: AccountName = None,
    given: Given,
) -> None:
    """Write the whole mapping from external_reference to bcus_ id."""
    from importer.cli.export_command import export_mapping  # noqa: PLC0415

    rows = export_mapping(given.delivery().ledger, file, account)
    typer.echo(printable(f"{rows:,} customers written to {file}"))


@ledgers.command("copy")
def copy_ledger(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A path or postgresql:// URL.")],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="The same; it is made if it is not there.")
    ],
    *,
    account: AccountName = None,
) -> None:
    """Copy a ledger, and hold both sides against each other; again: goes on where it ended."""
    from importer.cli.ledger_command import show_copied  # noqa: PLC0415

    show_copied(source, target, account)


@ledgers.command("move")
@with_settings("ledger move")
def move_account(
    *,
    base_url: Annotated[
        str, typer.Option("--base-url", metavar="NEW", help="Where the API is now.")
    ],
    old: Annotated[
        str | None,
        typer.Option("--from", metavar="OLD", help="The old base URL, where there are several."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="The account's name, where there are several.")
    ] = None,
    given: Given,
) -> None:
    """Give an account whose host was renamed its new base URL, with all that is known of it."""
    from importer.base_url import check_base_url  # noqa: PLC0415
    from importer.cli.ledger_command import show_moved  # noqa: PLC0415

    show_moved(given.delivery().ledger, check_base_url(base_url), account, old)


@notifying.command("test")
@with_settings(NOTIFY_TEST)
def notify_test(
    *,
    config: ConfigFile = None,  # noqa: ARG001 - it has been read by now
    given: Given,
) -> None:
    """Send a test message to everybody that a run would tell, and print who was reached."""
    from importer.cli.notify_command import send_test  # noqa: PLC0415

    if not send_test(given.outward(), given.ca_bundle):
        raise typer.Exit(1)


@sandboxes.callback()
def sandbox(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8787,
    data: Annotated[Path | None, typer.Option(help="Keep customers and keys in this file.")] = None,
    latency: Annotated[float, typer.Option(min=0, help="Delay of every answer, in ms.")] = 0,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests per second before 429.")
    ] = None,
    faults: Annotated[
        str, typer.Option(help="For example lost=0.05,stored500=0.02,503=0.02.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seeds ids and faults.")] = 0,
    metadata: Annotated[str, _PATCHED] = "merge",
    etags: Annotated[
        bool, typer.Option("--etags", help="Answer with ETag, heed If-Match.")
    ] = False,
) -> None:
    """Run the sandbox: a faithful Moment on this machine, for rehearsals."""
    if context.invoked_subcommand is not None:
        return
    from importer.sandbox.config import SandboxConfig  # noqa: PLC0415
    from importer.sandbox.entry import serve  # noqa: PLC0415

    config = SandboxConfig(
        seed=seed,
        data=data,
        latency_ms=latency,
        rate=rate,
        faults=faults,
        patch_metadata=metadata,
        etags=etags,
    )
    serve(config, "127.0.0.1", port, ready=_announce_sandbox)


@sandboxes.command("edit")
def edit_sandbox(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Its reference or id.")],
    changes: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE...", help="metadata.KEY too; no value: take it away."),
    ],
    *,
    url: Annotated[
        str, typer.Option(envvar="MOMENT_BASE_URL", help="The running sandbox.")
    ] = "http://127.0.0.1:8787",
    account: Annotated[str, typer.Option(help="Whose, where several accounts have one.")] = "",
) -> None:
    """Change a customer of a running sandbox, as somebody at Moment would."""
    import json  # noqa: PLC0415

    from importer.sandbox.edits import edit  # noqa: PLC0415

    now = edit(url, customer, changes, account=account)
    shown = json.dumps({key: now[key] for key in now if key != "payment_rules"}, ensure_ascii=False)
    typer.echo(printable(shown))


def _announce_sandbox(url: str) -> None:
    typer.echo(f"sandbox at {url} (Ctrl-C ends it); in another terminal:")
    typer.echo(f"  export MOMENT_BASE_URL={url} MOMENT_API_KEY=sk_test_sandbox")
    typer.echo("  importer run sample_data/customers.csv")
    sys.stdout.flush()


def _news_of(given: Given, sources: list[str], begun: RunNews | None = None) -> RunNews | None:
    """Who is told of the run from here on, as far as settings are known; None for nobody."""
    outward = given.outward()
    # OpenTelemetry is set up by variables of its own.
    is_silent = outward.is_silent and not any(one.startswith("OTEL_EXP") for one in os.environ)
    if not given.values["dry_run"] and not is_silent:
        from importer.cli.notify_command import begin  # noqa: PLC0415 - few runs need it

        begun = begin(outward, sources, begun, given.ca_bundle)
    NEWS[:] = [begun]
    return begun


def _plan_of(path: Path | None) -> tuple[SavedPlan, PlanGuard] | tuple[None, None]:
    if path is None:
        return None, None
    from importer.job.plan_guard import PlanGuard, load_plan  # noqa: PLC0415

    saved = load_plan(path)
    return saved, PlanGuard(saved, path)


def _observer(
    display: DisplaySettings, next_commands: NextCommands, *, as_json: bool = False
) -> Observer:
    if display.log_format == "auto" and sys.stderr.isatty():
        from importer.cli.terminal import TerminalObserver  # noqa: PLC0415

        return TerminalObserver(
            quiet=display.quiet, tells_end=not as_json, next_commands=next_commands
        )
    from importer.cli.logs import LogObserver, configure  # noqa: PLC0415

    configure(json=display.log_format != "console", quiet=display.quiet)
    return LogObserver()


def _hides(sources: list[str]) -> bool:
    """Whether an address has parts that results leave out, as they may be secret."""
    return any("://" in name and set(name) & set("@?#") for name in sources)


def _emit(
    name: str, document: dict[str, Any], exit_code: ExitCode, stopped_by: RunStopped | None
) -> None:
    """Write the document of a job that a stop rule may have ended."""
    code = exit_code if stopped_by is None else stopped_by.exit_code
    emit(name, document, exit_code=code, error=stopped_by)


def _end(exit_code: int, stopped_by: RunStopped | None = None) -> None:
    """End the process with this code; what stopped the job is told on the way."""
    if stopped_by is not None:
        raise stopped_by
    if exit_code:
        raise typer.Exit(int(exit_code))
