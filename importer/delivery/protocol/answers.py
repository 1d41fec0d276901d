"""What Moment answered, as the protocol needs to know it: typed outcomes, no exceptions.

The client (client.py) turns every response and every network failure into one of these.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.protocol.states import Hashes

LOGIN = 511
"""What a network says that wants a login first, and no server ever (RFC 6585 section 6)."""


@value
class Identified:
    """What an answer calls itself: kept in the history, and decides nothing."""

    request_id: str = field(default="", kw_only=True, compare=False, repr=False)
    """Of a header (``client.REQUEST_IDS``); "" where it has none, or all went well."""


@value
class Created(Identified):
    """2xx with a well-formed customer that echoes our reference."""

    customer_id: str
    http_status: int = 201
    replayed: bool = False
    differs: tuple[str, ...] = ()
    """Fields whose echoed value is not the one sent; matters for replays only."""
    seen: Hashes = ()
    """Of every field that the answer holds: what is equal to what was sent is the base of updates
    (states.py). () where nobody asked for it."""


@value
class Unbelievable(Identified):
    """2xx with anything else: no id, another reference, not JSON, cut off, too large."""

    http_status: int
    error_code: str


@value
class NotSent:
    """The connection failed before a byte was written; nothing was sent."""

    error_code: str


@value
class Unknown:
    """Timeout, reset or cut after sending: the request may have been processed."""

    error_code: str


@value
class Refused(Identified):
    """400, 402, 422 or another 4xx: the API's own problem document about this row's payload."""

    http_status: int
    error_code: str
    message: str = ""
    """Title and detail of the problem, redacted and cut; shown to the user, never stored."""
    replayed: bool = False
    says_exists: bool = False
    """The problem's own words say that the reference is taken."""
    about_key: bool = False
    """The problem's own words speak of the idempotency key, not of the payload."""


@value
class Conflicted(Identified):
    """409: the reference exists, or the first request with this key is still running."""

    error_code: str = "conflict"
    replayed: bool = False


@value
class ServerFault(Identified):
    """5xx, 408 or 425: perhaps a gateway, perhaps Moment; fresh ones may go away."""

    http_status: int
    error_code: str
    replayed: bool = False
    retry_after: float | None = None
    """Seconds, from ``Retry-After`` (RFC 9110 section 10.2.3)."""


@value
class Throttled(Identified):
    """429: too many requests (RFC 6585 section 4). Never the row's fault."""

    retry_after: float | None = None
    replayed: bool = False


@value
class Blocked(Identified):
    """Turned away for a reason that is not the payload, as far as anyone can tell.

    403, 404, 405 or a request whose form is not taken (``stopping.FORM``); or any refusal that is
    no problem document of the API: the page of a firewall or a gateway, which is not Moment's word.
    One row may meet it alone (a name with SQL words in it), or every row (a key without
    permission): only other rows can tell.
    """

    http_status: int
    of_api: bool
    """The API itself said so, in a problem document."""
    replayed: bool = False
    is_update: bool = False
    """To a PATCH: customers may be taken where their updates are not."""


@value
class RunWrong(Identified):
    """401, 407, a redirect, a TLS failure, no such host: the run is wrong, not the row."""

    reason: str
    """Stable code: ``unauthorised redirected tls_failed proxy_refused``."""
    http_status: int = 0
    replayed: bool = False
    detail: str = ""
    """Where there is no status: which host, and what the system said of it."""


Answer = (
    Created
    | Unbelievable
    | NotSent
    | Unknown
    | Refused
    | Conflicted
    | ServerFault
    | Throttled
    | Blocked
    | RunWrong
)


@value
class Unread:
    """200 or 201, whole and fresh; whether the body is believed is told by whoever reads it."""

    read: Callable[[], Answer]
    """To be called once."""


@value
class Found(Identified):
    """200 with a well-formed customer that echoes our reference."""

    customer_id: str
    differs: tuple[str, ...] = ()
    """Fields whose value at Moment differs from the row's payload; () where it matches."""
    seen: Hashes = ()
    """Of every field that Moment holds, as in ``Created``."""


@value
class Absent(Identified):
    """404 from the API itself: no customer with this reference, as far as that replica knows."""


@value
class LookUpFailed(Identified):
    """No usable answer: network failure, 5xx, 429, 403, or a body that cannot be believed."""

    error_code: str
    http_status: int = 0
    throttled: bool = False
    retry_after: float | None = None


LookUpAnswer = Found | Absent | LookUpFailed | RunWrong
