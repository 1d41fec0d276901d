"""The commands and their options."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from importer.cli import options as o
from importer.cli.looking import init, presets
from importer.cli.next_commands import after_check, after_run
from importer.cli.settings import read as read_config
from importer.cli.settings import with_mapping
from importer.cli.values import duplicate_policy
from importer.cli.values import log_format as known_format
from importer.errors import printable

if TYPE_CHECKING:
    from importer.cli.next_commands import NextCommands
    from importer.job.job_settings import InputSettings
    from importer.job.observer import Observer
    from importer.job.plan_file import SavedPlan
    from importer.job.plan_guard import PlanGuard
    from importer.job.run import Finished

DEFAULT_LEDGER = Path("importer-ledger.db")
DEFAULT_OUT = Path("results")
DEFAULT_BASE_URL = "https://api.momentco.io"

app = typer.Typer(
    name="importer",
    help="Bulk customer importer for the Moment billing API: every row becomes one customer, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Bulk customer importer for the Moment billing API: every row becomes one customer, once."""
    if version:
        from importer import __version__  # noqa: PLC0415

        typer.echo(f"importer {__version__}")
        raise typer.Exit


@app.command()
def run(
    context: typer.Context,
    sources: o.OptionalSources = None,
    *,
    config: o.Config = None,
    plan: o.PlanFile = None,
    ledger: o.LedgerPath = DEFAULT_LEDGER,
    out: o.Out = DEFAULT_OUT,
    base_url: o.BaseUrl = DEFAULT_BASE_URL,
    concurrency: o.Concurrency = 32,
    rate: o.Rate = None,
    limit: o.Limit = None,
    dry_run: o.DryRun = False,
    strict: o.Strict = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "auto",
    sheet: o.Sheet = None,
    on_duplicate: o.OnDuplicateName = "error",
    max_errors: o.MaxErrors = None,
    retry_rejected: o.RetryRejected = False,
    account: o.AccountName = "default",
    live: o.Live = False,
    key_changed: o.KeyChanged = False,
    log_format: o.LogFormat = "auto",
    quiet: o.Quiet = False,
) -> None:
    """Import every customer of the sources into Moment, each once."""
    from importer.cli.ask import confirm_live, confirm_new_key  # noqa: PLC0415
    from importer.cli.choices import Choices  # noqa: PLC0415
    from importer.delivery.http.connecting import check_trust  # noqa: PLC0415
    from importer.job.credentials import read_api_key  # noqa: PLC0415
    from importer.job.job_settings import DeliverySettings  # noqa: PLC0415
    from importer.job.run import run as run_job  # noqa: PLC0415
    from importer.ledger.base_url import check_base_url  # noqa: PLC0415

    saved, guard = _plan_of(plan)
    if config is None and saved is not None and saved.mapping is not None:
        config = Path(saved.mapping.name)
        context.obj = read_config(config, context)
    choose = Choices(context, saved)
    ledger = Path(choose("ledger", ledger))
    observer = _observer(
        log_format, quiet=quiet, next_commands=partial(after_run, ledger, plan=plan, config=config)
    )
    inputs = _inputs(
        choose.sources(sources),
        out,
        choose("delimiter", delimiter),
        choose("on_duplicate", on_duplicate),
        choose("max_errors", max_errors),
        strict=choose("strict", strict),
        encoding=choose("encoding", encoding),
        sheet=choose("sheet", sheet),
    )
    inputs = with_mapping(inputs, context)
    url = check_base_url(choose("base_url", base_url))
    key = read_api_key(os.environ)
    if key.warning:
        observer.warning("key_file_open", key.warning)
    if not dry_run:
        if url.startswith("https:"):
            check_trust()
        confirm_live(key, url, live=live)
    delivery = DeliverySettings(
        ledger=ledger,
        base_url=url,
        account=choose("account", account),
        concurrency=concurrency,
        rate=rate,
        limit=limit,
        dry_run=dry_run,
        retry_rejected=choose("retry_rejected", retry_rejected),
        key_changed=key_changed,
    )
    _end(run_job(inputs, delivery, key, observer=observer, confirm_key=confirm_new_key, plan=guard))


