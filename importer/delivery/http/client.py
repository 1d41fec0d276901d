"""The API client: POST, GET and PATCH, answered by typed outcomes instead of exceptions.

It sends requests straight to a transport: no redirects, no cookies, no compression (so no
decompression bombs), bounded bodies, four timeouts and one deadline over all. Our own network
(network.py) is handed bytes; any other httpx transport can stand in its place. It only encodes and
decodes: when a request may go is the valve's to say (pacing/valve.py).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import anyio
import httpx

from importer.base_url import is_loopback
from importer.delivery.http import answer_reading as reading
from importer.delivery.http.connecting import explain
from importer.delivery.http.network import Answer, head_of, origin_of
from importer.delivery.pacing.server_hints import epoch, retry_after, speaks_of_rate
from importer.delivery.pacing.server_hints import parse as parse_hint
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.delivery.stopping import FORM
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager

    from importer.clock import Clock
    from importer.delivery.http.network import Origin
    from importer.delivery.pacing.server_hints import RateLimitHint
    from importer.delivery.protocol.states import Hashes

    HashesOf = Callable[[str, Mapping[str, Any]], Hashes]
    """(reference, a row or a customer as Moment shows it) -> hashes of its fields, salted."""


MAX_BODY = 1 << 20
"""Bytes of a response body that are read; a customer has a few hundred."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
CONNECTS = 3
"""Connections in succession that fail before anything was ever answered: then the run is wrong."""
_MAY_PASS = frozenset({"name_not_known", "proxy_refused", "proxy_unreachable"})
"""Certain only as long as nothing has answered: name servers and proxies have moods."""
REQUEST_IDS = (
    *(b"x-request-id", b"request-id", b"x-correlation-id", b"x-amzn-requestid"),
    *(b"x-amz-cf-id", b"cf-ray"),
)
"""Headers that say what an answer calls itself, the first that is there: the API's own, then those
of gateways in front of it, whose pages stand in its place in an outage."""
MOST_OF_AN_ID = 128
"""Characters that are kept of one."""
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9._:/+=@-]+")
_KEY = "metadata."
_TRANSIENT = frozenset({408, 425})
_WELL = frozenset({200, 201})
_RUN_WRONG = {
    401: "unauthorised",
    407: "proxy_refused",
}
_MAY_BE_ITS_OWN = frozenset({"unauthorised", "redirected"})
_BLOCKED = frozenset({403, 404, 405, *FORM})
"""To a POST: not about the payload. Whether it is about the run, other rows tell."""
_YES = frozenset({"true", "1", "?1", "yes"})
"""``?1`` is true as a structured field (RFC 9651 section 3.3.6)."""
_WORDS_OF_THE_API = (a.Created, a.Refused, a.Found, a.Absent, u.Shown, u.Patched, u.Gone)
_READ = frozenset({b"content-encoding", b"idempotent-replayed", b"retry-after", b"etag"})
"""Headers of an answer that count, in lower case; and all that speak of a rate limit."""
_STORED = frozenset({b"age", b"idempotent-replayed"})
DATES = 8
"""Answers whose ``Date`` is read."""
_AnswerT = TypeVar("_AnswerT")
_Own = tuple[str, str]
"""A header that only one request has; the value in Latin-1."""
_Header = tuple[bytes, bytes]
_Headers = Sequence[_Header]
_name_of: Callable[[_Header], bytes] = itemgetter(0)


@value
class Timeouts:
    """Seconds for each phase of a request, and for the whole of it."""

    connect: float = 10
    write: float = 10
    read: float = 30
    pool: float = 30
    total: float = 75


class Direct(Protocol):
    """How our own network sends a request (``AsyncioTransport.exchange``)."""

    def __call__(
        self, origin: Origin, data: bytes, seconds: Mapping[str, float], /
    ) -> Awaitable[Answer]:
        """The answer to a request that is given as bytes."""
        ...


class _Reply(NamedTuple):
    """One response, or the reason why there is none."""

    status: int = 0
    body: bytes | None = None
    """None where the body was cut, too large or encoded."""
    headers: _Headers = ()
    looks_well: bool = False
    """Status and headers say that this is a fresh success, and nothing of any limit."""
    body_error: str = ""
    replayed: bool = False
    retry_after: float | None = None
    etag: str = ""
    failure: a.NotSent | a.Unknown | a.RunWrong | None = None
    hint: RateLimitHint | None = None

    @property
    def request_id(self) -> str:
        """What the answer calls itself; "" if nothing."""
        found = {name.lower(): value for name, value in self.headers}
        for name in REQUEST_IDS:
            if text := _NOT_OF_AN_ID.sub("", found.get(name, b"").decode("latin-1")):
                return text[:MOST_OF_AN_ID]
        return ""


