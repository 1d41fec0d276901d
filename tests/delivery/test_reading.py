"""Response bodies and problem documents: what is believed, and what may be shown."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.http import answer_reading as reading
from importer.delivery.http.client import DATES, MomentClient

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
CUSTOMER = {"id": "bcus_H4jp6", "external_reference": "REF"}


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"<html>",
        b'{"id": "bcus_1"',
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 5000,
    ],
    ids=lambda body: repr(body)[:20],
)
def test_only_a_whole_json_object_is_a_body(body: bytes | None) -> None:
    """Cut, nested, binary or other JSON is none, and nothing raises."""
    assert reading.json_object(body) is None


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_every_json_object_is_read(value: dict[str, Any]) -> None:
    """What was written comes back."""
    assert reading.json_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=50))
def test_no_body_can_raise(body: bytes) -> None:
    """Any bytes are an object or none."""
    assert isinstance(reading.json_object(body), dict | None)


@pytest.mark.parametrize(
    ("change", "believed"),
    [
        ({}, "bcus_H4jp6"),
        ({"id": None}, None),
        ({"id": 7}, None),
        ({"id": "bcus_"}, None),
        ({"id": "cus_1"}, None),
        ({"id": "bcus_1\n"}, None),
        ({"id": " bcus_1"}, None),
        ({"id": "bcus_1-2"}, None),
        ({"external_reference": "ref"}, None),
        ({"external_reference": None}, None),
        ({"external_reference": ["REF"]}, None),
    ],
)
def test_an_id_needs_its_form_and_our_reference(
    change: dict[str, Any], believed: str | None
) -> None:
    """Anything else in a 2xx is not our customer."""
    assert reading.customer_id(CUSTOMER | change, "REF", echo_check=True) == believed


def test_a_missing_id_or_reference_is_not_believed() -> None:
    """An empty object is no customer."""
    assert reading.customer_id({}, "REF", echo_check=True) is None
    assert reading.customer_id({"id": "bcus_1"}, "REF", echo_check=True) is None


def test_without_the_echo_check_another_customer_would_be_believed() -> None:
    """The safeguard is what keeps a wrong id out."""
    other = CUSTOMER | {"external_reference": "OTHER"}
    assert reading.customer_id(other, "REF", echo_check=False) == "bcus_H4jp6"


@pytest.mark.parametrize(
    ("payload", "customer", "names"),
    [
        ({"name": "A"}, {"name": "A", "email": "x@example.com"}, ()),
        ({"name": "A"}, {"name": "B"}, ("name",)),
        ({"name": "A"}, {}, ("name",)),
        ({"balance": 1}, {"balance": True}, ("balance",)),
        ({"balance": 0}, {"balance": False}, ("balance",)),
        ({"balance": 0}, {"balance": 0}, ()),
        ({"metadata": {"a": "1"}}, {"metadata": {"a": "1", "b": "2"}}, ()),
        ({"metadata": {"a": "1"}}, {"metadata": {"a": "2"}}, ("metadata",)),
        ({"metadata": {"a": "1"}}, {"metadata": None}, ("metadata",)),
        ({"metadata": {"a": "1"}}, {"metadata": []}, ("metadata",)),
        ({"external_reference": "REF"}, {"external_reference": "OTHER"}, ()),
        ({"phone": "+27820000001", "name": "A"}, {"name": "B"}, ("name", "phone")),
    ],
)
def test_only_fields_that_the_row_gives_are_compared(
    payload: dict[str, Any], customer: dict[str, Any], names: tuple[str, ...]
) -> None:
    """What the row leaves out may be anything at Moment."""
    assert reading.differences(payload, customer) == names


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (None, "http_400"),
        ({}, "http_400"),
        ({"type": "about:blank"}, "http_400"),
        ({"type": "about:blank", "title": "Bad Request"}, "bad_request"),
        ({"type": "https://api.example.com/problems/invalid-currency"}, "invalid_currency"),
        ({"type": "https://api.example.com/problems#duplicate/"}, "duplicate"),
        ({"type": "urn:problem:Too Long"}, "too_long"),
        ({"type": "https://example.com/", "title": "Oops!"}, "example_com"),
        ({"type": 7, "title": "Not OK"}, "not_ok"),
        ({"type": "///", "title": "!!!"}, "http_400"),
        ({"title": ["x"]}, "http_400"),
    ],
)
def test_the_code_comes_from_type_then_title_then_status(
    problem: dict[str, Any] | None, code: str
) -> None:
    """A short word for results and history."""
    assert reading.problem_code(problem, 400) == code


def test_a_code_never_says_who_was_refused() -> None:
    """A title may name the customer; the code stands in logs and in files for everybody."""
    row = {"name": "Ada Byron", "email": "ada@example.com", "metadata": {"town": "Ulm"}}
    for title in ("Customer Ada Byron was refused", "ada@example.com: no", "No such town: Ulm"):
        code = reading.problem_code({"title": title}, 400, row)
        assert "masked" in code
        assert not any(word in code for word in ("ada", "byron", "ulm"))


@given(st.dictionaries(st.sampled_from(["type", "title", "detail"]), JSON))
def test_a_code_is_always_short_and_plain(problem: dict[str, Any]) -> None:
    """Nothing that a server writes can break a results file or a log line."""
    code = reading.problem_code(problem, 418)
    assert 0 < len(code) <= reading.CODE_LIMIT
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


def test_a_message_gathers_title_detail_and_fields() -> None:
    """A person sees what Moment said, on one line."""
    problem = {
        "title": "Invalid\nrequest",
        "detail": "see errors",
        "errors": [{"field": "currency", "message": "unknown"}, "and more", 7],
    }
    message = reading.problem_message(problem, {})
    assert message == "Invalid request: see errors: currency unknown: and more"
    assert reading.problem_message(None, {}) == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            {"errors": {"email": ["is bad", "is long"], "phone": "no"}},
            "email is bad is long: phone no",
        ),
        ({"invalid-params": [{"name": "email", "reason": "is bad"}]}, "email is bad"),
        ({"violations": [{"propertyPath": "email", "message": "is bad"}]}, "email is bad"),
        ({"errors": [{"pointer": "#/email", "detail": "is bad"}]}, "#/email is bad"),
        ({"errors": [{"loc": ["body", "email"], "msg": "is bad"}]}, "body email is bad"),
        ({"errors": [{"source": {"pointer": "/email"}, "title": "is bad"}]}, "/email is bad"),
        ({"errors": {"email": {"code": 7}}, "violations": ["is bad"]}, "email"),
        ({"errors": [[], {}, None, {"field": 7}]}, ""),
        ({"errors": "is bad"}, ""),
    ],
)
def test_what_is_said_of_fields_is_read_in_the_shapes_of_frameworks(
    said: dict[str, Any], shown: str
) -> None:
    """Which field is wrong, and why, reaches whoever must correct it."""
    message = reading.problem_message({"title": "Invalid", **said}, {})
    assert message == ": ".join(filter(None, ("Invalid", shown)))


@pytest.mark.parametrize("key", ["name", "email", "phone"])
def test_a_message_never_shows_the_rows_personal_data(key: str) -> None:
    """A server that echoes the input is masked."""
    values = {"name": "Fictional Person", "email": "fp@example.com", "phone": "+27820000001"}
    message = reading.problem_message({"detail": f"bad value {values[key]} given"}, values)
    assert values[key] not in message
    assert "bad value" in message


def test_metadata_values_are_personal_data_too() -> None:
    """Nobody knows what a merchant keeps there."""
    payload = {"metadata": {"passport": "FICT0000001"}}
    message = reading.problem_message({"detail": "FICT0000001 is taken"}, payload)
    assert "FICT0000001" not in message


@given(st.dictionaries(st.sampled_from(["title", "detail", "errors"]), JSON))
def test_a_message_is_one_bounded_line(problem: dict[str, Any]) -> None:
    """Control characters and line separators are gone."""
    message = reading.problem_message(problem, {})
    assert len(message) <= reading.MESSAGE_LIMIT
    assert not any(ord(c) < 32 or c in "\x7f\x85\u2028\u2029" for c in message)


@pytest.mark.parametrize(
    "words",
    [
        {"detail": "A customer with this external_reference already exists"},
        {"title": "Reference already in use"},
        {"type": "https://example.com/problems/already-taken"},
        {"detail": "external_reference must be unique"},
        {"errors": [{"message": "has already been taken"}]},
        {"title": "Duplicate"},
        {"title": "DUPLICATE REFERENCE"},
    ],
    ids=str,
)
def test_words_that_can_mean_exists_are_recognised(words: dict[str, Any]) -> None:
    """Such a refusal with a 404 look-up never rejects a row."""
    assert reading.says_exists(words)


@pytest.mark.parametrize("words", [None, {}, {"detail": "currency is not supported"}], ids=str)
def test_other_words_do_not_say_exists(words: dict[str, Any] | None) -> None:
    """A plain refusal stays one."""
    assert not reading.says_exists(words)


class Dated(httpx.AsyncBaseTransport):
    """Answers 404 with these headers, one after the other."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self._answers = iter(answers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The next of them."""
        return httpx.Response(404, headers=next(self._answers), json={}, request=request)


