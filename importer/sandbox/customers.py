"""GET and PATCH /billing/customers/{customer}, by id or by the merchant's own reference; edits.

POST /billing/customers: idempotency, validation, uniqueness, in that order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import anyio

from importer.sandbox.contract import FieldError, compile_ecma, field_errors, load_contract
from importer.sandbox.faults import PATCH_ONLY, FaultKind
from importer.sandbox.messages import Malformed, Reply, problem, to_json
from importer.sandbox.store import Customer, Stored

if TYPE_CHECKING:
    from importer.sandbox.core import Core
    from importer.sandbox.faults import Fault
    from importer.sandbox.messages import Request
    from importer.sandbox.store import Account


REPLAYED = ((b"idempotent-replayed", b"true"),)


def idempotency_key(request: Request) -> str | None:
    """Return the request's key; None where it is missing or not as the page wants it."""
    key = request.headers.get(b"idempotency-key", b"").decode("latin-1")
    rule = load_contract()["components"]["parameters"]["IdempotencyKey"]["schema"]
    fits = rule["minLength"] <= len(key) <= rule["maxLength"]
    return key if fits and compile_ecma(rule["pattern"]).search(key) else None


async def create_customer(
    core: Core, account: Account, request: Request, fault: Fault | None
) -> Reply:
    """Answer a POST that passed authentication and the rate limit."""
    key = idempotency_key(request)
    if key is None:
        return problem(
            400,
            "idempotency-key-missing",
            "Idempotency-Key missing or malformed",
            "Send an Idempotency-Key of 1 to 255 letters, digits and hyphens.",
            instance=core.next_instance(),
        )
    if key in account.in_flight:
        return problem(
            409,
            "idempotency-key-in-use",
            "Request still running",
            "The first request with this Idempotency-Key has not been answered yet.",
            instance=core.next_instance(),
        )
    stored = core.store.stored(account, key, core.clock.now())
    if stored is not None:
        return _replay(core, stored, request)
    account.in_flight.add(key)
    try:
        at = core.clock.now()
        delay = core.delay(fault.delay_ms if fault else 0.0)
        if delay:
            await anyio.sleep(delay)
        kind = fault.kind if fault else None
        return _First(core, account, request, key, at, kind).answer()
    finally:
        account.in_flight.discard(key)


def store_answer(core: Core, account: Account, request: Request, reply: Reply) -> None:
    """Store an answer that was made before processing (a 429), unless the key has one."""
    key = idempotency_key(request)
    if key is None or key in account.in_flight:
        return
    now = core.clock.now()
    if core.store.stored(account, key, now) is None:
        stored = Stored(reply.status, reply.body, reply.media, request.digest, now)
        core.store.settle(account, key, stored, None)


def refuse_body(core: Core, schema: str, document: Any) -> Reply | None:
    """Return the 400 that a body gets by a schema of the contract, None where it is valid."""
    if isinstance(document, Malformed):
        return problem(
            400, "malformed-body", "Malformed body", document.detail, instance=core.next_instance()
        )
    errors = field_errors(schema, document)
    if not errors:
        return None
    return problem(
        400,
        "validation",
        "Validation failed",
        f"{len(errors)} rule(s) of the request body are broken; see errors.",
        instance=core.next_instance(),
        errors=errors,
    )


def as_stored_json(fields: dict[str, Any]) -> dict[str, Any]:
    """Return valid fields with a balance of 12.0 written as the integer that it is."""
    balance = fields.get("balance")
    return {**fields, "balance": int(balance)} if isinstance(balance, float) else fields


def _replay(core: Core, stored: Stored, request: Request) -> Reply:
    if core.config.key_reuse == "422" and stored.digest != request.digest:
        return problem(
            422,
            "idempotency-key-reused",
            "Idempotency-Key used with another body",
            "This Idempotency-Key belongs to a request with a different body.",
            instance=core.next_instance(),
        )
    core.statistics.replays += 1
    return Reply(stored.status, stored.body, stored.media, REPLAYED)


@dataclass(frozen=True, slots=True)
class _First:
    """The first request with its key, after its delay. Nothing here awaits: it is one step."""

    core: Core
    account: Account
    request: Request
    key: str
    at: float
    """When the request began: its key lives from here."""
    fault: FaultKind | None

    def answer(self) -> Reply:
        refusal = refuse_body(self.core, "CreateCustomer", self.request.document)
        if refusal is not None:
            if self.core.config.store_validation_failures:
                self._settle(refusal)
            return refusal
        if self.request.document["external_reference"] in self.account.customers:
            return self._settle(_duplicate(self.core))
        if self.fault is FaultKind.STORED_500:
            return self._settle(self._fail(self.fault))
        if self.fault is FaultKind.REFUSED:
            self.core.statistics.faults[self.fault] += 1
            return self._settle(_refused(self.core))
        return self._create()

    def _create(self) -> Reply:
        core, document = self.core, self.request.document
        reference = document["external_reference"]
        customer_id = core.store.new_id(self.account, reference)
        body = to_json({"id": customer_id, **as_stored_json(document)})
        created = Customer(customer_id, reference, core.clock.now(), body)
        if self.fault is FaultKind.STORED_500_CREATED:
            return self._settle(self._fail(self.fault), created)
        return self._settle(Reply(201, body), created)

    def _fail(self, kind: FaultKind) -> Reply:
        self.core.statistics.faults[kind] += 1
        return _internal(self.core)

    def _settle(self, reply: Reply, created: Customer | None = None) -> Reply:
        stored = Stored(reply.status, reply.body, reply.media, self.request.digest, self.at)
        self.core.store.settle(self.account, self.key, stored, created)
        return reply