class MomentClient:
    """``POST /billing/customers``; ``GET`` and ``PATCH /billing/customers/{customer}``."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        timeouts: Timeouts | None = None,
        safeguards: Safeguards = ALL_ON,
        user_agent: str = "importer",
        hashes: HashesOf | None = None,
    ) -> None:
        self._create_url = httpx.URL(base_url.rstrip("/") + "/billing/customers")
        self._transport = transport
        self._clock = clock
        self._echo_check = safeguards.echo_check
        self._timeouts = timeouts or Timeouts()
        self._deadline: Callable[[], AbstractContextManager[object]] = nullcontext
        if not getattr(transport, "keeps_total", False):
            self._deadline = partial(anyio.fail_after, self._timeouts.total)
        self._seconds = {
            "total": self._timeouts.total,
            "connect": self._timeouts.connect,
            "write": self._timeouts.write,
            "read": self._timeouts.read,
            "pool": self._timeouts.pool,
        }
        self._origin = origin_of(self._create_url)
        # As bytes, and whole: httpx then has nothing to encode, look up or add for each request.
        self._headers = (
            (b"Host", self._create_url.netloc),
            (b"Authorization", f"Bearer {api_key}".encode("ascii")),
            (b"Accept", b"application/json, application/problem+json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", user_agent.encode("ascii")),
        )
        self._post_headers = (*self._headers, (b"Content-Type", b"application/json"))
        self._reached = False
        """Something has answered, so that the base URL is right and the network is there."""
        self._failed_connects = 0
        self._known = False
        """The API itself has answered, to the point."""
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests that left by (method, HTTP status); status 0 is that of no answer."""
        self.clock_ahead: float | None = None
        """Seconds that our clock is ahead of the server's ``Date``; None while none was seen."""
        self._dates = DATES
        self._hashes = hashes

    @property
    def posts(self) -> int:
        """POSTs that left, answered or not."""
        return self._left("post")

    @property
    def gets(self) -> int:
        """Look-ups that left, answered or not."""
        return self._left("get")

    @property
    def patches(self) -> int:
        """PATCHes that left, answered or not."""
        return self._left("patch")

    def _left(self, method: str) -> int:
        return sum(number for (name, _), number in self.answers.items() if name == method)

    async def create(
        self, reference: str, key: str, payload: str
    ) -> tuple[a.Answer | a.Unread, RateLimitHint | None]:
        """POST one customer under an idempotency key.

        Args:
            reference: the row's ``external_reference``, which the answer must echo.
            key: the idempotency key.
            payload: the canonical JSON body.

        Returns:
            The answer, and what its headers say of a rate limit; the answer unread where nothing
            but its body can say anything else than that all is well.
        """
        own = ("Idempotency-Key", key)
        reply = await self._exchange("post", self._create_url, own, payload.encode())
        if reply.looks_well:
            return a.Unread(partial(self._judged, reply, reference, payload)), None
        return self._judged(reply, reference, payload), reply.hint

    async def look_up(
        self, reference: str, payload: str
    ) -> tuple[a.LookUpAnswer, RateLimitHint | None]:
        """GET the customer with this reference, and compare it with the row's payload."""
        reply = await self._exchange("get", httpx.URL(f"{self._create_url}/{reference}"))
        return self._told(reply, self._judge_look_up(reply, reference, payload)), reply.hint

    async def read(
        self, customer_id: str, reference: str
    ) -> tuple[u.ReadAnswer, RateLimitHint | None]:
        """GET one customer by its id, to see what Moment holds; it must be ours by reference."""
        reply = await self._exchange("get", self._url_of(customer_id))
        return self._told(reply, self._judge_read(reply, customer_id, reference)), reply.hint

    async def patch(
        self, patch: u.Patch, payload: str, reference: str
    ) -> tuple[u.PatchAnswer, RateLimitHint | None]:
        """PATCH fields of one customer to the row's values.

        Nothing of it is ever repeated by itself: no idempotency key is documented for PATCH.

        Args:
            patch: which customer, which fields, and what Moment held of metadata.
            payload: the row's canonical JSON body.
            reference: the row's ``external_reference``, which the answer must echo.

        Returns:
            The answer, and what its headers say of a rate limit.
        """
        body = patch_body(patch, json.loads(payload))
        own = ("If-Match", patch.etag) if patch.etag else None
        reply = await self._exchange("patch", self._url_of(patch.customer_id), own, body)
        answer = self._judge_patch(reply, patch.customer_id, reference, payload)
        return self._told(reply, answer), reply.hint

    def _url_of(self, customer: str) -> httpx.URL:
        return httpx.URL(f"{self._create_url}/{quote(customer, safe='')}")

    # What the answers mean ------------------------------------------------------------------------

    def _judged(self, reply: _Reply, reference: str, payload: str) -> a.Answer:
        if reply.failure is not None:
            return reply.failure
        status, found = reply.status, reading.json_object(reply.body)
        answer: a.Answer
        if not 200 <= status < 300:  # noqa: PLR2004 - the 2xx class, RFC 9110 section 15.3
            answer = self._judge_problem(reply, found, payload)
        elif found is None and self._echo_check:
            answer = a.Unbelievable(status, reply.body_error or "answer_not_json")
        else:
            customer = found or {}
            customer_id = reading.customer_id(customer, reference, echo_check=self._echo_check)
            if customer_id is None:
                answer = a.Unbelievable(status, "not_our_customer")
            else:
                seen = self._hashes(reference, customer) if self._hashes else ()
                if not reply.replayed:
                    self._known = True
                    return a.Created(customer_id, status, seen=seen)
                differs = reading.differences(json.loads(payload), customer)
                answer = a.Created(customer_id, status, reply.replayed, differs, seen)
        return self._told(reply, answer)

    def _judge_problem(
        self, reply: _Reply, problem: dict[str, Any] | None, payload: str
    ) -> a.Answer:
        status, replayed = reply.status, reply.replayed
        of_api = reading.is_problem(problem, status)
        if wrong := self._wrong(status, of_api=of_api):
            return a.RunWrong(wrong, status, replayed)
        if status < 200:  # noqa: PLR2004 - no final answer (RFC 9110 section 15.2), or garbage
            return a.Unknown("no_final_answer")
        row = json.loads(payload)
        code = reading.problem_code(problem, status, row)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return a.Throttled(reply.retry_after, replayed)
        if status == httpx.codes.CONFLICT:
            return a.Conflicted(code, replayed)
        if _is_fault(status):
            return a.ServerFault(status, code, replayed, reply.retry_after)
        if status in _BLOCKED or not of_api:
            return a.Blocked(status, of_api, replayed)
        message = reading.problem_message(problem, row)
        exists, about_key = reading.says_exists(problem), reading.about_key(problem)
        return a.Refused(status, code, message, replayed, exists, about_key)

    def _judge_look_up(self, reply: _Reply, reference: str, payload: str) -> a.LookUpAnswer:
        if isinstance(reply.failure, a.RunWrong):
            return reply.failure
        if reply.failure is not None:
            return a.LookUpFailed(reply.failure.error_code)
        status, found = reply.status, reading.json_object(reply.body)
        if status == httpx.codes.OK:
            customer = found or {}
            customer_id = reading.customer_id(customer, reference, echo_check=self._echo_check)
            if customer_id is None:
                wrong = "answer_not_json" if found is None else "not_our_customer"
                return a.LookUpFailed(reply.body_error or wrong, status)
            seen = self._hashes(reference, customer) if self._hashes else ()
            return a.Found(customer_id, reading.differences(json.loads(payload), customer), seen)
        of_api = reading.is_problem(found, status)
        if status == httpx.codes.NOT_FOUND:
            # A gateway's page, or its own JSON, proves nothing about a customer.
            return a.Absent() if of_api else a.LookUpFailed("not_the_api", status)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return a.LookUpFailed(
                "throttled", status, throttled=True, retry_after=reply.retry_after
            )
        if wrong := self._wrong(status, of_api=of_api):
            return a.RunWrong(wrong, status)
        code = reading.problem_code(found, status, json.loads(payload))
        return a.LookUpFailed(code, status, retry_after=reply.retry_after)

    def _judge_read(self, reply: _Reply, customer_id: str, reference: str) -> u.ReadAnswer:
        if isinstance(reply.failure, a.RunWrong):
            return reply.failure
        if reply.failure is not None:
            return a.LookUpFailed(reply.failure.error_code)
        status, found = reply.status, reading.json_object(reply.body)
        if status == httpx.codes.OK:
            if found is None:
                return a.LookUpFailed(reply.body_error or "answer_not_json", status)
            metadata = reading.metadata_texts(found)
            if metadata is None or not self._is_ours(found, customer_id, reference):
                return a.LookUpFailed("not_our_customer", status)
            return u.Shown(self._seen(reference, found), metadata, reply.etag)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return a.LookUpFailed(
                "throttled", status, throttled=True, retry_after=reply.retry_after
            )
        of_api = reading.is_problem(found, status)
        if status == httpx.codes.NOT_FOUND and of_api:
            return u.Gone()
        if wrong := self._wrong(status, of_api=of_api):
            return a.RunWrong(wrong, status)
        code = reading.problem_code(found, status) if of_api else "not_the_api"
        return a.LookUpFailed(code, status, retry_after=reply.retry_after)

    def _judge_patch(
        self, reply: _Reply, customer_id: str, reference: str, payload: str
    ) -> u.PatchAnswer:
        if reply.failure is not None:
            return reply.failure
        status, found = reply.status, reading.json_object(reply.body)
        if 200 <= status < 300:  # noqa: PLR2004 - the 2xx class, RFC 9110 section 15.3
            if found is None:
                return a.Unbelievable(status, reply.body_error or "answer_not_json")
            if not self._is_ours(found, customer_id, reference):
                return a.Unbelievable(status, "not_our_customer")
            return u.Patched(self._seen(reference, found), status)
        if status < 200:  # noqa: PLR2004 - no final answer (RFC 9110 section 15.2), or garbage
            return a.Unknown("no_final_answer")
        of_api = reading.is_problem(found, status)
        row = json.loads(payload)
        code = reading.problem_code(found, status, row)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return a.Throttled(reply.retry_after)
        if status == httpx.codes.NOT_FOUND and of_api:
            return u.Gone()
        if status in {httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED}:
            return u.Clashed(status, code)
        if wrong := self._wrong(status, of_api=of_api):
            return a.RunWrong(wrong, status)
        if _is_fault(status):
            return a.ServerFault(status, code, retry_after=reply.retry_after)
        if status in _BLOCKED or not of_api:
            return a.Blocked(status, of_api, is_update=True)
        return a.Refused(status, code, reading.problem_message(found, row))

    def _wrong(self, status: int, *, of_api: bool) -> str:
        """Why the run is wrong, whatever the row; "" where it is not, or that is not certain.

        Once the API has answered, key and address are right: then a 401 that is no word of the API,
        or a redirect, is a firewall's or a gateway's to this row, and other rows tell how far it
        goes. Before that nothing more is sent: not to a wrong address, not with a wrong key.
        """
        is_redirect = 300 <= status < 400  # noqa: PLR2004 - the 3xx class, RFC 9110 section 15.4
        reason = "redirected" if is_redirect else _RUN_WRONG.get(status, "")
        its_own = self._known and not of_api and reason in _MAY_BE_ITS_OWN
        return "" if its_own else reason

    def _told(self, reply: _Reply, answer: _AnswerT) -> _AnswerT:
        """The same, with what it calls itself; remembers that the API itself has answered."""
        self._known = self._known or isinstance(answer, _WORDS_OF_THE_API)
        # A row that went well at once has no history to keep it in.
        if isinstance(answer, a.Created) and not answer.replayed:
            return answer
        if isinstance(answer, a.Identified) and (request_id := reply.request_id):
            return replace(answer, request_id=request_id)
        return answer

    def _seen(self, reference: str, document: Mapping[str, Any]) -> Hashes:
        if self._hashes is None:
            raise TypeError("a client that reads or updates customers needs a function for hashes")
        return self._hashes(reference, document)

    def _is_ours(self, customer: dict[str, Any], customer_id: str, reference: str) -> bool:
        return not self._echo_check or (
            reading.customer_id(customer, reference, echo_check=True) == customer_id
        )

    # One exchange ---------------------------------------------------------------------------------

    async def _exchange(
        self, method: str, url: httpx.URL, own: _Own | None = None, body: bytes | None = None
    ) -> _Reply:
        """Send one request; ``own`` is the header that only this one has."""
        status: int | None = 0
        try:
            # Our own network takes requests as bytes; any other one httpx's objects.
            direct: Direct | None = getattr(self._transport, "exchange", None)
            if direct is None:
                answer = await self._over_httpx(method, url, own, body)
            else:
                data = self._as_bytes(method, url, own, body)
                answer = await direct(self._origin, data, self._seconds)
            reply = self._read(answer)
            status = reply.status
        except _NEVER_SENT as error:
            status = None
            reply = _Reply(failure=self._not_sent(error))
        except (httpx.TransportError, TimeoutError, OSError) as error:
            reply = _Reply(failure=a.Unknown(_error_code(error)))
        finally:
            if status is not None:  # It may have reached somebody.
                self.answers[method, status] += 1
        return reply

    def _as_bytes(self, method: str, url: httpx.URL, own: _Own | None, body: bytes | None) -> bytes:
        """A request on the wire (RFC 9112 section 3), made as text: bytes take thrice as long."""
        if body is None:
            return b"%s\r\n" % head_of(method.upper(), url, self._headers)
        if method == "post":
            head = self._post_head
        else:
            head = head_of(method.upper(), url, self._post_headers).decode("latin-1")
        line = ""
        if own is not None:
            name, text = own
            if "\n" in text or "\r" in text:
                raise httpx.LocalProtocolError("a header holds a line end")
            line = f"{name}: {text}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n{line}\r\n".encode("latin-1") + body

    @cached_property
    def _post_head(self) -> str:
        """The lines that all POSTs have, made once."""
        return head_of("POST", self._create_url, self._post_headers).decode("latin-1")

    async def _over_httpx(
        self, method: str, url: httpx.URL, own: _Own | None, body: bytes | None
    ) -> Answer:
        """The same through a transport that knows httpx's objects only."""
        headers = [*self._headers]
        if body is not None:
            headers = [*self._post_headers, (b"Content-Length", b"%d" % len(body))]
            if own is not None:
                headers.append((own[0].encode("latin-1"), own[1].encode("latin-1")))
        request = httpx.Request(
            method.upper(),
            url,
            headers=headers,
            stream=httpx.ByteStream(body or b""),
            extensions={"timeout": self._seconds},
        )
        request.read()
        response: httpx.Response | None = None
        is_open, found, cut = True, b"", None
        try:
            with self._deadline():
                response = await self._transport.handle_async_request(request)
                found = await _bounded_body(response)
                await response.aclose()
                is_open = False
        except (httpx.TransportError, TimeoutError, OSError) as error:
            if response is None or isinstance(error, _NEVER_SENT):
                raise
            cut = error
        finally:
            if response is not None and is_open:
                with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                    await response.aclose()
        return response.status_code, response.headers.raw, found, cut

    def _read(self, answer: Answer) -> _Reply:
        """What came back, as far as it counts; most answers have no header that does."""
        status, raw, body, cut = answer
        self._reached = True
        names = tuple(map(_name_of, raw))
        if self._dates and _has_date(names):
            self._note_date(raw)
        if cut is None and len(body) <= MAX_BODY and not _that_count(names):
            return _Reply(status, body, raw, status in _WELL)
        whole, body_error = _believed(body, "body_cut" if cut else "")
        headers = httpx.Headers(raw, encoding="latin-1")
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        if encoding != "identity":
            whole, body_error = None, "body_encoded"
        after = headers.get("Retry-After")
        # A date is the server's: how far off it is, the server's own clock tells.
        now = epoch(headers.get("Date")) if after else None
        wait = retry_after(after, self._clock.now() if now is None else now)
        replayed = _is_true(headers.get("Idempotent-Replayed", ""))
        hint = parse_hint(headers) if any(map(_about_rate, names)) else None
        is_plain = hint is None and wait is None and not replayed
        return _Reply(
            status=status,
            body=whole,
            headers=raw,
            looks_well=is_plain and status in _WELL and whole is not None,
            body_error=body_error,
            replayed=replayed,
            retry_after=wait,
            etag=reading.strong_etag(headers.get("ETag", "")),
            hint=hint,
        )

    def _note_date(self, raw: _Headers) -> None:
        """Hold our clock against an answer's ``Date``; of several answers the nearest counts.

        One that was stored has the time of then: those that say ``Age``, and replayed ones.
        """
        headers = {name.lower(): value for name, value in raw}
        if headers.keys() & _STORED:
            return
        date = epoch(headers[b"date"].decode("latin-1"))
        if date is None:
            return
        self._dates -= 1
        ahead = self._clock.now() - date
        if self.clock_ahead is None or abs(ahead) < abs(self.clock_ahead):
            self.clock_ahead = ahead

    def _not_sent(self, error: httpx.TransportError) -> a.NotSent | a.RunWrong:
        """No connection: the run is wrong where that is certain, else it is tried again.

        A name that was known before is a trouble of name servers; a certificate is none of a
        moment. Nothing that ever answered is given up for what may pass.
        """
        found = explain(error)
        if found is None:
            return a.NotSent(_error_code(error))
        certain = found.is_certain and (not self._reached or found.code not in _MAY_PASS)
        if not certain and not self._reached:
            self._failed_connects += 1
            certain = self._failed_connects >= CONNECTS or (
                found.code == "connection_refused" and is_loopback(self._create_url.host)
            )
        if not certain:
            return a.NotSent(found.code)
        where = self._create_url.netloc.decode("ascii")
        return a.RunWrong(found.code, detail=f"{where}: {found.said}" if found.said else where)