class At:
    """A clock that stands still."""

    def now(self) -> float:
        """Of 1970."""
        return 7200.0


ONE, TWO = "Thu, 01 Jan 1970 01:00:00 GMT", "Thu, 01 Jan 1970 02:00:01 GMT"


@pytest.mark.parametrize(
    ("answers", "ahead"),
    [
        ([{}], None),
        ([{"Date": "yesterday"}], None),
        ([{"Date": ONE}], 3600.0),
        ([{"Date": ONE}, {"date": TWO}, {"Date": ONE}], -1.0),
        ([{"Date": TWO, "Age": "3600"}, {"Date": ONE}], 3600.0),
        ([{"Date": TWO, "Idempotent-Replayed": "true"}, {"Date": ONE}], 3600.0),
        ([*[{"Date": ONE}] * DATES, {"Date": TWO}], 3600.0),
    ],
)
def test_our_clock_is_held_against_the_first_dates(
    answers: list[dict[str, str]], ahead: float | None
) -> None:
    """The nearest counts; what was stored somewhere has the time of then, and tells nothing."""
    client = MomentClient(
        base_url="https://a.example", api_key="sk_test_a", transport=Dated(*answers), clock=At()
    )

    async def ask() -> None:
        for _ in answers:
            await client.look_up("A", "{}")

    anyio.run(ask)
    assert client.clock_ahead == ahead
