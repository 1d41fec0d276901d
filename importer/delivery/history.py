"""What of an exchange is worth keeping in the row's history, and what it says of Moment. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.delivery.pacing.outage import Said
from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol import events as u
from importer.delivery.protocol.states import Attempt

if TYPE_CHECKING:
    from importer.delivery.protocol.creating import Flight


AnyAnswer = a.Answer | a.LookUpAnswer | u.ReadAnswer | u.PatchAnswer
"""What an exchange of any kind may bring."""


def said(answer: AnyAnswer) -> Said:  # noqa: PLR0911 - a table
    """What an exchange says about Moment. What is replayed comes from Moment's own store."""
    match answer:
        case a.Created():
            return Said.SENSE  # Nearly all are, so it is asked first.
        case a.NotSent() | a.Unknown() | a.ServerFault(replayed=False):
            return Said.FAULT
        case a.Throttled(replayed=False) | a.LookUpFailed(throttled=True):
            return Said.THROTTLED
        case a.Absent():
            return Said.ABSENT
        case a.LookUpFailed(http_status=status) if status == 0 or (
            status >= 500 and status != a.LOGIN  # noqa: PLR2004 - the 5xx class
        ):
            return Said.FAULT
        case a.Blocked(replayed=False) | a.Unbelievable() | a.LookUpFailed():
            return Said.BLOCKED
        case _:
            return Said.SENSE


def attempt_of(flight: Flight, event: e.Answered | e.LookedUp) -> Attempt | None:
    """The history entry of one exchange; None on the straight path, which the row itself tells."""
    answer = event.answer
    if isinstance(answer, a.Created) and not answer.replayed and flight.sends == 1:
        return None
    looked_up = isinstance(event, e.LookedUp)
    name, status, code = _told(answer)
    what = f"look_up_{name}" if looked_up else name
    at = flight.state.generation
    return Attempt(
        *(flight.reference, event.now, what, at, status, code), request_id=_request_id(answer)
    )


def _request_id(answer: AnyAnswer) -> str:
    return answer.request_id if isinstance(answer, a.Identified) else ""


def attempt_of_update(reference: str, what: str, answer: AnyAnswer, now: float) -> Attempt | None:
    """The same of an update; what went well is told by the change of the customer's record."""
    match answer:
        case u.Shown() | u.Patched():
            return None
        case u.Gone():
            name, status, code = "gone", 404, ""
        case u.Clashed(http_status=status, error_code=code):
            name = "clashed"
        case _:
            name, status, code = _told(answer)
    return Attempt(
        *(reference, now, f"{what}_{name}", -1, status, code), request_id=_request_id(answer)
    )


def _told(answer: a.Answer | a.LookUpAnswer) -> tuple[str, int, str]:
    """(event, HTTP status, error code) of an answer."""
    name, status, code = type(answer).__name__.lower(), 0, ""
    match answer:
        case a.Created(http_status=status):
            name = "created"
        case a.Found():
            status = 200
        case a.Absent():
            status = 404
        case a.Throttled():
            status, code = 429, "too_many_requests"
        case a.Conflicted(error_code=code):
            status = 409
        case a.NotSent(error_code=code):
            name = "not_sent"
        case a.Unknown(error_code=code):
            pass
        case a.Blocked(http_status=status, of_api=of_api):
            code = "turned_away" if of_api else "not_the_api"
        case a.RunWrong(reason=code, http_status=status):
            name = "run_wrong"
        case a.LookUpFailed(error_code=code, http_status=status):
            name = "failed"
        case (
            a.Unbelievable(http_status=status, error_code=code)
            | a.Refused(http_status=status, error_code=code)
        ):
            pass
        case a.ServerFault(http_status=status, error_code=code):
            name = "server_fault"
    replayed = getattr(answer, "replayed", False)
    return (f"{name}_replayed" if replayed else name), status, code