def patch_body(patch: u.Patch, row: Mapping[str, Any]) -> bytes:
    """The JSON of a PATCH: the named fields as the row has them, and metadata as a whole.

    ``currency`` goes beside ``balance`` (the reference page of the update wants it). Metadata is
    what Moment held, each value as it stood there, with the row's values of the named keys over
    it: the same whether the server merges or replaces. ASCII, so that a lone surrogate that
    Moment holds goes back as it came.
    """
    names = {name for name in patch.fields if not name.startswith(_KEY)}
    if "balance" in names and "currency" in row:
        names.add("currency")
    texts = {name: json.dumps(row[name]) for name in names}
    keys = [name.removeprefix(_KEY) for name in patch.fields if name.startswith(_KEY)]
    if keys:
        held = dict(patch.metadata) | {key: json.dumps(row["metadata"][key]) for key in keys}
        texts["metadata"] = _object_of(held)
    return _object_of(texts).encode("ascii")


def _object_of(texts: Mapping[str, str]) -> str:
    """A JSON object of values that are JSON texts already."""
    pairs = ",".join(f"{json.dumps(name)}:{texts[name]}" for name in sorted(texts))
    return f"{{{pairs}}}"


def _is_fault(status: int) -> bool:
    """Whether the server is in trouble, or busy, whatever it was asked."""
    is_5xx = status >= httpx.codes.INTERNAL_SERVER_ERROR and status != a.LOGIN
    return is_5xx or status in _TRANSIENT


