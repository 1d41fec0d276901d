"""The fields of a payload as a plan may show them. Pure."""

from __future__ import annotations

import json

from importer.rows.mask import mask_email, mask_phone, mask_text


def masked_fields(payload: str) -> dict[str, str]:
    """Each field that a canonical payload gives, masked; of metadata the keys alone."""
    row = json.loads(payload)
    shown = {}
    for name, value in row.items():
        match name:
            case "email":
                shown[name] = mask_email(value)
            case "phone":
                shown[name] = mask_phone(value)
            case "currency":
                shown[name] = value
            case "metadata":
                shown[name] = f"keys {', '.join(value)}"
            case _:
                shown[name] = mask_text(str(value))
    return shown
