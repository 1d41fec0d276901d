"""The stop rules in words: why a run ends early, and what to do about it. Pure."""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from importer.errors import ExitCode, RunStopped

if TYPE_CHECKING:
    from importer.delivery.protocol.events import Settle


PATIENCE = 900.0
"""Seconds; the longest time that a run waits for anything without settling a row."""


class StopReason(NamedTuple):
    """Why a run ends early, for people and for orchestrators."""

    message: str
    hint: str
    passes: bool = False
    """What an outage says as well: it passes without anybody doing anything (exit code 75). What
    an answer says, a certificate, a name or a setting, needs a person (3)."""


REASONS: dict[str, StopReason] = {
    "unauthorised": StopReason(
        "Moment does not accept the API key (401)",
        "check MOMENT_API_KEY: a test key for another account, or a mistyped one?",
    ),
    "forbidden": StopReason(
        "the API key may not do this (403), whatever the row",
        "the key is deleted, expired, or lacks the permission; ask for a new secret key",
    ),
    "no_such_endpoint": StopReason(
        "there is no customers API at this base URL",
        "check --base-url; the API page's host is https://api.momentco.io",
    ),
    "something_else_answers": StopReason(
        "something other than Moment's API answers, whatever the row",
        (
            "a firewall, a gateway or another site answers in its place: check --base-url, and"
            " ask who runs the network; no row is charged with it"
        ),
    ),
    "updates_not_taken": StopReason(
        "updates (PATCH) are turned away, whatever the customer",
        "ask Moment whether they are open to this key, and who runs a gateway before it whether it"
        " lets PATCH through; without --update new customers are created as before",
    ),
    "request_not_taken": StopReason(
        "Moment does not take requests of this form, whatever the row",
        "check --base-url, and ask who runs a gateway before it; no row is charged with it",
    ),
    "redirected": StopReason(
        "the base URL answers with a redirect, which is not followed",
        "give the final address with --base-url (https, no trailing path)",
    ),
    "name_not_known": StopReason(
        "the host of the base URL is not known to DNS",
        "check the spelling of --base-url, and that this machine can resolve public names",
    ),
    "name_server_failed": StopReason(
        "the host of the base URL could not be looked up in DNS",
        "check this machine's network and its name servers; then type the same command again",
        passes=True,
    ),
    "connection_refused": StopReason(
        "nothing listens at the base URL: the connection is refused",
        "check the host and the port of --base-url; the sandbox must be started first",
        passes=True,
    ),
    "connection_forbidden": StopReason(
        "this machine does not let importer connect to the base URL",
        "a local firewall or a sandboxed service forbids it: allow it",
    ),
    "connection_reset": StopReason(
        "whatever answers at the base URL closes every connection before a request can be sent",
        "a firewall on the way, or the wrong port: check --base-url",
        passes=True,
    ),
    "connect_timeout": StopReason(
        "no connection to the base URL came about in time",
        "check --base-url, this machine's network, and whether it needs a proxy (HTTPS_PROXY)",
        passes=True,
    ),
    "network_unreachable": StopReason(
        "there is no way from this machine to the host of the base URL",
        "check this machine's network; then type the same command again",
        passes=True,
    ),
    "too_many_open_files": StopReason(
        "this process may open no more files",
        "raise the limit (ulimit -n), or take a smaller --concurrency",
    ),
    "certificate_expired": StopReason(
        "the certificate of the base URL's host has expired",
        "check this machine's clock; if it is right, only the host's owner can renew it",
    ),
    "certificate_not_yet_valid": StopReason(
        "the certificate of the base URL's host is not valid yet",
        "check this machine's clock",
    ),
    "certificate_wrong_host": StopReason(
        "the certificate belongs to another host than that of the base URL",
        "check the spelling of --base-url; something between may answer in Moment's place",
    ),
    "certificate_unknown_issuer": StopReason(
        "the certificate of the base URL's host is signed by nobody that this machine trusts",
        (
            "name the file of the authority that signs (a company's own?) with --ca-bundle, or in"
            " SSL_CERT_FILE; importer doctor shows who signed it"
        ),
    ),
    "certificate_refused": StopReason(
        "the certificate of the base URL's host cannot be trusted",
        "check --base-url, and whether something between answers in Moment's place",
    ),
    "not_tls": StopReason(
        "what answers at the base URL speaks no TLS",
        "check the port of --base-url; the sandbox is http://, Moment is https://",
    ),
    "tls_failed": StopReason(
        "no TLS connection to the base URL can be made",
        "check --base-url, and whether something between breaks TLS",
    ),
    "proxy_refused": StopReason(
        "a proxy refuses the connection",
        "name its login in HTTPS_PROXY (http://name:password@host:port), or the host in NO_PROXY",
    ),
    "proxy_failed": StopReason(
        "the proxy did not reach the host of the base URL",
        "check --base-url, HTTPS_PROXY and NO_PROXY; then type the same command again",
        passes=True,
    ),
    "proxy_unreachable": StopReason(
        "the proxy that HTTPS_PROXY names cannot be reached",
        "check HTTPS_PROXY, or name the host in NO_PROXY to connect directly",
        passes=True,
    ),
    "unreachable": StopReason(
        "Moment has not answered sensibly for too long",
        "when it is back, type the same command again: nothing is sent twice",
        passes=True,
    ),
    "no_progress": StopReason(
        "no row could be settled for too long, though Moment answers",
        "type the same command again later: it goes on from here, nothing is sent twice",
        passes=True,
    ),
    "told_to_wait": StopReason(
        "Moment asks to wait for longer than a run waits",
        "type the same command again after that time: it goes on from here",
        passes=True,
    ),
    "refused_alike": StopReason(
        "Moment refuses nearly every row with the same words",
        (
            "the cause is more likely in the mapping or the account than in the rows: correct it"
            " and type the same command again (--retry-rejected for rows that need no correction)"
        ),
    ),
    "canary_failed": StopReason(
        "the first rows, which are sent one at a time, could not be settled, all for one reason",
        "nothing else was sent; type the same command again when the cause is gone",
    ),
    "no_workers": StopReason(
        "no worker has joined the scheduler",
        "start workers (docs/many-machines.md), and type the same command again",
        passes=True,
    ),
    "workers_die": StopReason(
        "three workers died while they delivered the same batch",
        "see their logs (out of memory?); then type the same command again: nothing is sent twice",
    ),
    "scheduler_lost": StopReason(
        "the Dask scheduler does not answer",
        "when it is there, type the same command again: nothing is sent twice",
        passes=True,
    ),
    "scheduler_untrusted": StopReason(
        "the Dask scheduler and this machine do not trust each other's certificates",
        "give all machines valid certificates of one authority, and name its file in"
        " DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    ),
    "scheduler_tls": StopReason(
        "the Dask scheduler speaks TLS, and was asked without it, or the other way round",
        "dask+tls://HOST:PORT is with TLS, dask://HOST:PORT without",
    ),
    "worker_failed": StopReason(
        "a worker cannot take part",
        "see what it says: its key, its ledger, its disk",
    ),
    "worker_version": StopReason(
        "a worker has another version of importer",
        "install the same version of importer[dask,postgres] on all machines",
    ),
    "cluster_unfit": StopReason(
        "the Dask cluster cannot run what importer gives to it",
        (
            "install the same versions of Python and of importer[dask,postgres] on all machines,"
            " the scheduler's among them"
        ),
    ),
}


def stop_error(reason: str, *, detail: str = "", message: str = "") -> RunStopped:
    """The error that ends a run for this reason; unknown reasons are spelled out as they are.

    ``message`` is said in place of the general one.
    """
    found = REASONS.get(reason, StopReason(f"the run was stopped: {reason}", ""))
    said = message or found.message
    told = f"{said} [{detail}]" if detail else said
    return RunStopped(told, reason=reason, hint=found.hint, passes=found.passes)


FORM = frozenset({406, 411, 415, 417, 426, 428, 431})
"""What answers say of a request's headers (RFC 9110 section 15.5, RFC 6585): all are alike."""


def turned_away(http_status: int, *, of_api: bool, is_update: bool = False) -> str:
    """The reason of a run in which every row is turned away like this."""
    if http_status in {404, 405}:
        return "updates_not_taken" if is_update else "no_such_endpoint"
    if http_status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2
        return "unauthorised"
    if 300 <= http_status < 400:  # noqa: PLR2004 - the 3xx class, RFC 9110 section 15.4
        return "redirected"
    if of_api and http_status in FORM:
        return "request_not_taken"
    is_forbidden = of_api and http_status == 403  # noqa: PLR2004 - RFC 9110 section 15.5.4
    return "forbidden" if is_forbidden else "something_else_answers"


_OF_CODE = {"not_the_api": "something_else_answers", "asked_to_wait": "told_to_wait"}
"""What a code that all rows share says of the run."""


def first_rows_failed(last: Settle, trouble: str) -> RunStopped:
    """The error of a run whose first rows all end like ``last``; ``trouble`` is the valve's."""
    code = last.error_code
    reason = trouble
    if reason in {"", "unreachable"}:
        reason = _OF_CODE.get(code, "canary_failed")
    status = f"HTTP {last.http_status}" * bool(last.http_status)
    error = stop_error(reason, detail=", ".join(filter(None, (code, status))))
    if reason == "canary_failed" and _is_outage(last.http_status):
        error.exit_code = ExitCode.TEMPFAIL
    return error


def _is_outage(http_status: int) -> bool:
    """No answer, 429 or 5xx: what an outage says to all rows, whatever they hold."""
    return http_status in {0, 429} or http_status >= 500  # noqa: PLR2004 - RFC 9110 section 15.6


IN_SUCCESSION = 50
"""Refused rows with the same words, without one that was taken between them, that stop a run."""
WINDOW = 200
"""The last rows that Moment decided on; refused with the same words among them,"""
SHARE = 0.95
"""so many stop the run, too."""

_OWN = re.compile(r"\S*[0-9]\S*")
"""What may differ from row to row: numbers, and words with digits in them."""


class Refusals:
    """Counts rows that Moment refuses alike: then the rows are less likely wrong than the run.

    A refusal is believed some requests after its answer, a row that is taken at once. So answers
    are numbered as they come: else the last to be believed would look like a row of refusals.
    """

    def __init__(self) -> None:
        self._words = ""
        self._streak = 0
        self._taken = 0
        """The last answer that took a row."""
        self._decided = 0
        """Rows that Moment decided on."""
        self._last: deque[tuple[int, str]] = deque()
        """Of the last of them those that were refused: which of all it was, and the words."""
        self._counts: Counter[str] = Counter()

    def taken(self, answer: int) -> None:
        """A row was taken, by the answer of this number; 0 where none of ours took it."""
        self._decided += 1
        if answer > self._taken:
            self._taken = answer
            self._streak = 0
        elif not answer:
            self._streak = 0

    def looks_taken(self, answer: int) -> None:
        """The last answer, of this number, takes a row, as far as its status tells."""
        self._taken = answer
        self._streak = 0

    def refused(self, reference: str, note: tuple[int, str, str], answer: int) -> str:
        """Moment refuses a row with this status, code and message; its words, if to nearly all."""
        status, code, message = note
        said = f"{code}: {message}".rstrip(": ")
        own = _OWN.sub("#", said.replace(reference, "#"))
        words = f"HTTP {status}, {own}"
        if answer > self._taken:
            self._streak = self._streak + 1 if words == self._words else 1
            self._words = words
        self._decided += 1
        self._last.append((self._decided, words))
        self._counts[words] += 1
        while self._last[0][0] <= self._decided - WINDOW:
            _, oldest = self._last.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        alike = self._counts[words] >= SHARE * WINDOW
        return words if alike or self._streak >= IN_SUCCESSION else ""


def one_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real error of a task group; a person never reads an exception group."""
    first = group.exceptions[0]
    return one_cause(first) if isinstance(first, BaseExceptionGroup) else first
