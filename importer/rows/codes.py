"""The stable codes of everything that can be wrong with a row, each with its meaning."""

from __future__ import annotations

CODES: dict[str, str] = {
    "reference_missing": "The row has no external_reference.",
    "reference_charset": "external_reference holds other characters than a-z, A-Z, 0-9, _ and -.",
    "reference_too_long": "external_reference has more than 255 characters.",
    "name_too_long": "The name has more than 255 characters.",
    "email_syntax": "The e-mail address does not follow RFC 5321 (no quotes, no literals, no DNS).",
    "email_too_long": "The e-mail address has more than 254 octets, or more than 64 before the @.",
    "phone_not_e164": "The phone number is not in E.164 format: + and 2 to 15 digits.",
    "currency_unknown": "The currency is not an active ISO 4217 code.",
    "currency_missing": "There is a balance but no currency.",
    "balance_not_integer": "The balance is not a whole number of the smallest currency unit.",
    "balance_too_long": "The balance has more digits than can be sent.",
    "metadata_not_object": "The metadata column does not hold one JSON object.",
    "metadata_too_many_keys": "The metadata has more than 10 keys.",
    "metadata_key_too_long": "A metadata key has more than 40 characters.",
    "metadata_key_twice": "A metadata key is given twice.",
    "metadata_value_not_text": "A metadata value is not a text (a number, true, null, a list ...).",
    "metadata_value_too_long": "A metadata value has more than 500 characters.",
    "not_unicode": "A text holds half of a surrogate pair, which is no character.",
    "wrong_type": "A field has a value of another JSON type than the API takes.",
    "field_unknown": "A field is not one of the API's.",
    "duplicate_row": "An earlier row has the same external_reference and the same data.",
    "duplicate_superseded": "Another row with this external_reference wins, by --on-duplicate.",
    "duplicate_conflict": "Rows with the same external_reference have different data.",
    "reference_collision": "The mapping makes one external_reference of different cells.",
    "phone_invalid": "The cell is not one valid phone number and nothing else.",
    "amount_unreadable": "The amount is not written as the column's number format says.",
    "amount_without_currency": "An amount needs a currency with minor units.",
    "amount_decimals": "The amount has more decimals than its currency.",
    "amount_other_currency": "The amount names another currency than the row.",
    "amount_other_side": "A sign, CR or DR contradicts the debit or credit column of the amount.",
    "filtered": "A rule of the mapping ([rows] keep or drop) leaves the record out.",
    "totals_line": "The record is a line of totals, by a rule of the mapping.",
    "not_a_customer": "The line looks like no customer (a total, a count), by --edges skip.",
}
"""Code -> what it means, in one sentence. Codes of records that cannot be framed and of cells
without a text form are those of the source (``Malformed``, ``CellFault``)."""
