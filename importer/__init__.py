"""importer: bulk customer import for the Moment billing API.

Every row of a customer file becomes one customer, once, and a ledger says which. This module is the
whole public surface; names are loaded when they are first used, so importing it is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from importer.errors import (
    ExitCode,
    ImporterError,
    InvalidFound,
    LedgerFailed,
    LedgerInUse,
    RunStopped,
    SourceError,
    UsageError,
)
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from importer.base_url import check_base_url
    from importer.delivery.credentials import ApiKey, read_api_key
    from importer.delivery.protocol.keys import idempotency_key
    from importer.job.check import check
    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.limit import ErrorLimit, parse_limit
    from importer.job.observer import Observer, Progress
    from importer.job.run import Finished, run
    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.ledger import Ledger
    from importer.ledger.opening import open_ledger
    from importer.outcomes import OnDuplicate
    from importer.results.summary import GroupReport, Summary

__version__ = "0.1.0"

_HOMES = {
    "Account": "importer.ledger.account",
    "ApiKey": "importer.delivery.credentials",
    "DeliverySettings": "importer.job.job_settings",
    "ErrorLimit": "importer.job.limit",
    "Finished": "importer.job.run",
    "GroupReport": "importer.results.summary",
    "InputSettings": "importer.job.job_settings",
    "Ledger": "importer.ledger.ledger",
    "LedgerAddress": "importer.ledger.address",
    "Observer": "importer.job.observer",
    "OnDuplicate": "importer.outcomes",
    "Progress": "importer.job.observer",
    "Summary": "importer.results.summary",
    "check": "importer.job.check",
    "check_base_url": "importer.base_url",
    "idempotency_key": "importer.delivery.protocol.keys",
    "open_ledger": "importer.ledger.opening",
    "parse_limit": "importer.job.limit",
    "read_api_key": "importer.delivery.credentials",
    "run": "importer.job.run",
}

__all__ = [
    "Account",
    "ApiKey",
    "DeliverySettings",
    "ErrorLimit",
    "ExitCode",
    "Finished",
    "GroupReport",
    "ImporterError",
    "InputSettings",
    "InvalidFound",
    "Ledger",
    "LedgerAddress",
    "LedgerFailed",
    "LedgerInUse",
    "Observer",
    "OnDuplicate",
    "Outcome",
    "Progress",
    "RunStopped",
    "SourceError",
    "Summary",
    "UsageError",
    "__version__",
    "check",
    "check_base_url",
    "idempotency_key",
    "open_ledger",
    "parse_limit",
    "read_api_key",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'importer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
