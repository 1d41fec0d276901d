"""GET and PATCH /billing/customers/{customer}, by id or by the merchant's own reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from importer.sandbox.contract import FieldError
from importer.sandbox.create import as_stored_json, refuse_body
from importer.sandbox.reply import Reply, problem, to_json

if TYPE_CHECKING:
    from importer.sandbox.core import Core
    from importer.sandbox.request import Request
    from importer.sandbox.store import Account


def get_customer(core: Core, account: Account, name: str) -> Reply:
    """Answer 200 with the customer; 404 where there is none or the replica lags behind."""
    customer = core.store.find(account, name)
    if customer is None:
        return _not_found(core)
    age = core.clock.now() - customer.created_at
    if age * 1000 < core.config.lookup_lag_ms:
        return _not_found(core)
    return Reply(200, customer.body)


def update_customer(core: Core, account: Account, name: str, request: Request) -> Reply:
    """Replace the fields given (metadata as a whole) and answer 200 with the full customer."""
    customer = core.store.find(account, name)
    if customer is None:
        return _not_found(core)
    refusal = refuse_body(core, "UpdateCustomer", request.document)
    if refusal is not None:
        return refusal
    merged = json.loads(customer.body) | as_stored_json(request.document)
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
    return Reply(200, body)


def _not_found(core: Core) -> Reply:
    return problem(
        404,
        "no-such-customer",
        "No such customer",
        "No customer of this account has this id or external_reference.",
        instance=core.next_instance(),
    )
