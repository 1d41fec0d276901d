"""The stop rules in words: why a run ends early, and what to do about it. Pure."""

from __future__ import annotations

from importer.errors import RunStopped

REASONS: dict[str, tuple[str, str]] = {
    "unauthorised": (
        "Moment does not accept the API key (401)",
        "check MOMENT_API_KEY: a test key for another account, or a mistyped one?",
    ),
    "forbidden": (
        "the API key may not do this (403)",
        "the key is deleted, expired, or lacks the permission; ask for a new secret key",
    ),
    "no_such_endpoint": (
        "there is no customers API at this base URL",
        "check --base-url; the API page's host is https://api.momentco.io",
    ),
    "redirected": (
        "the base URL answers with a redirect, which is not followed",
        "give the final address with --base-url (https, no trailing path)",
    ),
    "tls_failed": (
        "the TLS connection could not be verified",
        "check --base-url, the machine's clock and its certificates (SSL_CERT_FILE)",
    ),
    "proxy_refused": (
        "a proxy refuses the connection (407)",
        "the machine's network needs a proxy login, or a direct route to Moment",
    ),
    "unreachable": (
        "Moment has not answered sensibly for too long",
        "when it is back, type the same command again: nothing is sent twice",
    ),
    "retry_budget_spent": (
        "too many requests failed and had to be repeated",
        "Moment is in trouble; type the same command again later: nothing is sent twice",
    ),
    "canary_failed": (
        "the first row, which is sent alone, was not answered sensibly",
        "nothing else was sent; type the same command again when the cause is gone",
    ),
}


def stop_error(reason: str, *, detail: str = "") -> RunStopped:
    """The error that ends a run for this reason; unknown reasons are spelled out as they are."""
    message, hint = REASONS.get(reason, (f"the run was stopped: {reason}", ""))
    return RunStopped(f"{message} [{detail}]" if detail else message, reason=reason, hint=hint)


def one_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real error of a task group; a person never reads an exception group."""
    first = group.exceptions[0]
    return one_cause(first) if isinstance(first, BaseExceptionGroup) else first
