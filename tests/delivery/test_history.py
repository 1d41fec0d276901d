"""What of an exchange goes into a row's history, and what it says of Moment."""

from __future__ import annotations

import httpx
import pytest

from importer.clock import WallClock
from importer.delivery.history import attempt_of, attempt_of_update, said
from importer.delivery.http.client import MomentClient, _Reply
from importer.delivery.pacing.outage import Said
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight
from importer.delivery.protocol.states import Attempt, Sent

FLIGHT = Flight("REF", b"A", Sent(2, b"A", 1.0), sends=1)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (a.NotSent("x"), Said.FAULT),
        (a.Unknown("x"), Said.FAULT),
        (a.ServerFault(503, "x"), Said.FAULT),
        (a.ServerFault(500, "x", replayed=True), Said.SENSE),
        (a.Throttled(), Said.THROTTLED),
        (a.Throttled(replayed=True), Said.SENSE),
        (a.Created("bcus_1"), Said.SENSE),
        (a.Refused(400, "x"), Said.SENSE),
        (a.Conflicted(), Said.SENSE),
        (a.Unbelievable(200, "x"), Said.BLOCKED),
        (a.Blocked(403, of_api=True), Said.BLOCKED),
        (a.Blocked(400, of_api=False), Said.BLOCKED),
        (a.Blocked(403, of_api=True, replayed=True), Said.SENSE),
        (a.Found("bcus_1"), Said.SENSE),
        (a.Absent(), Said.ABSENT),
        (a.LookUpFailed("read_timeout"), Said.FAULT),
        (a.LookUpFailed("x", 503), Said.FAULT),
        (a.LookUpFailed("x", 499), Said.BLOCKED),
        (a.LookUpFailed("x", 500), Said.FAULT),
        (a.LookUpFailed("throttled", 429, throttled=True), Said.THROTTLED),
    ],
    ids=repr,
)
def test_what_an_answer_says_of_moment(answer: a.Answer | a.LookUpAnswer, what: Said) -> None:
    """What is replayed comes from Moment's own store, so Moment is there."""
    assert said(answer) is what


@pytest.mark.parametrize(
    ("answer", "event", "status", "code"),
    [
        (a.Created("bcus_1", replayed=True), "created_replayed", 201, ""),
        (a.Unbelievable(200, "not_json"), "unbelievable", 200, "not_json"),
        (a.NotSent("connect_error"), "not_sent", 0, "connect_error"),
        (a.Unknown("read_timeout"), "unknown", 0, "read_timeout"),
        (a.Refused(400, "invalid"), "refused", 400, "invalid"),
        (a.Refused(400, "invalid", replayed=True), "refused_replayed", 400, "invalid"),
        (a.Conflicted("conflict"), "conflicted", 409, "conflict"),
        (a.ServerFault(503, "http_503"), "server_fault", 503, "http_503"),
        (a.ServerFault(500, "x", replayed=True), "server_fault_replayed", 500, "x"),
        (a.Throttled(), "throttled", 429, "too_many_requests"),
        (a.RunWrong("unauthorised", 401), "run_wrong", 401, "unauthorised"),
    ],
    ids=repr,
)
def test_an_answer_is_told_with_status_and_code(
    answer: a.Answer, event: str, status: int, code: str
) -> None:
    """The history names the generation, never the payload or the message."""
    told = attempt_of(FLIGHT, e.Answered(answer, 9.0))
    assert told == Attempt("REF", 9.0, event, 2, status, code)


@pytest.mark.parametrize(
    ("answer", "event", "status", "code"),
    [
        (a.Found("bcus_1"), "look_up_found", 200, ""),
        (a.Absent(), "look_up_absent", 404, ""),
        (a.LookUpFailed("http_503", 503), "look_up_failed", 503, "http_503"),
        (a.RunWrong("forbidden", 403), "look_up_run_wrong", 403, "forbidden"),
    ],
    ids=repr,
)
def test_a_look_up_is_told_as_one(
    answer: a.LookUpAnswer, event: str, status: int, code: str
) -> None:
    """A reader can tell a GET from a POST."""
    told = attempt_of(FLIGHT, e.LookedUp(answer, 9.0))
    assert told == Attempt("REF", 9.0, event, 2, status, code)


def test_the_straight_path_leaves_no_history() -> None:
    """One POST and a 201 are told by the row itself; after trouble they are told again."""
    straight = e.Answered(a.Created("bcus_1"), 9.0)
    assert attempt_of(FLIGHT, straight) is None
    after_trouble = attempt_of(FLIGHT._replace(sends=2), straight)
    assert after_trouble == Attempt("REF", 9.0, "created", 2, 201, "")


def test_the_message_of_a_refusal_is_not_kept() -> None:
    """It may hold what the user typed."""
    told = attempt_of(FLIGHT, e.Answered(a.Refused(400, "invalid", "name Fictional"), 9.0))
    assert "Fictional" not in repr(told)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], ""),
        ([(b"X-Request-Id", b"req_1A.b-2")], "req_1A.b-2"),
        ([(b"request-id", b"r1"), (b"CF-RAY", b"8f1-JNB")], "r1"),
        ([(b"cf-ray", b"8f1-JNB"), (b"x-amzn-RequestId", b"amz")], "amz"),
        ([(b"X-Request-Id", b""), (b"CF-Ray", b"8f1-JNB")], "8f1-JNB"),
        ([(b"X-Request-Id", b"<b>\x1b[31m \xff\x00'; drop")], "b31mdrop"),
        ([(b"X-Request-Id", b"a" * 9000)], "a" * 128),
    ],
)
def test_an_answer_is_called_as_its_headers_say(
    headers: list[tuple[bytes, bytes]], told: str
) -> None:
    """The API's own name before a gateway's; plain characters only, and not too many of them."""
    reply = _Reply(503, headers=headers)
    assert reply.request_id == told
    client = MomentClient(
        base_url="https://api.example",
        api_key="sk_test_x",
        transport=httpx.MockTransport(lambda _: httpx.Response(500)),
        clock=WallClock(),
    )
    fault = client._told(reply, a.ServerFault(503, "http_503"))
    noted = attempt_of(FLIGHT, e.Answered(fault, 9.0))
    assert noted is not None
    assert noted.request_id == told
    # What decides does not see it, and a row that went well at once has no entry to keep it in.
    assert fault == a.ServerFault(503, "http_503")
    assert client._told(reply, a.Created("bcus_1")).request_id == ""
    assert client._told(reply, a.Created("bcus_1", replayed=True)).request_id == told
    gone = attempt_of_update("REF", "read", client._told(reply, e.Gone()), 9.0)
    assert gone is not None
    assert gone.request_id == told