@app.command()
def plan(
    context: typer.Context,
    sources: o.Sources,
    *,
    config: o.Config = None,
    ledger: o.LedgerPath = DEFAULT_LEDGER,
    save: o.Save = None,
    out: o.Scratch = DEFAULT_OUT,
    base_url: o.BaseUrl = DEFAULT_BASE_URL,
    strict: o.Strict = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "auto",
    sheet: o.Sheet = None,
    on_duplicate: o.OnDuplicateName = "error",
    max_errors: o.MaxErrors = None,
    retry_rejected: o.RetryRejected = False,
    account: o.AccountName = "default",
    live: o.Live = False,
    log_format: o.LogFormat = "auto",
    quiet: o.Quiet = False,
) -> None:
    """Show offline what a run would do with this ledger: no key, no network, nothing sent."""
    from importer.cli.choices import mode_of  # noqa: PLC0415
    from importer.cli.plan_command import show_plan  # noqa: PLC0415
    from importer.job.job_settings import DeliverySettings  # noqa: PLC0415
    from importer.job.planning import plan as plan_job  # noqa: PLC0415
    from importer.ledger.base_url import check_base_url  # noqa: PLC0415

    observer = _observer(log_format, quiet=quiet, next_commands=partial(after_check, config=config))
    inputs = _inputs(
        sources,
        out,
        delimiter,
        on_duplicate,
        max_errors,
        strict=strict,
        encoding=encoding,
        sheet=sheet,
    )
    inputs = with_mapping(inputs, context)
    delivery = DeliverySettings(
        ledger=ledger,
        base_url=check_base_url(base_url),
        account=account,
        retry_rejected=retry_rejected,
    )
    mode = mode_of(os.environ, live=live)
    made = plan_job(inputs, delivery, mode, save=save, observer=observer)
    show_plan(made, ledger=ledger, save=save, config=config)
    if made.stopped_by is not None:
        raise made.stopped_by
    if made.exit_code:
        raise typer.Exit(int(made.exit_code))


@app.command()
def check(
    context: typer.Context,
    sources: o.Sources,
    *,
    config: o.Config = None,
    out: o.Out = DEFAULT_OUT,
    strict: o.Strict = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "auto",
    sheet: o.Sheet = None,
    on_duplicate: o.OnDuplicateName = "error",
    max_errors: Annotated[
        str | None,
        o.option(
            "--max-errors",
            metavar="N|P%",
            help="Exit code 3 if more rows are invalid: a run with this limit would send nothing.",
        ),
    ] = None,
    fail_fast: o.FailFast = False,
    log_format: o.LogFormat = "auto",
    quiet: o.Quiet = False,
) -> None:
    """Validate the sources offline: no key, no network, the same results files."""
    from importer.job.check import check as check_job  # noqa: PLC0415

    observer = _observer(log_format, quiet=quiet, next_commands=partial(after_check, config=config))
    inputs = _inputs(
        sources,
        out,
        delimiter,
        on_duplicate,
        max_errors,
        strict=strict,
        encoding=encoding,
        sheet=sheet,
    )
    inputs = replace(with_mapping(inputs, context), fail_fast=fail_fast)
    _end(check_job(inputs, observer=observer))


app.command()(init)
app.command()(presets)


@app.command("config")
def show_config(
    context: typer.Context,
    *,
    config: o.Config = None,  # noqa: ARG001 - each is read from the context
    ledger: o.LedgerPath = DEFAULT_LEDGER,  # noqa: ARG001
    out: o.Out = DEFAULT_OUT,  # noqa: ARG001
    base_url: o.BaseUrl = DEFAULT_BASE_URL,  # noqa: ARG001
    concurrency: o.Concurrency = 32,  # noqa: ARG001
    rate: o.Rate = None,  # noqa: ARG001
    limit: o.Limit = None,  # noqa: ARG001
    dry_run: o.DryRun = False,  # noqa: ARG001
    strict: o.Strict = False,  # noqa: ARG001
    delimiter: o.Delimiter = None,  # noqa: ARG001
    encoding: o.Encoding = "auto",  # noqa: ARG001
    sheet: o.Sheet = None,  # noqa: ARG001
    on_duplicate: o.OnDuplicateName = "error",  # noqa: ARG001
    max_errors: o.MaxErrors = None,  # noqa: ARG001
    fail_fast: o.FailFast = False,  # noqa: ARG001
    retry_rejected: o.RetryRejected = False,  # noqa: ARG001
    account: o.AccountName = "default",  # noqa: ARG001
    live: o.Live = False,  # noqa: ARG001
    key_changed: o.KeyChanged = False,  # noqa: ARG001
    log_format: o.LogFormat = "auto",  # noqa: ARG001
    quiet: o.Quiet = False,  # noqa: ARG001
) -> None:
    """Show the settings that run, check and plan would have, and where each comes from."""
    from importer.cli.settings import show  # noqa: PLC0415

    for line in show(context):
        typer.echo(line)


