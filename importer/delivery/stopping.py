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
    "name_not_known": (
        "the host of the base URL is not known to DNS",
        "check the spelling of --base-url, and that this machine can resolve public names",
    ),
    "name_server_failed": (
        "the host of the base URL could not be looked up in DNS",
        "check this machine's network and its name servers; then type the same command again",
    ),
    "connection_refused": (
        "nothing listens at the base URL: the connection is refused",
        "check the host and the port of --base-url; the sandbox must be started first",
    ),
    "connection_forbidden": (
        "this machine does not let importer connect to the base URL",
        "a local firewall or a sandboxed service forbids it: allow it",
    ),
    "connection_reset": (
        "whatever answers at the base URL closes every connection before a request can be sent",
        "a firewall on the way, or the wrong port: check --base-url",
    ),
    "connect_timeout": (
        "no connection to the base URL came about in time",
        "check --base-url, this machine's network, and whether it needs a proxy (HTTPS_PROXY)",
    ),
    "network_unreachable": (
        "there is no way from this machine to the host of the base URL",
        "check this machine's network; then type the same command again",
    ),
    "too_many_open_files": (
        "this process may open no more files",
        "raise the limit (ulimit -n), or take a smaller --concurrency",
    ),
    "certificate_expired": (
        "the certificate of the base URL's host has expired",
        "check this machine's clock; if it is right, only the host's owner can renew it",
    ),
    "certificate_not_yet_valid": (
        "the certificate of the base URL's host is not valid yet",
        "check this machine's clock",
    ),
    "certificate_wrong_host": (
        "the certificate belongs to another host than that of the base URL",
        "check the spelling of --base-url; something between may answer in Moment's place",
    ),
    "certificate_unknown_issuer": (
        "the certificate of the base URL's host is signed by nobody that this machine trusts",
        "name the file of the authority that signs (a company's own?) in SSL_CERT_FILE",
    ),
    "certificate_refused": (
        "the certificate of the base URL's host cannot be trusted",
        "check --base-url, and whether something between answers in Moment's place",
    ),
    "not_tls": (
        "what answers at the base URL speaks no TLS",
        "check the port of --base-url; the sandbox is http://, Moment is https://",
    ),
    "tls_failed": (
        "no TLS connection to the base URL can be made",
        "check --base-url, and whether something between breaks TLS",
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
