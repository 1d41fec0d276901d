"""importer: bulk customer import for the Moment billing API.

Every row of a customer file becomes one customer, once, and a ledger says which.
"""

from __future__ import annotations

__version__ = "0.1.0"
