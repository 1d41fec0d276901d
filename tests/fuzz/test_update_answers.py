"""What a GET by id and a PATCH come to, over real sockets: nothing is believed that is not ours."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from importer.delivery.http import answer_reading as reading
from importer.delivery.http.client import patch_body
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests.fuzz.answers import BODY, ENDLESS, MALFORMED, REFERENCE, UNBELIEVABLE, once
from tests.fuzz.asking import LOOPS, asking, create, look_up, shown_values
from tests.fuzz.hostile_server import response, serving

if TYPE_CHECKING:
    from importer.delivery.http.client import MomentClient
    from tests.fuzz.hostile_server import Behaviour, Exchange

pytestmark = pytest.mark.anyio
OURS = "bcus_1"
ROW = json.dumps({
    "external_reference": REFERENCE, "name": "Zo\u00eb", "email": "a@b.example", "currency": "ZAR",
    "balance": -5, "metadata": {"a": "1", "b": "2"},
})  # fmt: skip
PATCH = u.Patch(OURS, ("name",))
PROBLEM = (
    b'{"type": "https://api.momentco.io/docs/errors#no", "title": "No", "detail": "Zo\xc3\xab"}'
)
HTML = b"<html>blocked</html>"


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Sockets are asyncio's here."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def read(client: MomentClient, customer_id: str = OURS) -> u.ReadAnswer:
    """GET by id."""
    answer, _ = await client.read(customer_id, REFERENCE)
    return answer


async def patch(client: MomentClient, wanted: u.Patch = PATCH) -> u.PatchAnswer:
    """PATCH."""
    answer, _ = await client.patch(wanted, ROW, REFERENCE)
    return answer


async def both(behaviour: Behaviour) -> tuple[u.ReadAnswer, u.PatchAnswer, list[Exchange]]:
    """What a GET and then a PATCH come to."""
    async with serving(behaviour) as server, asking(server.port, hashes=shown_values) as client:
        return await read(client), await patch(client), server.seen


async def test_what_moment_shows_is_handed_on() -> None:
    """Every field as it stands there, metadata as JSON texts, and a strong tag."""
    body = (
        BODY[:-1] + b', "name": "Ada", "payment_rules": {}, "metadata": {"z": 1, "a": "\\ud800"}}'
    )
    shown, patched, seen = await both(once(response(b"200 OK", body, b'ETag: "v1"')))
    assert isinstance(shown, u.Shown)
    assert dict(shown.seen)["name"] == b"'Ada'"
    assert shown.metadata == (("a", '"\\ud800"'), ("z", "1"))
    assert shown.etag == '"v1"'
    assert patched == u.Patched(shown.seen)
    assert seen[0].head.startswith(b"GET /billing/customers/bcus_1 HTTP/1.1\r\n")
    assert seen[1].head.startswith(b"PATCH /billing/customers/bcus_1 HTTP/1.1\r\n")
    assert b"idempotency-key" not in seen[1].head.lower()
    assert b"if-match" not in seen[1].head.lower()
    assert json.loads(seen[1].body) == {"name": "Zo\u00eb"}


async def test_a_tag_goes_back_as_a_precondition() -> None:
    """If-Match, only where the GET gave a tag."""
    async with (
        serving(once(response(b"200 OK", BODY))) as server,
        asking(server.port, hashes=shown_values) as client,
    ):
        await patch(client, PATCH_WITH_TAG)
        assert b'\r\nIf-Match: "v1"\r\n' in server.seen[0].head
        assert (client.posts, client.gets, client.patches) == (0, 0, 1)


PATCH_WITH_TAG = u.Patch(OURS, ("name",), etag='"v1"')


@pytest.mark.parametrize("name", [*MALFORMED, *UNBELIEVABLE])
async def test_nothing_is_read_out_of_what_is_no_customer(name: str) -> None:
    """Neither shown nor written, nor gone, nor refused: the outcome stays open."""
    behaviour = MALFORMED.get(name) or UNBELIEVABLE[name]
    shown, patched, _ = await both(behaviour)
    assert isinstance(shown, a.LookUpFailed)
    assert isinstance(patched, a.Unbelievable | a.Unknown)


@pytest.mark.parametrize("name", ["chunks", "headers"])
async def test_an_endless_answer_is_cut_off(name: str) -> None:
    """As for creating."""
    shown, patched, _ = await both(ENDLESS[name])
    assert isinstance(shown, a.LookUpFailed)
    assert isinstance(patched, a.Unbelievable | a.Unknown)


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b"bcus_1", b"bcus_2"),
        BODY.replace(REFERENCE.encode(), b"FUZZ-2"),
        b'{"external_reference": "FUZZ-1"}',
        b'{"id": "bcus_1"}',
        b"[]",
        b"",
    ],
)
async def test_another_customer_is_not_ours(body: bytes) -> None:
    """Id and reference must both be ours."""
    shown, patched, _ = await both(once(response(b"200 OK", body)))
    assert isinstance(shown, a.LookUpFailed)
    assert isinstance(patched, a.Unbelievable)


@pytest.mark.parametrize("metadata", [b"[]", b'"x"', b"1", b'{"a": 1e999}'])
async def test_metadata_that_cannot_be_sent_back_is_not_shown(metadata: bytes) -> None:
    """A union with it could lose what Moment holds."""
    body = BODY[:-1] + b', "metadata": ' + metadata + b"}"
    shown, _, _ = await both(once(response(b"200 OK", body)))
    assert shown == a.LookUpFailed("not_our_customer", 200)


turned_away = partial(a.Blocked, is_update=True)
STATUSES: list[tuple[bytes, bytes, Any, Any]] = [
    (b"404 X", PROBLEM, u.Gone(), u.Gone()),
    (b"404 X", HTML, a.LookUpFailed("not_the_api", 404), turned_away(404, of_api=False)),
    (b"404 X", b'{"message": "x"}', a.LookUpFailed("not_the_api", 404),
     turned_away(404, of_api=False)),
    (b"409 X", PROBLEM, a.LookUpFailed("no", 409), u.Clashed(409, "no")),
    (b"412 X", HTML, a.LookUpFailed("not_the_api", 412), u.Clashed(412, "http_412")),
    (b"400 X", PROBLEM, a.LookUpFailed("no", 400), a.Refused(400, "no", "No: ***")),
    (b"422 X", HTML, a.LookUpFailed("not_the_api", 422), turned_away(422, of_api=False)),
    (b"401 X", HTML, a.RunWrong("unauthorised", 401), a.RunWrong("unauthorised", 401)),
    (b"403 X", PROBLEM, a.LookUpFailed("no", 403), turned_away(403, of_api=True)),
    (b"403 X", HTML, a.LookUpFailed("not_the_api", 403), turned_away(403, of_api=False)),
    (b"511 X", PROBLEM, a.LookUpFailed("not_the_api", 511), turned_away(511, of_api=False)),
    (b"405 X", PROBLEM, a.LookUpFailed("no", 405), turned_away(405, of_api=True)),
    (b"301 X", b"", a.RunWrong("redirected", 301), a.RunWrong("redirected", 301)),
    (b"500 X", PROBLEM, a.LookUpFailed("no", 500), a.ServerFault(500, "no")),
    (b"503 X", HTML, a.LookUpFailed("not_the_api", 503), a.ServerFault(503, "http_503")),
    (b"408 X", HTML, a.LookUpFailed("not_the_api", 408), a.ServerFault(408, "http_408")),
    (b"204 X", b"", a.LookUpFailed("not_the_api", 204), a.Unbelievable(204, "answer_not_json")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "shown", "patched"), STATUSES)
async def test_every_status_has_its_meaning(
    status: bytes, body: bytes, shown: u.ReadAnswer, patched: u.PatchAnswer
) -> None:
    """404, 409 and 412 are told apart; what is no problem document is not Moment's word."""
    one, other, _ = await both(once(response(status, body)))
    if isinstance(other, a.Refused):
        assert isinstance(patched, a.Refused)
        assert (other.http_status, other.error_code) == (400, "no")
        assert "Zo" not in other.message
    else:
        assert other == patched
    assert one == shown


