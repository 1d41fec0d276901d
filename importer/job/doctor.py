"""``doctor``: is everything there that a run needs? One line for each thing, with its fix.

It writes nothing and POSTs nothing: the ledger is opened so that no file is made or changed, and
Moment is asked for one customer that nobody has. All checks are made, each within its time,
whatever becomes of the others. Nothing that it tells holds a secret.
"""

from __future__ import annotations

import asyncio
import os
import queue
import secrets
import socket
import ssl
import stat
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from importer import __version__
from importer.base_url import is_loopback
from importer.clock import WallClock, span
from importer.delivery.credentials import read_api_key
from importer.delivery.http.client import MomentClient, Timeouts
from importer.delivery.http.connecting import Failure, explain
from importer.delivery.http.network import AsyncioTransport
from importer.delivery.protocol import answers as a
from importer.delivery.protocol.creating import Policy
from importer.delivery.stopping import REASONS, stop_error
from importer.errors import ImporterError, UsageError, printable
from importer.job.world import iso
from importer.ledger import ledger_health as health
from importer.ledger.account import Account
from importer.ledger.interface import NoLedger, OlderLedger
from importer.ledger.opening import open_ledger, read_accounts
from importer.ledger.renamed import doubt
from importer.ledger.sqlite.lock import OTHERS_LOCK
from importer.ledger.sqlite.migrations import STEPS
from importer.values import value
from importer.way import Proxy, authorities, trust, way_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from importer.clock import Clock
    from importer.delivery.credentials import ApiKey
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.ledger.address import LedgerAddress
    from importer.ledger.ledger import Ledger

OK, WARN, FAIL, SKIP = "ok", "warn", "FAIL", "skip"
LIMIT = 15.0
"""Seconds for each check; a key's command has its own time (delivery.credentials)."""
_CONNECT = 5.0
_DAY = 86_400.0
_KEY_LIVES = 24 * 3600.0
"""Seconds for which Moment keeps an idempotency key (API page)."""
OFF_WARN = 60.0
"""Seconds that a clock may be off before it is told."""
OFF_FAIL = (_KEY_LIVES - Policy().stale_after) / 2
"""Two hours. A row that was sent is looked up before it is sent again once it is 20 hours old,
because its key lives 24: four hours in reserve, for two machines that err in opposite ways."""
DAYS_WARN = 7
"""Days that a certificate should still live."""
FREE_WARN, FREE_FAIL = 1 << 30, 64 << 20
"""Bytes on the disk of the ledger or of the results: below them a run may not come to its end."""
SLOW = 0.05
"""Seconds for a question to a PostgreSQL server, beyond which runs are slow."""
_BACKUP_OLD = 7 * _DAY
_OTHER_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE")
"""Variables in which other programs are told of a company's authorities."""


_NO_BASIC = (
    "it takes no login with a name and a password (Basic): a helper on this machine, such as px or"
    " cntlm, can log in; name it in HTTPS_PROXY"
)


_HANGS = {
    "dns": "the name servers do not answer: check this machine's network",
    "ledger": "does its disk, or its server, answer? a network file system may hang",
    "results": "does the disk answer? a network file system may hang",
    "source": "does the host answer? ssh -v shows what it waits for",
    "api": "something on the way swallows what is sent: a firewall, or a proxy that is not named?",
}
"""What may hold a check that is not over in time."""


class Check(NamedTuple):
    """What was found of one thing."""

    name: str
    """Stable, for example ``clock``."""
    status: str
    """``ok``, ``warn``, ``FAIL``, or ``skip`` where something else must be mended first."""
    said: str
    fix: str = ""


@value
class Examined:
    """All that was found."""

    checks: tuple[Check, ...]

    @property
    def is_fit(self) -> bool:
        """Whether nothing failed; a warning is no failure."""
        return all(one.status != FAIL for one in self.checks)

    def number(self, status: str) -> int:
        """How many have this status."""
        return sum(one.status == status for one in self.checks)


class _Plan(NamedTuple):
    """Checks that are made together, one after the other."""

    name: str
    make: Callable[[], Iterable[Check]]