@app.command()
def status(
    reference: Annotated[
        str | None, typer.Argument(help="Show the history of one external_reference.")
    ] = None,
    *,
    ledger: o.LedgerPath = DEFAULT_LEDGER,
) -> None:
    """Show the ledger: totals and last runs, or what happened to one customer."""
    from importer.cli.status_command import show_customer, show_ledger  # noqa: PLC0415

    if reference is None:
        show_ledger(ledger)
    elif not show_customer(ledger, reference):
        raise typer.Exit(1)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .parquet or .jsonl.")],
    *,
    ledger: o.LedgerPath = DEFAULT_LEDGER,
    account: Annotated[
        str | None, typer.Option("--account", help="Only this account name.")
    ] = None,
) -> None:
    """Write the whole mapping from external_reference to bcus_ id."""
    from importer.cli.export_command import export_mapping  # noqa: PLC0415

    rows = export_mapping(ledger, file, account)
    typer.echo(printable(f"{rows:,} customers written to {file}"))


@app.command()
def sandbox(
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
) -> None:
    """Run the sandbox: a faithful Moment on this machine, for rehearsals."""
    from importer.sandbox import SandboxConfig, serve  # noqa: PLC0415

    config = SandboxConfig(seed=seed, data=data, latency_ms=latency, rate=rate, faults=faults)
    serve(config, "127.0.0.1", port, ready=_announce_sandbox)


def _announce_sandbox(url: str) -> None:
    typer.echo(f"sandbox at {url} (Ctrl-C ends it); in another terminal:")
    typer.echo(f"  export MOMENT_BASE_URL={url} MOMENT_API_KEY=sk_test_sandbox")
    typer.echo("  importer run sample_data/customers.csv")
    sys.stdout.flush()


def _inputs(
    sources: list[str],
    out: Path,
    delimiter: str | None,
    on_duplicate: str,
    max_errors: str | None,
    *,
    strict: bool,
    encoding: str,
    sheet: str | None,
) -> InputSettings:
    from importer.job.job_settings import InputSettings  # noqa: PLC0415
    from importer.job.limit import parse_limit  # noqa: PLC0415

    return InputSettings(
        sources=tuple(sources),
        out=out,
        strict=strict,
        on_duplicate=duplicate_policy(on_duplicate),
        delimiter=o.delimiter_of(delimiter),
        encoding=encoding,
        sheet=sheet,
        max_errors=parse_limit(max_errors) if max_errors is not None else None,
    )


def _plan_of(path: Path | None) -> tuple[SavedPlan, PlanGuard] | tuple[None, None]:
    if path is None:
        return None, None
    from importer.job.plan_file import load_plan  # noqa: PLC0415
    from importer.job.plan_guard import PlanGuard  # noqa: PLC0415

    saved = load_plan(path)
    return saved, PlanGuard(saved, path)


def _observer(log_format: str, *, quiet: bool, next_commands: NextCommands) -> Observer:
    if known_format(log_format) == "auto" and sys.stderr.isatty():
        from importer.cli.terminal import TerminalObserver  # noqa: PLC0415

        return TerminalObserver(quiet=quiet, next_commands=next_commands)
    from importer.cli.logs import LogObserver, configure  # noqa: PLC0415

    configure(json=log_format != "console", quiet=quiet)
    return LogObserver()


def _end(finished: Finished) -> None:
    if finished.stopped_by is not None:
        raise finished.stopped_by
    if finished.exit_code:
        raise typer.Exit(int(finished.exit_code))