async def test_a_429_says_how_long_to_wait() -> None:
    """It is no failure of the customer."""
    shown, patched, _ = await both(once(response(b"429 X", PROBLEM, b"Retry-After: 7")))
    assert shown == a.LookUpFailed("throttled", 429, throttled=True, retry_after=7)
    assert patched == a.Throttled(7)


async def test_an_answer_that_is_lost_leaves_the_outcome_open() -> None:
    """The PATCH may have been written."""
    shown, patched, seen = await both(once(b"", reset=True))
    assert isinstance(shown, a.LookUpFailed)
    assert isinstance(patched, a.Unknown)
    assert len(seen) == 2


async def test_creating_and_looking_up_hand_on_what_moment_holds() -> None:
    """Where hashes are asked for: the base of later updates."""
    body = BODY[:-1] + b', "name": "Ada"}'
    async with (
        serving(once(response(b"200 OK", body))) as server,
        asking(server.port, hashes=shown_values) as client,
        asking(server.port) as plain,
    ):
        for answer in (await create(client), await look_up(client)):
            assert isinstance(answer, a.Created | a.Found)
            assert dict(answer.seen)["name"] == b"'Ada'"
        assert await create(plain) == a.Created(OURS, 200)
        with pytest.raises(TypeError):
            await read(plain)