def doctor(
    inputs: InputSettings,
    delivery: DeliverySettings,
    *,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    limit: float = LIMIT,
) -> Examined:
    """Look at everything that a run with these settings would need.

    Args:
        inputs: ``sources`` may be empty.
        delivery: where the API and the ledger are.
        environment: key, proxies, authorities.
        clock: this machine's.
        limit: seconds for each group of checks.
    """
    clock = clock or WallClock()
    keys = _Keys(environment, live=delivery.live)
    key_checks = _within(_Plan("key", keys.checks), None)
    api = _Api(delivery.base_url, keys.key, inputs.ca_bundle, environment, clock)
    plans = [
        _Plan("network", api.way),
        _Plan("dns", api.dns),
        _Plan("tls", api.tls),
        _Plan("api", api.ask),
        _Plan("ledger", partial(_ledger, delivery, keys.key, clock)),
        _Plan("results", partial(_results, inputs.out)),
        *(_Plan("mapping", partial(_mapping, path)) for path in [inputs.config] if path),
        *(_Plan("source", partial(_source, name)) for name in inputs.sources),
    ]
    # All at once: what hangs costs its own time only.
    begun = [_begin(plan) for plan in plans]
    ends = time.monotonic() + limit
    found = [key_checks, *(_end(one, ends) for one in begun)]
    return Examined(tuple(_first_causes(check for checks in found for check in checks)))


_RESTS_ON = {"dns": ("tls", "connection", "api"), "tls": ("api",), "connection": ("api",)}
"""What fails for the same reason as another check, which comes before it."""


def _first_causes(checks: Iterable[Check]) -> Iterator[Check]:
    """Tell a cause once: what only follows from it is left for when it is mended."""
    follows: dict[str, str] = {}
    for check in checks:
        if check.status == FAIL and check.name in follows:
            yield Check(check.name, SKIP, f"not before {follows[check.name]} is mended")
            continue
        if check.status == FAIL:
            follows |= dict.fromkeys(_RESTS_ON.get(check.name, ()), check.name)
        yield check


# Time -----------------------------------------------------------------------------------------


class _Begun(NamedTuple):
    plan: _Plan
    answer: queue.SimpleQueue[Check | None]