def _duplicate(core: Core) -> Reply:
    return problem(
        core.config.duplicate_status,
        "duplicate-reference",
        "Reference already exists",
        "A customer with this external_reference already exists in this account.",
        instance=core.next_instance(),
    )


def _refused(core: Core) -> Reply:
    return problem(
        400,
        "customer-refused",
        "Customer refused",
        "This customer cannot be accepted.",
        instance=core.next_instance(),
    )


def _internal(core: Core) -> Reply:
    return problem(
        500,
        "internal-error",
        "Internal server error",
        "Something went wrong on our side.",
        instance=core.next_instance(),
    )


def get_customer(core: Core, account: Account, name: str) -> Reply:
    """Answer 200 with the customer; 404 where there is none or the replica lags behind."""
    customer = core.store.find(account, name)
    if customer is None:
        return _not_found(core)
    age = core.clock.now() - customer.created_at
    if age * 1000 < core.config.lookup_lag_ms:
        return _not_found(core)
    return _shown(core, customer.body)


def update_customer(
    core: Core, account: Account, name: str, request: Request, fault: Fault | None
) -> Reply:
    """Replace the fields given, metadata by its keys or as a whole; answer the full customer."""
    customer = core.store.find(account, name)
    if customer is None:
        return _not_found(core)
    refusal = _stale(core, customer, request.headers.get(b"if-match"))
    refusal = refusal or refuse_body(core, "UpdateCustomer", request.document)
    kind = fault.kind if fault else None
    if refusal is None and kind in PATCH_ONLY:
        core.statistics.faults[kind] += 1
        if kind is FaultKind.CONFLICT:
            return _busy(core)
        if kind is FaultKind.FAILED:
            return _internal(core)
    if refusal is not None:
        return refusal
    changed = _write(core, account, customer, as_stored_json(request.document))
    is_written = changed.status == 200  # noqa: PLR2004 - OK
    return _internal(core) if is_written and kind is FaultKind.FAILED_UPDATED else changed


def edit_customer(
    core: Core, account: Account, customer: Customer, fields: dict[str, Any]
) -> Reply:
    """Change a customer as a person does at Moment: metadata by its keys, None takes away."""
    metadata = {k: v for k, v in fields.get("metadata", {}).items() if v is not None}
    given = {k: v for k, v in fields.items() if v is not None and k != "metadata"}
    refusal = refuse_body(
        core, "UpdateCustomer", given | ({"metadata": metadata} if metadata else {})
    )
    if refusal is not None:
        return refusal
    held = json.loads(customer.body)
    held["metadata"] = held.get("metadata", {}) | fields.get("metadata", {})
    held |= as_stored_json({k: v for k, v in fields.items() if k != "metadata"})
    held["metadata"] = {k: v for k, v in held["metadata"].items() if v is not None}
    body = {k: v for k, v in held.items() if v is not None and v != {}}
    reply = _hold(core, account, customer, body)
    core.statistics.edits += reply.status == 200  # noqa: PLR2004 - OK
    return reply


def _write(core: Core, account: Account, customer: Customer, fields: dict[str, Any]) -> Reply:
    held = json.loads(customer.body)
    merged = held | fields
    if core.config.patch_metadata == "merge" and "metadata" in fields:
        merged["metadata"] = held.get("metadata", {}) | fields["metadata"]
    return _hold(core, account, customer, merged)


def _hold(core: Core, account: Account, customer: Customer, merged: dict[str, Any]) -> Reply:
    too_much = "metadata" in merged and field_errors(
        "UpdateCustomer", {"metadata": merged["metadata"]}
    )
    if too_much:
        return problem(
            400,
            "validation",
            "Validation failed",
            f"{len(too_much)} rule(s) are broken by what the metadata would become; see errors.",
            instance=core.next_instance(),
            errors=too_much,
        )
    if "balance" in merged and "currency" not in merged:
        return problem(
            400,
            "validation",
            "Validation failed",
            "1 rule(s) of the request body are broken; see errors.",
            instance=core.next_instance(),
            errors=[FieldError("", "dependentRequired", "balance needs currency")],
        )
    body = to_json(merged)
    core.store.replace(account, customer._replace(body=body))
    return _shown(core, body)


def etag(body: bytes) -> bytes:
    """Name this state of a customer (RFC 9110 section 8.8.3, strong)."""
    return b'"%s"' % blake2b(body, digest_size=8).hexdigest().encode()


def _shown(core: Core, body: bytes) -> Reply:
    return Reply(200, body, headers=((b"etag", etag(body)),) if core.config.etags else ())


def _stale(core: Core, customer: Customer, wanted: bytes | None) -> Reply | None:
    """Return the 412 of a precondition that fails (RFC 9110 section 13.1.1)."""
    if wanted is None or not core.config.etags or wanted.strip() == b"*":
        return None
    if etag(customer.body) in [one.strip() for one in wanted.split(b",")]:
        return None
    return problem(
        412,
        "precondition-failed",
        "Customer changed",
        "The customer is no longer in the state that If-Match names.",
        instance=core.next_instance(),
    )


def _busy(core: Core) -> Reply:
    return problem(
        409,
        "customer-busy",
        "Customer busy",
        "Another request is changing this customer.",
        instance=core.next_instance(),
    )


def _not_found(core: Core) -> Reply:
    return problem(
        404,
        "no-such-customer",
        "No such customer",
        "No customer of this account has this id or external_reference.",
        instance=core.next_instance(),
    )