# The body of a PATCH ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "held", "sent"),
    [
        (("name",), (), {"name": "Zo\u00eb"}),
        (("balance",), (), {"balance": -5, "currency": "ZAR"}),
        (("currency",), (), {"currency": "ZAR"}),
        (("email", "name"), (("x", "1"),), {"email": "a@b.example", "name": "Zo\u00eb"}),
        (("metadata.a",), (), {"metadata": {"a": "1"}}),
        (
            ("metadata.b", "name"),
            (("b", '"old"'), ("other", '{"deep": [1, null]}')),
            {"name": "Zo\u00eb", "metadata": {"b": "2", "other": {"deep": [1, None]}}},
        ),
    ],
)
def test_the_fields_to_change_are_sent(
    fields: tuple[str, ...], held: u.Metadata, sent: dict[str, Any]
) -> None:
    """Currency beside a balance, and metadata as the union with what Moment holds."""
    body = patch_body(u.Patch(OURS, fields, held), json.loads(ROW))
    assert json.loads(body) == sent


def test_what_moment_holds_goes_back_as_it_came() -> None:
    """A lone surrogate, a long number and a null survive the union."""
    held = (("n", "12345678901234567890"), ("s", '"\\ud800"'), ("z", "null"))
    body = patch_body(u.Patch(OURS, ("metadata.a",), held), json.loads(ROW))
    assert body == (b'{"metadata":{"a":"1","n":12345678901234567890,"s":"\\ud800","z":null}}')


@pytest.mark.parametrize(
    ("text", "tag"),
    [('"v1"', '"v1"'), (' "v" ', '"v"'), ('W/"v1"', ""), ("v1", ""), ('""', ""), ('"a b"', ""),
     ('"a"b"', ""), ("", ""), (f'"{"x" * 300}"', "")],
)  # fmt: skip
def test_only_a_strong_tag_is_kept(text: str, tag: str) -> None:
    """If-Match never matches a weak one."""
    assert reading.strong_etag(text) == tag


# Against the sandbox ------------------------------------------------------------------------------


async def test_the_sandbox_understands_it() -> None:
    """Created, read, updated under its tag; with the old tag it is a clash, and gone is gone."""
    with running(SandboxConfig(etags=True, patch_metadata="replace")) as base_url:
        async with asking(int(base_url.rpartition(":")[2]), hashes=shown_values) as client:
            created = await create(client)
            assert isinstance(created, a.Created)
            shown = await read(client, created.customer_id)
            assert isinstance(shown, u.Shown)
            fields = ("balance", "metadata.a", "name")
            wanted = u.Patch(created.customer_id, fields, (("kept", '"x"'),), shown.etag)
            patched = await patch(client, wanted)
            assert isinstance(patched, u.Patched)
            seen = dict(patched.seen)
            assert seen["metadata"] == repr({"a": "1", "kept": "x"}).encode()
            assert (seen["balance"], seen["currency"]) == (b"-5", b"'ZAR'")
            assert await patch(client, wanted) == u.Clashed(412, "precondition_failed")
            assert await read(client, "bcus_nobody") == u.Gone()
