"""The figures and patterns of the API page (``POST /billing/customers``), for who checks them.

They stand apart from the model, because loading pydantic takes longer than checking a small file.
"""

from __future__ import annotations

MAX_REFERENCE = 255
MAX_NAME = 255
MAX_EMAIL = 254
"""Octets, RFC 5321 section 4.5.3.1.3 less the angle brackets; the page's 255 cannot be reached."""
MAX_EMAIL_LOCAL = 64
"""Octets before the ``@``, RFC 5321 section 4.5.3.1.1."""
MAX_METADATA_KEYS = 10
MAX_METADATA_KEY = 40
MAX_METADATA_VALUE = 500

REFERENCE_PATTERN = "^[a-zA-Z0-9_-]+$"
PHONE_PATTERN = r"^\+[1-9][0-9]{1,14}$"
_ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL_PATTERN = rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})+$"