def _begin(plan: _Plan) -> _Begun:
    """Make checks in a thread that nobody waits for when the time is over."""
    answer: queue.SimpleQueue[Check | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            for check in plan.make():
                answer.put(check._replace(said=printable(check.said), fix=printable(check.fix)))
        except ImporterError as error:
            answer.put(Check(plan.name, FAIL, error.message, error.hint))
        except Exception as error:  # noqa: BLE001 - one check that fails must not end the others
            answer.put(Check(plan.name, FAIL, f"the check itself failed: {type(error).__name__}"))
        finally:
            answer.put(None)

    threading.Thread(target=work, name=f"doctor {plan.name}", daemon=True).start()
    return _Begun(plan, answer)


def _end(begun: _Begun, ends: float | None) -> list[Check]:
    found: list[Check] = []
    while True:
        left = None if ends is None else max(0.0, ends - time.monotonic())
        try:
            check = begun.answer.get(timeout=left)
        except queue.Empty:
            name = begun.plan.name
            return [*found, Check(name, FAIL, "no answer in time", _HANGS.get(name, _HANGS["api"]))]
        if check is None:
            return found
        found.append(check)


def _within(plan: _Plan, seconds: float | None) -> list[Check]:
    return _end(_begin(plan), None if seconds is None else time.monotonic() + seconds)


# The key --------------------------------------------------------------------------------------


class _Keys:
    """Reads the key as a run would."""

    def __init__(self, environment: Mapping[str, str], *, live: bool) -> None:
        self._environment = environment
        self._live = live
        self.key: ApiKey | None = None

    def checks(self) -> Iterator[Check]:
        key = self.key = read_api_key(self._environment)
        said = f"secret key, {key.mode} mode, {len(key.secret)} characters, from {key.source}"
        if key.warning:
            yield Check("key", WARN, f"{said}: {key.warning}", "chmod 600 the file")
        else:
            needs = "; a run wants --live" if key.mode == "live" and not self._live else ""
            yield Check("key", OK, said + needs)


# The way to the API, and the API --------------------------------------------------------------


class _Api:
    """What lies between this machine and Moment."""

    def __init__(
        self,
        base_url: str,
        key: ApiKey | None,
        bundle: Path | None,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._url = httpx.URL(base_url)
        self._base_url = base_url
        self._key = key
        self._bundle = bundle
        self._environment = environment
        self._clock = clock
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._is_tls = parts.scheme == "https"
        self._has_address = False
        self._looked_up = threading.Event()
        """Nobody connects before: see ``dns``."""

    def _proxy(self) -> Proxy | None:
        return way_to(self._url.scheme, self._host, self._environment, port=self._port).proxy

    def way(self) -> Iterator[Check]:
        """The settings that decide how to connect."""
        yield Check("base_url", OK, self._base_url)
        try:
            way = way_to(self._url.scheme, self._host, self._environment, port=self._port)
            proxy = way.proxy
            if proxy is None:
                yield Check("proxy", OK, f"none: {way.why}")
            else:
                login = ", with a login" if proxy.authorization else ""
                yield Check("proxy", OK, f"{proxy.url}{login}, from {way.why}")
        except UsageError as error:
            yield Check("proxy", FAIL, error.message, error.hint)
        if not self._is_tls:
            return
        named = authorities(self._environment, self._bundle)
        by = f"from {named.said_by}" if named.said_by else "the certifi package's list"
        try:
            count = len(trust(self._environment, self._bundle).get_ca_certs())
            word = "authority" if count == 1 else "authorities"
            number = f"{count:,} {word}, " if count else ""
            yield Check("authorities", OK, f"{number}{named.where}, {by}")
        except UsageError as error:
            yield Check("authorities", FAIL, error.message, error.hint)

    # DNS ---------------------------------------------------------------------------------------

    def dns(self) -> Iterator[Check]:
        """All addresses of the host, and which of them take a connection."""
        try:
            proxy = self._proxy()
            host, port = (self._host, self._port) if proxy is None else (proxy.host, proxy.port)
            whose = "" if proxy is None else f" (the proxy; it looks up {self._host} itself)"
            # In this thread, which nobody waits for: a loop would wait for name servers that hang.
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            self._has_address = True
        except socket.gaierror as error:
            failure = explain(error) or Failure("name_not_known")
            yield _failed("dns", failure, f"{host}{whose}: {failure.said}", proxy)
            return
        finally:
            self._looked_up.set()
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        reached = asyncio.run(_reach(addresses, port))
        told = ", ".join(
            one if why is None else f"{one} ({why})"
            for one, why in zip(addresses, reached, strict=True)
        )
        said = f"{host}{whose} is {told}"
        dead = sum(why is not None for why in reached)
        if dead == len(addresses):
            yield Check("dns", WARN, f"{said}: the name is known, no address is reached", "see tls")
        else:
            yield Check("dns", OK, said)

    def _is_found(self) -> bool:
        self._looked_up.wait()
        return self._has_address

    # TLS ---------------------------------------------------------------------------------------

    def tls(self) -> Iterator[Check]:
        """Connect as a run would, and look at who answers; nothing is sent."""
        name = "tls" if self._is_tls else "connection"
        proxy = self._proxy()
        if not self._is_found():
            yield Check(name, SKIP, "not before dns is mended")
            return
        try:
            seen = asyncio.run(self._greeted(trust(self._environment, self._bundle)))
        except (httpx.TransportError, OSError) as error:
            failure = explain(error)
            if failure is None:
                yield Check(name, FAIL, f"no connection: {type(error).__name__}")
                return
            said = f"{self._host}:{self._port}: {failure.said}"
            if failure.code.startswith("certificate"):
                said += self._presented()
            yield _failed(name, failure, said, proxy, self._hint(failure))
            return
        if seen is None:
            yield Check(name, OK, f"{self._host}:{self._port} answers, without TLS: this machine")
            return
        yield self._judged(seen)

    def _judged(self, seen: _Seen) -> Check:
        days = seen.days_left(self._clock.now())
        said = (
            f"{seen.version}, {seen.names}, valid for {days:,.0f} days until {seen.until},"
            f" verified by the authorities of {authorities(self._environment, self._bundle).where}"
        )
        if days < DAYS_WARN:
            fix = f"only the owner of {self._host} can renew it: tell them, or wait"
            return Check("tls", WARN, said, fix)
        if self._is_inspected():
            return Check(
                "tls",
                WARN,
                f"{said}; only they know it: a proxy that inspects TLS reads the key and every"
                " customer",
                f"if that is not wanted, ask who runs the network for an exception for"
                f" {self._host}",
            )
        return Check("tls", OK, said)

    def _is_inspected(self) -> bool:
        """Whether the usual authorities do not know who answers under a public name."""
        named = authorities(self._environment, self._bundle)
        if not named.said_by or is_loopback(self._host):
            return False
        try:
            asyncio.run(self._greeted(trust({})))
        except (httpx.TransportError, OSError) as error:
            failure = explain(error)
            return failure is not None and failure.code == "certificate_unknown_issuer"
        return False

    def _presented(self) -> str:
        """Whose certificate it is that is refused; nothing is sent to who has it."""
        open_to_all = ssl.create_default_context()
        open_to_all.check_hostname = False
        open_to_all.verify_mode = ssl.CERT_NONE
        try:
            seen = asyncio.run(self._greeted(open_to_all))
        except (httpx.TransportError, OSError):
            return ""
        return f" (it shows {seen.names}, valid until {seen.until})" if seen else ""

    def _hint(self, failure: Failure) -> str:
        if failure.code == "proxy_refused" and "(it wants" in failure.said:
            return "" if "Basic" in failure.said else _NO_BASIC
        if failure.code != "certificate_unknown_issuer":
            return ""
        for variable in _OTHER_BUNDLES:
            if path := self._environment.get(variable):
                return f"{variable} names {path}: give it as --ca-bundle, or in SSL_CERT_FILE"
        return "name the file of the authority that signs (a company's own?) with --ca-bundle"

    async def _greeted(self, context: ssl.SSLContext) -> _Seen | None:
        transport = AsyncioTransport(verify=context, environment=self._environment)
        try:
            return await transport.greet(self._url, _CONNECT * 2, _seen)
        finally:
            await transport.aclose()

    # The API -----------------------------------------------------------------------------------

    def ask(self) -> Iterator[Check]:
        """GET a customer that nobody has, and look at the clock of who answers."""
        if not self._is_found():
            yield Check("api", SKIP, "not before dns is mended")
            yield self._clock_check(None)
            return
        asyncio_network = AsyncioTransport(
            verify=trust(self._environment, self._bundle) if self._is_tls else None,
            environment=self._environment,
        )
        network = _Noting(asyncio_network, with_key=self._key is not None)
        answer = asyncio.run(self._asked(network))
        yield self._api_check(answer, network)
        yield self._clock_check(network)

    async def _asked(self, network: _Noting) -> a.LookUpAnswer:
        client = MomentClient(
            base_url=self._base_url,
            api_key=self._key.secret if self._key is not None else "none",
            transport=network,
            clock=self._clock,
            timeouts=Timeouts(connect=_CONNECT, read=_CONNECT),
            user_agent=f"importer/{__version__}",
        )
        try:
            answer, _ = await client.look_up(f"importer-doctor-{secrets.token_hex(16)}", "{}")
        finally:
            await network.aclose()
        return answer

    def _api_check(self, answer: a.LookUpAnswer, network: _Noting) -> Check:
        took = f"{network.seconds * 1000:,.0f} ms"
        match answer:
            case a.Absent():
                return Check(
                    "api",
                    OK,
                    "a customer that nobody has is 404, in Moment's own words (problem details);"
                    f" the key is taken; {took}",
                )
            case a.Found():
                return Check(
                    "api",
                    FAIL,
                    "what answers knows a customer that nobody has: it is no Moment",
                    "check --base-url",
                )
            case a.RunWrong(reason, status, detail=detail):
                if reason == "redirected":
                    detail = network.leads_to
                return self._wrong(reason, status, detail, network)
            case a.LookUpFailed():
                return self._look_up_failed(answer, network)

    def _wrong(self, reason: str, status: int, detail: str, network: _Noting) -> Check:
        if self._key is None and reason == "unauthorised":
            return Check("api", SKIP, "Moment answers; there is no key to ask with", "see key")
        told = detail or (f"HTTP {status}, {network.kind}" if status else "")
        error = stop_error(reason, detail=told)
        return Check("api", FAIL, error.message, error.hint)

    def _look_up_failed(self, answer: a.LookUpFailed, network: _Noting) -> Check:
        status, code = answer.http_status, answer.error_code
        if answer.throttled:
            wait = f", and asks to wait {answer.retry_after:,.0f} s" if answer.retry_after else ""
            said = f"Moment answers 429 (too many requests){wait}"
            fix = "somebody uses this key right now: let it end, or share the rate with --rate"
            return Check("api", WARN, said, fix)
        if status == httpx.codes.OK or (status and not network.is_problem):
            error = stop_error("something_else_answers", detail=f"HTTP {status}, {network.kind}")
        elif status == httpx.codes.FORBIDDEN or (not status and code in REASONS):
            error = stop_error("forbidden" if status else code, detail=code if status else "")
        else:
            return Check("api", FAIL, *_not_answered(status, code))
        return Check("api", FAIL, error.message, error.hint)

    def _clock_check(self, network: _Noting | None) -> Check:
        if network is None or network.date is None:
            answered = network is not None and network.status
            why = "the answer has no Date" if answered else "nobody answered"
            return Check("clock", SKIP, f"{why}, so this machine's clock was held against nothing")
        off = network.at - network.date
        exact = f"{abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} the server"
        if abs(off) < OFF_WARN:
            return Check("clock", OK, f"right to {max(2, round(abs(off)))} s")
        hours = f"{abs(off) / 3600:.1f} h " + ("ahead of" if off > 0 else "behind") + " the server"
        told = exact if abs(off) < OFF_FAIL else hours
        why = (
            "; rows that were sent are looked up before they are sent again once they are 20 hours"
            " old, as Moment forgets keys after 24: that rests on the clock"
        )
        fix = "set the clock (timedatectl set-ntp true), also on the other machines of this ledger"
        return Check("clock", WARN if abs(off) < OFF_FAIL else FAIL, told + why, fix)


def _not_answered(status: int, code: str) -> tuple[str, str]:
    """What is said of an answer that is none to the question, and the fix."""
    if not status:
        return (
            f"a connection comes about, and no answer that can be read ({code})",
            (
                "something between holds or cuts it, or another server listens at this port:"
                " check --base-url, and ask who runs the network"
            ),
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return (
            f"Moment is in trouble of its own (HTTP {status})",
            "wait: a run would try again, and stop after --patience",
        )
    return (
        f"Moment does not take the question (HTTP {status}, {code})",
        "a key that is not valid is answered so: check MOMENT_API_KEY",
    )


class _Noting(httpx.AsyncBaseTransport):
    """Remembers what the last answer looked like; without a key it sends none."""

    keeps_total = True

    def __init__(self, inner: AsyncioTransport, *, with_key: bool) -> None:
        self._inner = inner
        self._with_key = with_key
        self.status = 0
        self.seconds = 0.0
        self.at = 0.0
        self.date: float | None = None
        self.kind = ""
        self.is_problem = False
        self.leads_to = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on."""
        if not self._with_key:
            del request.headers["Authorization"]
        began, wall = time.monotonic(), time.time()
        response = await self._inner.handle_async_request(request)
        self.seconds = time.monotonic() - began
        self.at = wall + self.seconds / 2
        self.status = response.status_code
        headers = response.headers
        self.date = _date(headers.get("date"), headers.get("age"))
        self.kind = printable(headers.get("content-type", "no content type"))[:60]
        self.is_problem = "json" in self.kind.lower()
        target = urlsplit(str(httpx.URL(request.url).join(headers.get("location", ""))))
        self.leads_to = f"to {target.scheme}://{target.hostname}" if target.hostname else ""
        return response

    async def aclose(self) -> None:
        """Close the network."""
        await self._inner.aclose()


def _date(text: str | None, age: str | None) -> float | None:
    """The server's time, from ``Date`` and, where a cache answered, ``Age`` (RFC 9111)."""
    try:
        found = parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return found + (int(age) if age and age.isdecimal() and len(age) < 10 else 0)  # noqa: PLR2004


async def _reach(addresses: list[str], port: int) -> list[str | None]:
    """Why an address takes no connection; None where it does."""

    async def one(address: str) -> str | None:
        try:
            async with asyncio.timeout(_CONNECT):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return "no answer"
        except OSError as error:
            failure = explain(error)
            return failure.said if failure else "no connection"
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return None

    return await asyncio.gather(*map(one, addresses))


def _failed(name: str, failure: Failure, said: str, proxy: Proxy | None, fix: str = "") -> Check:
    error = stop_error(failure.code)
    by = f" by way of the proxy {proxy.where}" if proxy is not None else ""
    return Check(name, FAIL, f"{error.message}{by} [{said}]", fix or error.hint)


# Certificates ---------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """What a TLS handshake showed."""

    version: str
    names: str
    """Whose certificate, and who signed it, in words."""
    ends: float
    """Epoch seconds: the first end of a certificate in the chain; infinite where nobody tells."""

    def days_left(self, now: float) -> float:
        return (self.ends - now) / _DAY

    @property
    def until(self) -> str:
        return "a time that is not told" if self.ends == float("inf") else iso(self.ends)


def _seen(tls: Any) -> _Seen | None:
    """What is known of the other side; also where its certificate was not verified.

    ``getpeercert`` tells nothing of a certificate that was not verified, and Python has public
    names for the chain from 3.13 on: asked for with care, as it is only for people.
    """
    if tls is None:
        return None
    chain: list[dict[str, Any]] = []
    try:
        inner = getattr(tls, "_sslobj", tls)
        chain = [one.get_info() for one in inner.get_unverified_chain() or ()]
    except (AttributeError, TypeError, ValueError, ssl.SSLError):
        chain = [found] if (found := tls.getpeercert()) else []
    if not chain:
        return _Seen(tls.version() or "TLS", "a certificate", float("inf"))
    issuers = dict.fromkeys(_called(one.get("issuer")) for one in chain)
    own, named = _called(chain[0].get("subject")), chain[0].get("subjectAltName", ())
    whose = ", ".join(printable(str(name))[:60] for _, name in named[:2]) or own
    names = f"{whose}, signed by {' < '.join(issuers)}"
    if _called(chain[0].get("issuer")) == own:
        names = f"{own}, signed by itself"
    ends = min(ssl.cert_time_to_seconds(str(one["notAfter"])) for one in chain)
    return _Seen(tls.version() or "TLS", names, float(ends))


def _called(name: Any) -> str:
    """A distinguished name in short: its common name, and the organisation."""
    parts = {key: value for group in name or () for key, value in group}
    common = parts.get("commonName") or parts.get("organizationalUnitName") or ""
    organisation = parts.get("organizationName", "")
    shown = " of ".join(filter(None, (common, organisation if organisation != common else "")))
    return printable(shown)[:100] or "somebody without a name"


# The ledger -----------------------------------------------------------------------------------


def _ledger(delivery: DeliverySettings, key: ApiKey | None, clock: Clock) -> Iterator[Check]:
    address = delivery.ledger
    path = address.path
    if path is not None:
        yield from _ledger_file(address, path, delivery, key, clock)
        return
    try:
        server = health.look_at_server(address)
    except (NoLedger, OlderLedger) as error:
        yield _no_ledger(error)
        return
    yield _server_check(address, server)
    for run, holder, left in server.leases:
        yield Check(
            "lease", OK, f"run {run} ({holder}) holds an account; its lease ends in {left:.0f} s"
        )
    if not server.leases:
        yield Check("lease", OK, "nobody works on it")
    yield _archive_check(server, clock)
    yield from _contents(address, delivery, key, clock, is_held=bool(server.leases))


def _no_ledger(error: UsageError) -> Check:
    if isinstance(error, NoLedger):
        return Check("ledger", WARN, f"{error.message}: everybody would be new", error.hint)
    return Check("ledger", WARN, error.message, error.hint)


def _server_check(address: LedgerAddress, server: health.Server) -> Check:
    safe = server.tls or ("a local socket" if server.is_local else "no TLS")
    said = (
        f"{address}: PostgreSQL {server.version}, {safe}, {server.seconds * 1000:.1f} ms a question"
    )
    if server.is_standby:
        return Check(
            "ledger", FAIL, f"{said}; it is a standby, which is read-only", "name the primary"
        )
    if server.durable in {"off", "local"}:
        return Check(
            "ledger",
            FAIL,
            f"{said}; synchronous_commit = {server.durable}: an id may be lost",
            "ALTER ROLE ... SET synchronous_commit = on (or of the database, or the server)",
        )
    if not server.tls and not server.is_local:
        fix = "add ?sslmode=verify-full to the URL: names and balances travel there"
        return Check("ledger", WARN, said, fix)
    if server.seconds > SLOW:
        return Check("ledger", WARN, f"{said}: runs wait for it", "run nearer to the database")
    return Check("ledger", OK, said)


def _archive_check(server: health.Server, clock: Clock) -> Check:
    if server.archive_fails:
        return Check(
            "backup", WARN, "the server's last try to archive its log failed", "see its log"
        )
    if server.archived_at is None:
        return Check("backup", OK, "the server archives no log; its dumps cannot be seen from here")
    return Check(
        "backup", OK, f"the server archived its log {_ago(clock.now() - server.archived_at)}"
    )


def _ledger_file(
    address: LedgerAddress,
    path: Path,
    delivery: DeliverySettings,
    key: ApiKey | None,
    clock: Clock,
) -> Iterator[Check]:
    usable = True
    try:
        read_accounts(address, connect=health.untouched)
    except (NoLedger, OlderLedger) as error:
        usable = False
        folder = health.nearest(path.parent)
        if isinstance(error, NoLedger) and (
            folder != path.absolute().parent or not os.access(folder, os.W_OK)
        ):
            fix = "make the folder, or give --ledger a path in one that you may write to"
            yield Check("ledger", FAIL, f"{error.message}, and its folder cannot be written", fix)
        else:
            yield _no_ledger(error)
    except ImporterError as error:
        usable = False
        yield Check("ledger", FAIL, error.message, error.hint)
    else:
        yield _file_check(path)
    holder = health.file_holder(path)
    if closed := health.closed_side(path):
        yield Check("lock", FAIL, f"{closed} beside it may not be used by this user", OTHERS_LOCK)
    else:
        yield Check("lock", OK, f"{holder} works on it" if holder else "nobody works on it")
    yield _space_check("disk", path.parent, "the ledger")
    if usable:
        yield from _contents(address, delivery, key, clock, is_held=bool(holder))
        yield _backup_check(path, clock)


def _file_check(path: Path) -> Check:
    kind = health.file_system(path)
    if health.is_network(kind):
        return Check(
            "ledger",
            WARN,
            f"{path} lies on a network file system ({kind}), whose locks cannot be relied on",
            "put it on a local disk, or use a ledger in PostgreSQL (docs/many-machines.md)",
        )
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        fix = "run as its owner, or give yourself the rights of the file and its folder"
        return Check("ledger", FAIL, f"{path} may not be written by this user", fix)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check(
            "ledger", WARN, f"{path} can be read by others ({mode:04o})", f"chmod 600 {path}"
        )
    on = f", on {kind}" if kind else ""
    return Check(
        "ledger", OK, f"{path}, {path.stat().st_size / 1e6:,.1f} MB{on}, schema {len(STEPS)}"
    )


def _contents(
    address: LedgerAddress,
    delivery: DeliverySettings,
    key: ApiKey | None,
    clock: Clock,
    *,
    is_held: bool,
) -> Iterator[Check]:
    """What the ledger knows of the account that a run would work for."""
    mode = key.mode if key is not None else "live" if delivery.live else "test"
    open_other = partial(
        open_ledger, address, create=False, read_only=True, connect=health.untouched
    )
    with open_other(Account(delivery.base_url, mode, delivery.account)) as ledger:
        doubted = doubt(ledger, open_other, key.secret if key is not None else None)
        known = ledger.totals().get("done", 0)
        if doubted is not None:
            yield Check("account", WARN, doubted.message, doubted.hint)
        elif key is not None and not ledger.same_key(key.secret):
            yield Check(
                "account",
                WARN,
                f"{known:,} customers of {ledger.label}; the key is another than the last run's",
                "a rotated key of the same merchant: --key-changed; another merchant: --account",
            )
        else:
            yield Check("account", OK, f"{known:,} customers of {ledger.label}")
        yield _last_run(ledger, clock, is_held=is_held)


def _last_run(ledger: Ledger, clock: Clock, *, is_held: bool) -> Check:
    runs = ledger.runs(1)
    if not runs:
        return Check("last_run", OK, "none yet")
    run = runs[0]
    if run.ended_at is None:
        said = f"{run.run_id} began {_ago(clock.now() - run.started_at)} and has not ended"
        if is_held:
            return Check("last_run", OK, said)
        fix = "type the same command again: it goes on, and nothing is sent twice"
        return Check("last_run", WARN, f"{said}, and nobody works: it was killed", fix)
    said = f"{run.run_id} ended {_ago(clock.now() - run.ended_at)} with exit code {run.exit_code}"
    return Check("last_run", OK, said)


def _backup_check(path: Path, clock: Clock) -> Check:
    copy = health.newest_copy(path)
    if copy is None:
        said = "no copy lies beside the ledger; copies elsewhere cannot be seen from here"
        return Check("backup", OK, said)
    age = clock.now() - copy.made_at
    said = f"the newest copy beside it, {copy.path.name}, is from {_ago(age)}"
    if age > _BACKUP_OLD:
        return Check("backup", WARN, said, f'sqlite3 {path} ".backup COPY" makes a new one')
    return Check("backup", OK, said)


def _space_check(name: str, folder: Path, what: str) -> Check:
    space = health.space_of(folder)
    said = f"{space.free / 1e9:,.1f} of {space.total / 1e9:,.1f} GB free for {what}"
    if space.free < FREE_FAIL:
        return Check(name, FAIL, said, "make room there, or name another place")
    if space.free < FREE_WARN:
        return Check(name, WARN, said, "make room there before a large run")
    return Check(name, OK, said)


def _ago(seconds: float) -> str:
    """``3 minutes ago``; where the clock says so, ``in 3 minutes``."""
    return f"in {span(-seconds)}, by this clock" if seconds < -OFF_WARN else f"{span(seconds)} ago"


# Folders and files ----------------------------------------------------------------------------


def _results(out: Path) -> Iterator[Check]:
    folder = health.nearest(out)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        fix = "choose a folder with --out that you may write to"
        yield Check("results", FAIL, f"{out} cannot be written", fix)
        return
    said = f"{out} can be written" if out.exists() else f"{out} will be made in {folder}"
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        fix = f"chmod o-w {folder}"
        yield Check("results", WARN, f"{said}; everybody may move its files away", fix)
    elif health.is_network(kind := health.file_system(out)):
        yield Check("results", OK, f"{said}; it lies on a network file system ({kind})")
    else:
        yield Check("results", OK, f"{said}; each run's folder is readable by its user only")
    yield _space_check("results_disk", out, "results and scratch files")


def _mapping(path: Path) -> Iterator[Check]:
    """It was read before this command began: what is wrong in it has ended that."""
    yield Check("mapping", OK, f"{path} can be read, and its settings are settings")


def _source(name: str) -> Iterator[Check]:
    from importer.source.remote import (  # noqa: PLC0415
        is_url,
        look_at,
        shown_source,
    )

    if name == "-":
        yield Check("source", OK, "standard input: read by a run only")
        return
    shown = shown_source(name)
    if is_url(name):
        yield Check("source", OK, f"{shown}: {look_at(name)}")
        return
    path = Path(name)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        yield Check("source", FAIL, f"{shown} {what}", "check the path")
    elif not os.access(path, os.R_OK):
        yield Check("source", FAIL, f"{shown} may not be read by this user", "check its rights")
    else:
        yield Check(
            "source", OK, f"{shown}, {path.stat().st_size:,} bytes; importer check reads it"
        )
