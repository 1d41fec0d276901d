"""The one registry of error codes: what each means, how a group of it is told, and what fixes it.

docs/validation.md lists them, and a test fails where the program uses a code that is not here.
A code that is Moment's own (the type of a problem document) or that a network library names is
told by its own words.
"""

from __future__ import annotations

from typing import NamedTuple

CORRECT = "correct the cells in errors.csv and feed it back"
_NO_EMAIL = "correct or empty these cells: a customer needs no e-mail"
_AGAIN = "the same command again goes on with these rows"
_TEXT = "export the column as text"


class Code(NamedTuple):
    """One error code."""

    meaning: str
    """One sentence, for the documentation."""
    words: str
    """What is said of a column after its name (``is empty``); a clause of its own where the whole
    record, or Moment's answer, is what is wrong."""
    fix: str = CORRECT
    of_column: bool = True
    """Whether ``words`` go on from the name of a column."""


def _record(meaning: str, words: str, fix: str = CORRECT) -> Code:
    return Code(meaning, words, fix, of_column=False)


_BY_THE_RULES = {
    "reference_missing": Code(
        "The row has no external_reference.",
        "is empty",
        "fill it in, name a fallback (columns = [...] in [fields.external_reference]),"
        " or skip lines that are totals (skip_totals = true in [rows])",
    ),
    "reference_charset": Code(
        "external_reference holds other characters than a-z, A-Z, 0-9, _ and -.",
        "holds other characters than a-z, A-Z, 0-9, _ and -",
        "escape them, reversibly; check that the right column is the reference",
    ),
    "reference_too_long": Code(
        "external_reference has more than 255 characters.",
        "has more than 255 characters",
        "choose a shorter column as reference",
    ),
    "name_too_long": Code(
        "The name has more than 255 characters.",
        "has more than 255 characters",
        "shorten it; check that the right column is the name",
    ),
    "email_syntax": Code(
        "The e-mail address does not follow RFC 5321 (no quotes, no literals, no DNS).",
        "is no e-mail address",
        _NO_EMAIL,
    ),
    "email_too_long": Code(
        "The e-mail address has more than 254 octets, or more than 64 before the @.",
        "is longer than an address may be",
        _NO_EMAIL,
    ),
    "phone_not_e164": Code(
        "The phone number is not in E.164 format: + and 2 to 15 digits.",
        "is not in E.164 format",
        "correct or empty these cells: a customer needs no phone number",
    ),
    "currency_unknown": Code(
        "The currency is not an active ISO 4217 code.",
        "is not an active ISO 4217 code",
        "check that it is the currency column; else map each text: values = { ... }",
    ),
    "currency_missing": Code(
        "There is a balance but no currency.",
        "is empty where there is a balance",
        "fill it in, or name the currency of all rows",
    ),
    "balance_not_integer": Code(
        "The balance is not a whole number of the smallest currency unit.",
        "is not a whole number of the smallest currency unit",
    ),
    "balance_too_long": Code(
        "The balance has more digits than can be sent.",
        "has more digits than can be sent",
        "check whether two cells ran together",
    ),
    "metadata_not_object": Code(
        "The metadata column does not hold one JSON object.",
        "does not hold one JSON object",
        "map each key from a column of its own, as [metadata.KEY]",
    ),
    "metadata_too_many_keys": Code(
        "The metadata has more than 10 keys.",
        "has more than 10 filled keys",
        "keep the ten that matter most: leave out [metadata.KEY] sections",
    ),
    "metadata_key_too_long": Code(
        "A metadata key has more than 40 characters.",
        "has a key of more than 40 characters",
        "shorten the key",
    ),
    "metadata_key_twice": Code(
        "A metadata key is given twice.",
        "gives a key twice",
        "give the key once, in metadata or in its own column",
    ),
    "metadata_value_not_text": Code(
        "A metadata value is not a text (a number, true, null, a list ...).",
        "holds a value that is no text",
        "write each value in double quotes",
    ),
    "metadata_value_too_long": Code(
        "A metadata value has more than 500 characters.",
        "holds a value of more than 500 characters",
        "shorten it, or leave this key out",
    ),
    "not_unicode": Code(
        "A text holds half of a surrogate pair, which is no character.",
        "holds half of a surrogate pair, which is no character",
        "remove it, or export the file again as UTF-8",
    ),
    "wrong_type": Code(
        "A field has a value of another type than the API takes (a date, true, a list ...).",
        "holds values of a type that makes no sense there",
        f"{_TEXT}; check that the right column is mapped",
    ),
    "field_unknown": Code(
        "A field is not one of the API's.", "is no field of the API", "leave the field out"
    ),
    "duplicate_row": _record(
        "An earlier row has the same external_reference and the same data.",
        "an earlier row is the same",
        "nothing: the first one counts",
    ),
    "duplicate_superseded": _record(
        "Another row with this external_reference wins, by --on-duplicate.",
        "another row with the same external_reference wins",
        "nothing: --on-duplicate says which one counts",
    ),
    "duplicate_conflict": _record(
        "Rows with the same external_reference have different data.",
        "rows with the same external_reference have different data",
        "check that the right column is the reference; else --on-duplicate first or last",
    ),
}
_BY_THE_MAPPING = {
    "reference_collision": _record(
        "The mapping makes one external_reference of different cells.",
        "the mapping makes one external_reference of different cells",
        "choose a reference column that stays unique",
    ),
    "phone_invalid": Code(
        "The cell is not one valid phone number and nothing else.",
        "is not one phone number and nothing else",
        'correct them, or leave the numbers out: on_invalid = "drop"',
    ),
    "amount_unreadable": Code(
        "The amount is not written as the column's number format says.",
        "is no amount in the number format of the column",
        "correct the cells; check number_format in [fields.balance]",
    ),
    "amount_without_currency": Code(
        "An amount needs a currency with minor units.",
        "needs a currency with minor units in the same row",
        'map the currency, or give a default = "..." in [fields.currency]',
    ),
    "amount_decimals": Code(
        "The amount has more decimals than its currency.",
        "has more decimals than the currency",
        "correct the cells; check number_format in [fields.balance]",
    ),
    "amount_other_currency": Code(
        "The amount names another currency than the row.",
        "names another currency than the row",
        "correct the amount or the currency",
    ),
    "amount_other_side": Code(
        "A sign, CR or DR contradicts the debit or credit column of the amount.",
        "has a sign that contradicts its debit or credit column",
        "write the amount without a sign, in the column of its side",
    ),
    "filtered": _record(
        "A rule of the mapping ([rows] keep or drop) leaves the record out.",
        "a rule of the mapping leaves the record out",
        "nothing, if the rule is meant so",
    ),
    "totals_line": _record(
        "The record is a line of totals, by a rule of the mapping.",
        "the record is a line of totals",
        "nothing, if it is one",
    ),
    "not_a_customer": _record(
        "The line looks like no customer (a total, a count), by --edges skip.",
        "the line looks like no customer",
        "nothing, if it is none; --edges keep takes it for one",
    ),
}
_BY_THE_SOURCE = {
    "too_few_fields": _record(
        "The record has fewer cells than the header.",
        "the record has fewer cells than the header",
        "check the delimiter, line breaks in cells without quotes, and the end of the file",
    ),
    "too_many_fields": _record(
        "The record has more cells than the header.",
        "the record has more cells than the header",
        "check the delimiter: a cell that holds it must be in double quotes",
    ),
    "stray_quote": _record(
        "A quote stands where none may stand.",
        "a quote stands where none may stand",
        "double each quote within a quoted cell, or export with another delimiter",
    ),
    "unclosed_quote": _record(
        "A quote is opened and not closed properly.",
        "a quote is opened and not closed properly",
        "close the quote; a cell with quotes must be in double quotes",
    ),
    "not_utf8": _record(
        "A cell holds a byte that is not UTF-8.",
        "a cell holds a byte that is not UTF-8",
        "name the encoding of the file",
    ),
    "undefined_byte": _record(
        "A cell holds a byte that means nothing in the encoding of the file.",
        "a cell holds a byte that means nothing in the encoding of the file",
        "correct it, or name the file's encoding with --encoding",
    ),
    "nul_byte": _record(
        "A cell holds a NUL byte.", "a cell holds a NUL byte", "remove it, or export the file again"
    ),
    "field_too_long": _record(
        "A cell is longer than can be read.", "a cell is longer than can be read", "shorten it"
    ),
    "record_too_long": _record(
        "The record has more bytes or lines than can be read.",
        "the record is longer than can be read",
        "check whether a line break or a closing quote is missing",
    ),
    "bare_carriage_return": _record(
        "A carriage return stands in a cell without quotes.",
        "a carriage return stands in a cell without quotes",
        "remove it, quote the cell, or end every line with a line feed",
    ),
    "number_inexact": Code(
        "A number has lost digits: Excel keeps 15 of them, and floating point loses zeros.",
        "holds numbers that have lost digits",
        "export the column as text or as integers (pandas: dtype str or Int64); in a workbook,"
        " format it as text and enter the values again",
    ),
    "cell_error": Code(
        "A cell has no value: an Excel error such as #N/A, a formula that was never calculated,"
        " or a type that has no text.",
        "holds cells without a value (an error such as #N/A, or a formula that was not calculated)",
        "leave the cell empty, or correct it where the file was made (in Excel, the formula)",
    ),
    "not_json": _record(
        "A line of JSON Lines is no JSON.", "the line is no JSON", "correct or remove the line"
    ),
    "not_an_object": _record(
        "A line of JSON Lines is no object.",
        "the line is no JSON object",
        "write one {...} on each line",
    ),
    "key_twice": _record(
        "An object in a line of JSON Lines gives a key twice.",
        "an object gives a key twice",
        "keep one of the two",
    ),
    "spreadsheet_altered": Code(
        "A cell of an errors file is what a spreadsheet made of the original.",
        "is not what stood there: a spreadsheet has changed it",
        "take the cells from the source again, with the column formatted as text",
    ),
    "digest_missing": _record(
        "A record of an errors file has lost its digest: nobody can tell if it was corrected.",
        "the record has lost its digest",
        "correct the errors file as it was written; write ok into _error_code of a right record",
    ),
}
_BY_DELIVERY = {
    "changed_since": _record(
        "The row differs from what is in Moment, and no update was asked for.",
        "the row differs from what is in Moment",
        "[update] in the mapping file says which fields are kept in step",
    ),
    "amount_and_currency": _record(
        "An amount and its currency are written together or not at all, and one of them may not be"
        " written.",
        "Moment holds another currency, and an amount goes with its currency",
        "let both be updated ([update] currency and balance), or correct one side",
    ),
    "changed_at_moment": _record(
        "Somebody changed a field at Moment since it was written; it was left alone.",
        "somebody else changed fields at Moment",
        "see which value is right: change the source or Moment, or let the source win ([update])",
    ),
    "stored_otherwise": _record(
        "Moment took the row, and stored a value in another form, or another value.",
        "Moment stored another form of the value",
        "compare the fields that are named; one is sent again only when the source changes",
    ),
    "shared_id": _record(
        "Moment gave the row's id to another external_reference as well: they are one customer"
        " there, so one of them is not in Moment.",
        "Moment gave one id to several references",
        "ask Moment which reference has the id; --retry-rejected asks it for the row's",
    ),
    "differs": _record(
        "The customer was in Moment already, and holds other values.",
        "Moment holds other values",
        "[update] in the mapping file says which fields are kept in step",
    ),
    "not_reached": _record(
        "The run ended before the row's turn.", "the row was not reached", _AGAIN
    ),
    "run_stopped": _record(
        "The run was stopped while the row was on its way.", "the run was stopped", _AGAIN
    ),
    "ledger_unreadable": _record(
        "The ledger could not be read at the end of the run.", "the ledger cannot be read", _AGAIN
    ),
    "ledger_contended": _record(
        "Another run works on the same row.", "another run works on the same rows", _AGAIN
    ),
    "generations_spent": _record(
        "The row was tried under many keys, and never answered sensibly.",
        "many keys were tried in vain",
        "ask Moment about these references; the same command tries again",
    ),
    "second_id": _record(
        "Moment gave two ids for one external_reference.",
        "Moment gave two ids for one external_reference",
        "ask Moment which one is right before the next run",
    ),
    "too_many_requests": _record(
        "Moment asks for fewer requests (429).", "Moment asks for fewer requests", _AGAIN
    ),
    "conflict": _record(
        "Moment answers that another request is at work on the row (409).",
        "Moment speaks of a conflict",
        _AGAIN,
    ),
    "not_our_customer": _record(
        "The answer is no customer with this external_reference.",
        "the answer is no customer with this external_reference",
        _AGAIN,
    ),
    "turned_away": _record(
        "Moment turned this row away (403, 404, 405, 415), though it takes others.",
        "Moment turned the row away",
        "ask Moment about these references; the same command tries again",
    ),
    "asked_to_wait": _record(
        "Moment asks to wait for longer than a run waits.", "Moment asks to wait for long", _AGAIN
    ),
    "not_the_api": _record(
        "The answer is not Moment's: a gateway or firewall between answered.",
        "something between answers in Moment's place",
        "look at what these rows have in common, and ask who runs the gateway",
    ),
    "answer_not_json": _record("The answer is no JSON.", "the answer is no JSON", _AGAIN),
    "body_cut": _record("The answer was cut off.", "the answer was cut off", _AGAIN),
    "body_encoded": _record(
        "The answer is compressed, which was not asked for.", "the answer is compressed", _AGAIN
    ),
    "body_too_large": _record(
        "The answer is larger than any customer.", "the answer is too large", _AGAIN
    ),
    "no_final_answer": _record("There was no final answer.", "there was no final answer", _AGAIN),
    "not_stored": _record(
        "Moment answers the update, and holds the old value all the same.",
        "Moment does not store the update",
        "ask Moment about these fields",
    ),
    "not_found": _record(
        "Moment does not know the customer.", "Moment does not know the customer", _AGAIN
    ),
    "id_not_found": _record(
        "Moment does not know the customer's id, and knows its external_reference.",
        "Moment does not know the id of the customer",
        _AGAIN,
    ),
    "other_id": _record(
        "The customer has another id in Moment than the ledger knows.",
        "the customer has another id now",
        "ask Moment what became of these customers",
    ),
    "missing": _record(
        "The customer is not in Moment any more.",
        "the customer is not in Moment any more",
        "nothing is created again by itself; ask Moment what became of these customers",
    ),
}
REGISTRY: dict[str, Code] = {
    **_BY_THE_RULES,
    **_BY_THE_MAPPING,
    **_BY_THE_SOURCE,
    **_BY_DELIVERY,
}
"""Every code that this program gives by itself."""
CODES: dict[str, str] = {code: one.meaning for code, one in REGISTRY.items()}
"""Code -> what it means, in one sentence."""