def _is_true(value: str) -> bool:
    """Whether all that a header says is yes; a gateway may have repeated it."""
    return all(one.strip().strip('"').lower() in _YES for one in value.split(","))


async def _bounded_body(response: httpx.Response) -> bytes:
    """The body, or a little more than is believed of one that is too large."""
    parts: list[bytes] = []
    size = 0
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("the transport gave no stream to read from")
    async for part in stream:
        size += len(part)
        parts.append(part)
        if size > MAX_BODY:
            break
    return b"".join(parts)


def _believed(body: bytes, body_error: str) -> tuple[bytes | None, str]:
    """The body as far as it counts, and why it does not."""
    if len(body) > MAX_BODY:
        return None, "body_too_large"
    return (None, body_error) if body_error else (body, "")


# A server has few sets of names, which stay the same from one answer to the next.


@lru_cache(maxsize=256)
def _that_count(names: tuple[bytes, ...]) -> bool:
    """Whether any header of an answer with these says something to us."""
    return any(name.lower() in _READ or _about_rate(name) for name in names)


@lru_cache(maxsize=256)
def _has_date(names: tuple[bytes, ...]) -> bool:
    return any(name.lower() == b"date" for name in names)


def _about_rate(name: bytes) -> bool:
    return speaks_of_rate(name.decode("latin-1"))


def _error_code(error: BaseException) -> str:
    """``ReadTimeout`` -> ``read_timeout``."""
    name = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
