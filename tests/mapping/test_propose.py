"""What init proposes, and what it leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from importer.errors import UsageError
from importer.mapping import presets
from importer.mapping.proposing.facts import gather
from importer.mapping.proposing.proposal import Answers, Choice, Proposal
from importer.mapping.proposing.propose import columns_of, propose
from importer.source.records import Kind, Layout, RecordBatch

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import Facts

ROWS = 30


def facts_of(columns: dict[str, list[str]], name: str = "export.csv", cut: int = 7) -> Facts:
    """Facts of a file with these columns, read in batches of ``cut`` records."""
    frame = pl.DataFrame(columns)
    batches = [
        RecordBatch(0, frame[start : start + cut], range(2, frame.height + 2)[start : start + cut])
        for start in range(0, frame.height, cut)
    ]
    return gather(Layout(name, tuple(columns)), batches)


def customers(**more: list[str]) -> dict[str, list[str]]:
    """Thirty customers with a number of their own, and more columns."""
    return {"Customer No": [f"C-{number * 7}" for number in range(ROWS)], **more}


def choice(proposal: Proposal, *key: str) -> Choice:
    """The one choice with this key."""
    (found,) = (one for one in proposal.choices if one.key == key)
    return found


def open_answers(proposal: Proposal) -> list[str]:
    """What is asked for."""
    return [question.answer for question in proposal.questions]


def test_a_totals_line_counts_for_nothing_but_its_rule() -> None:
    """The last line is skipped by rule, and no count of a column includes it."""
    columns = customers(Email=[f"p{number}@example.com" for number in range(ROWS)])
    facts = facts_of(
        {name: [*cells, ""] for name, cells in columns.items()}
        | {"Customer No": [*columns["Customer No"], "Total"]}
    )
    assert facts.records == ROWS
    assert facts.column("Customer No").filled == facts.column("Customer No").distinct == ROWS
    entry = choice(propose(facts, Answers()), "rows").entry
    assert entry == {"skip_totals": True}


def test_a_customer_called_total_is_no_totals_line() -> None:
    """A full record stays a customer, whatever its first cell says."""
    columns = customers(
        Email=[f"p{number}@example.com" for number in range(ROWS)],
        City=["Town"] * ROWS,
    )
    columns["Customer No"][-1] = "Total-7"
    assert facts_of(columns).totals == ()


def test_a_unique_number_with_a_known_name_is_the_reference() -> None:
    """Name and values agree, so nothing is asked."""
    proposal = propose(facts_of(customers()), Answers())
    found = choice(proposal, "fields", "external_reference")
    assert (found.entry, found.confidence) == ({"column": "Customer No"}, "high")
    assert found.warnings == ()
    assert proposal.questions == []


def test_a_repeat_in_another_batch_is_seen() -> None:
    """Uniqueness is a property of the whole file."""
    columns = customers()
    columns["Customer No"][-1] = columns["Customer No"][0]
    column = facts_of(columns, cut=4).column("Customer No")
    assert column.repeats == 1


def test_a_row_number_is_no_reference() -> None:
    """1, 2, 3 ... is asked about, with the reason why it does not last."""
    facts = facts_of({"ID": [str(number) for number in range(1, ROWS + 1)]})
    (question,) = propose(facts, Answers()).questions
    assert question.answer == "reference"
    assert "row number" in question.suggestions[0].note


@pytest.mark.parametrize(
    ("column", "cells", "word"),
    [
        ("Email", [f"p{number}@example.com" for number in range(ROWS)], "e-mail"),
        ("Mobile", [f"08200000{number:02d}" for number in range(ROWS)], "phone numbers"),
        ("Passport", [f"X{number:07d}" for number in range(ROWS)], "personal data"),
        ("City", ["Town"] * ROWS, "does not tell customers apart"),
    ],
)
def test_a_chosen_reference_is_taken_with_a_warning(
    column: str, cells: list[str], word: str
) -> None:
    """The user may choose what changes, repeats or is personal, and is told what it means."""
    proposal = propose(facts_of({column: cells}), Answers(reference=(column,), region="ZA"))
    found = choice(proposal, "fields", "external_reference")
    assert found.entry == {"column": column}
    assert any(word in warning for warning in found.warnings)


def test_two_papers_that_complete_each_other_are_suggested_together() -> None:
    """Who has no id number has a passport: both columns are one suggestion, never a default."""
    some = [f"8001{number:09d}" if number % 3 else "" for number in range(ROWS)]
    rest = ["" if number % 3 else f"X{number:07d}" for number in range(ROWS)]
    facts = facts_of({"passport_number": rest, "sa_identification_number": some})
    (question,) = propose(facts, Answers()).questions
    answers = [suggestion.answer for suggestion in question.suggestions]
    assert answers[-1] == ("sa_identification_number", "passport_number")
    chosen = propose(facts, Answers(reference=("sa_identification_number", "passport_number")))
    entry = choice(chosen, "fields", "external_reference").entry
    assert entry == {"columns": ["sa_identification_number", "passport_number"]}


def test_an_unknown_reference_column_is_refused() -> None:
    """The error names the columns that there are."""
    with pytest.raises(UsageError) as caught:
        propose(facts_of(customers()), Answers(reference=("Kundennr",)))
    assert '"Customer No"' in caught.value.hint


def test_personal_numbers_never_become_metadata() -> None:
    """Passport and id numbers are left out, even where few values would make them a group."""
    columns = customers(
        passport_number=["X1", "X2", "X3"] * 10, Segment=["retail", "premium", "retail"] * 10
    )
    proposal = propose(facts_of(columns), Answers())
    sent = set().union(*(columns_of(one.entry) for one in proposal.choices))
    assert sent == {"Customer No", "Segment"}
    assert "passport_number" in dict(proposal.left_out)


def test_a_firm_stands_in_where_people_have_no_name() -> None:
    """The firm's column completes the template if it is filled where the names are empty."""
    firm = ["" if number % 5 else "Placeholder Ltd" for number in range(ROWS)]
    first = ["Ada" if number % 5 else "" for number in range(ROWS)]
    columns = customers(Vorname=first, Name=first, Firma=firm)
    entry = choice(propose(facts_of(columns), Answers()), "fields", "name").entry
    assert entry == {"template": "{Firma} {Vorname} {Name}"}


def test_a_country_column_settles_the_phone_regions() -> None:
    """With countries in the file nothing is asked about phone numbers."""
    columns = customers(
        Tel=[f"030 23125{number:03d}" for number in range(ROWS)], Land=["DE", "AT", "CH"] * 10
    )
    proposal = propose(facts_of(columns), Answers())
    entry = choice(proposal, "fields", "phone").entry
    assert entry == {"column": "Tel", "region_column": "Land"}
    assert proposal.questions == []


def test_countries_may_be_names_in_any_language() -> None:
    """What each name means is written down, and who means nothing known is pointed out."""
    named = ["Deutschland", "Österreich", "U.K.", "Zuid-Afrika", "日本", "Narnia"]
    columns = customers(Tel=[f"030 23125{number:03d}" for number in range(ROWS)], Land=named * 5)
    phone = choice(propose(facts_of(columns), Answers()), "fields", "phone")
    assert phone.entry["region_column"] == "Land"
    codes = ("DE", "AT", "GB", "ZA", "JP")
    assert phone.entry["regions"] == dict(zip(named[:5], codes, strict=True))
    assert any('"Narnia"' in warning for warning in phone.warnings)
    columns["Land"][0] = "Ada Lovelace"
    phone = choice(propose(facts_of(columns), Answers()), "fields", "phone")
    assert any("stands there once" in warning for warning in phone.warnings)
    assert not any("Ada" in warning for warning in phone.warnings)


def test_a_customer_column_of_numbers_is_the_reference() -> None:
    """``Kunde`` over names is a name; over nothing but numbers it is the customer's number."""
    columns = {"Kunde": [f"{number:010d}" for number in range(500, 500 + ROWS)]}
    proposal = propose(facts_of(columns | {"Name 1": ["Ann"] * ROWS}), Answers())
    assert choice(proposal, "fields", "external_reference").entry == {"column": "Kunde"}
    assert choice(proposal, "fields", "name").entry == {"column": "Name 1"}


def test_a_whole_name_beside_first_and_last_name_is_pointed_out() -> None:
    """It may be the firm that is the customer, while the others name its contact."""
    columns = customers(Vorname=["Ann"] * ROWS, Nachname=["Lee"] * ROWS)
    for whole, warned in (("Acme Ltd", True), ("Lee, Ann", False)):
        facts = facts_of(columns | {"*ContactName": [whole] * ROWS})
        assert bool(choice(propose(facts, Answers()), "fields", "name").warnings) is warned


def test_amounts_with_a_sign_of_letters_are_amounts() -> None:
    """``R$ 1.234,56`` is one, and says which currency it is."""
    columns = customers(**{"Saldo devedor": [f"R$ 1.2{number:02d},56" for number in range(ROWS)]})
    proposal = propose(facts_of(columns), Answers())
    assert choice(proposal, "fields", "balance").entry["number_format"] == "1.234,56"
    assert choice(proposal, "fields", "currency").entry == {"constant": "BRL"}


def test_an_apostrophe_in_front_of_references_is_pointed_out() -> None:
    """It is no part of them, and is not escaped into them."""
    columns = {"Customer ID": [f"'72104{number:03d}" for number in range(ROWS)]}
    found = choice(propose(facts_of(columns), Answers()), "fields", "external_reference")
    assert [line.split("  #")[0] for line in found.instead] == ['sanitise = "apostrophe"']


def test_national_numbers_without_a_country_are_asked_about() -> None:
    """The region is never guessed; those where the numbers exist are suggested."""
    columns = customers(Tel=[f"07400 1234{number:02d}" for number in range(ROWS)])
    proposal = propose(facts_of(columns), Answers())
    (question,) = proposal.questions
    assert question.answer == "region"
    assert "GB" in [suggestion.answer for suggestion in question.suggestions]
    assert choice(propose(facts_of(columns), Answers(region="GB")), "fields", "phone").entry == {
        "column": "Tel",
        "region": "GB",
    }


def test_the_name_of_a_moment_file_says_the_country() -> None:
    """Files by SFTP begin with the country by convention; other names say nothing."""
    columns = customers(Tel=[f"08200000{number:02d}" for number in range(ROWS)])
    for name in ("ZA_acme_moment_all-customers_2026-01-01.csv", "ZA_acme_dailyfile_2026-01-02.csv"):
        named = propose(facts_of(columns, f"in/{name}"), Answers())
        assert choice(named, "fields", "phone").entry["region"] == "ZA"
    assert open_answers(propose(facts_of(columns, "ZA_export.csv"), Answers())) == ["region"]


def test_international_numbers_need_no_region() -> None:
    """Numbers that say their country are asked about in no way."""
    columns = customers(Tel=[f"+27 82 000 00{number:02d}" for number in range(ROWS)])
    proposal = propose(facts_of(columns), Answers())
    assert proposal.questions == []
    assert choice(proposal, "fields", "phone").entry["region"] == "ZA"


def amounts(name: str, cells: list[str]) -> dict[str, list[str]]:
    """Customers with amounts in rand."""
    return customers(**{name: (cells * ROWS)[:ROWS], "Currency": ["ZAR"] * ROWS})


def test_an_amount_due_needs_no_question() -> None:
    """Decimals tell the unit and the format, the name tells the sign."""
    proposal = propose(facts_of(amounts("Amount due", ["1.234,50", "12,00"])), Answers())
    assert proposal.questions == []
    assert choice(proposal, "fields", "balance").entry == {
        "column": "Amount due",
        "unit": "major",
        "number_format": "1.234,56",
        "positive": "debit",
    }


def test_the_sign_of_a_saldo_is_asked_for() -> None:
    """Saldo and balance mean debit in one program and credit in another."""
    proposal = propose(facts_of(amounts("Saldo", ["1.234,50", "12,00"])), Answers())
    assert open_answers(proposal) == ["positive"]


def test_whole_amounts_may_be_rand_or_cents() -> None:
    """Without any decimals the unit is asked for, as it is worth a factor of a hundred."""
    proposal = propose(facts_of(amounts("Amount due", ["1500", "20"])), Answers())
    assert "unit" in open_answers(proposal)
    minor = propose(facts_of(amounts("Amount due", ["1500", "20"])), Answers(unit="minor"))
    assert minor.questions == []
    assert choice(minor, "fields", "balance").entry["unit"] == "minor"


@pytest.mark.parametrize(
    ("cells", "number_format"),
    [
        (["0.000", "1250.500", "-3.120"], "1234.560"),
        (["0E-9", "100.000000000", "-5.500000000"], "1234.56"),
        ([".00", "-.50", "1042.50"], "1234.56"),
    ],
)
def test_amounts_as_programs_write_them(cells: list[str], number_format: str) -> None:
    """Zoho has three decimals, Zuora Java's zeros, NetSuite no zero in front: all are amounts."""
    entry = choice(propose(facts_of(amounts("Amount due", cells)), Answers()), "fields", "balance")
    assert entry.entry["number_format"] == number_format
    assert entry.entry["unit"] == "major"
    assert not any("no amount" in text for text in entry.warnings)


def test_columns_named_as_on_the_api_page_mean_what_it_says() -> None:
    """A file in the API's own form gives its own mapping, and no question."""
    columns = {
        "external_reference": [f"C-{number * 7}" for number in range(ROWS)],
        "currency": ["ZAR"] * ROWS,
        "balance": ["1500", "-20", "0"] * 10,
        "metadata.legacy_id": [f"L{number}" for number in range(ROWS)],
    }
    proposal = propose(facts_of(columns), Answers())
    assert proposal.questions == []
    entry = choice(proposal, "fields", "balance").entry
    assert entry == {"column": "balance", "unit": "minor", "positive": "debit"}
    assert choice(proposal, "metadata", "legacy_id").entry == {"column": "metadata.legacy_id"}


def test_an_ambiguous_number_format_is_asked_for() -> None:
    """1,234 in every cell may be a thousand or one and a bit: the user says which."""
    facts = facts_of(amounts("Amount due", ["1,234", "5,678"]))
    assert "number_format" in open_answers(propose(facts, Answers()))
    answered = propose(facts, Answers(number_format="1,234.56"))
    assert answered.questions == []


def test_a_balance_without_currency_is_asked_about() -> None:
    """No currency is ever taken for granted."""
    columns = amounts("Amount due", ["1,50"])
    del columns["Currency"]
    proposal = propose(facts_of(columns), Answers())
    assert open_answers(proposal) == ["currency"]
    answered = propose(facts_of(columns), Answers(currency="ZAR"))
    assert choice(answered, "fields", "currency").entry == {"constant": "ZAR"}


def test_one_currency_sign_in_all_amounts_is_the_currency() -> None:
    """Amounts that name their currency need no question; a dollar sign names several."""
    euro = amounts("Amount due", ["€ 1,50", "2,00 €"])
    dollar = amounts("Amount due", ["$1.50"])
    del euro["Currency"], dollar["Currency"]
    assert choice(propose(facts_of(euro), Answers()), "fields", "currency").entry == {
        "constant": "EUR"
    }
    assert "currency" in open_answers(propose(facts_of(dollar), Answers()))


def test_a_wrong_currency_code_is_pointed_out_and_not_replaced() -> None:
    """UK may mean GBP: the value map is written as a comment, for a person to decide."""
    columns = amounts("Amount due", ["1,50"])
    columns["Currency"] = ["ZAR"] * 28 + ["UK"] * 2
    found = choice(propose(facts_of(columns), Answers()), "fields", "currency")
    assert found.entry == {"column": "Currency"}
    assert found.instead == ('values = { UK = "GBP" }  # if that is what they mean',)


def test_customers_who_left_are_pointed_out_and_not_dropped() -> None:
    """A status column gives a commented filter; nothing is filtered unasked."""
    columns = customers(Status=["active", "active", "closed"] * 10)
    found = choice(propose(facts_of(columns), Answers()), "rows")
    assert found.entry == {}
    assert found.instead == ('keep = { Status = ["active"] }',)


@pytest.mark.parametrize(
    ("name", "cells", "instead"),
    [
        ("Inactive", ["No", "Yes", "No"], ('drop = { Inactive = ["Yes"] }',)),
        ("ISDELETED", ["false", "false", "true"], ('drop = { ISDELETED = ["true"] }',)),
        ("Gesperrt", ["", "X", ""], ('drop = { Gesperrt = ["X"] }',)),
        ("Enabled", ["1", "0", "1"], ('keep = { Enabled = ["1"] }',)),
        ("Inactive", ["No", "No", "No"], ()),
        ("Closed", ["2024-01-02", "", ""], ()),
    ],
)
def test_a_yes_may_say_who_left(name: str, cells: list[str], instead: tuple[str, ...]) -> None:
    """NetSuite says Inactive, Salesforce IsDeleted, SAP a cross, PrestaShop Enabled."""
    proposal = propose(facts_of(customers(**{name: cells * 10})), Answers())
    rows = [one for one in proposal.choices if one.key == ("rows",)]
    assert tuple(line for one in rows for line in one.instead) == instead
    assert all(one.entry == {} for one in rows)
    assert all(f'"{name}" is' in one.warnings[0] for one in rows)


def test_lines_that_stop_a_run_are_told() -> None:
    """A foot of a report is no totals line: what to say of it stands there as a comment."""
    columns = customers(Name=[f"Ann {number}" for number in range(ROWS)])
    columns["Customer No"][-1] = "Printed on 2026-11-26"
    columns["Name"][-1] = ""
    rows = choice(propose(facts_of(columns), Answers(reference=("Customer No",))), "rows")
    assert rows.entry == {}
    assert rows.instead == ('edges = "skip"  # leaves them out',)
    assert f"line {ROWS + 1} looks like the foot of a page or report" in rows.warnings[0]


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_says_what_was_verified(name: str) -> None:
    """Each preset names its evidence and what is not known."""
    text = presets.text(name)
    assert "# Verified" in text
    assert "# Not verified" in text or "# Open" in text


def test_the_moment_preset_sends_no_identity_document() -> None:
    """The billing file's id numbers go nowhere, and its reference is for the user to choose."""
    tables = presets.tables("moment-sftp")
    used = set().union(*(columns_of(entry) for entry in tables["fields"].values()))
    assert used == {"first_name", "last_name", "email", "mobile_phone_number", "amount_due"}
    assert "external_reference" not in tables["fields"]


def test_a_preset_wins_and_the_file_completes_it() -> None:
    """The preset names the columns; what only the file or the user can say is added."""
    columns = {
        "Record ID": [str(number * 3) for number in range(ROWS)],
        "First Name": ["Ada"] * ROWS,
        "Last Name": ["Voorbeeld"] * ROWS,
        "Email": [f"p{number}@example.com" for number in range(ROWS)],
        "Phone Number": [f"08200000{number:02d}" for number in range(ROWS)],
    }
    proposal = propose(facts_of(columns), Answers(region="ZA"), presets.tables("hubspot"))
    assert proposal.questions == []
    assert choice(proposal, "fields", "external_reference").entry == {"column": "Record ID"}
    assert choice(proposal, "fields", "phone").entry == {"column": "Phone Number", "region": "ZA"}


def test_a_column_that_a_preset_misses_costs_its_field_only() -> None:
    """A preset's field without its column is left out, with a note."""
    proposal = propose(facts_of(customers()), Answers(), presets.tables("stripe"))
    assert choice(proposal, "fields", "external_reference").entry == {"column": "Customer No"}
    assert any('no column "Email"' in note for note in proposal.notes)


def test_the_same_file_gives_the_same_proposal_in_any_batches() -> None:
    """How a file is cut into batches changes nothing."""
    columns = amounts("Saldo", ["1.234,50", "12,00"])
    one, other = (propose(facts_of(columns, cut=cut), Answers()) for cut in (3, 30))
    assert one == other


def test_the_balance_of_now_is_taken_and_not_that_of_before() -> None:
    """An opening balance is far behind a closing one; alone it is asked about."""
    both = amounts("Opening Balance", ["1.50"]) | amounts("Closing Balance", ["2.50"])
    proposal = propose(facts_of(both), Answers(positive="debit"))
    assert proposal.questions == []
    assert choice(proposal, "fields", "balance").entry["column"] == "Closing Balance"
    alone = propose(facts_of(amounts("Opening Balance", ["1.50"])), Answers())
    assert open_answers(alone) == ["balance"]
    none = propose(facts_of(amounts("Opening Balance", ["1.50"])), Answers(balance=("none",)))
    assert none.entry("fields", "balance") is None
    assert none.questions == []


def test_two_amounts_that_may_be_the_balance_are_asked_about() -> None:
    """Nothing is sure where a second candidate is near, unless it holds the same."""
    columns = amounts("Amount due", ["1.50"]) | amounts("Account Balance", ["2.50"])
    (question,) = propose(facts_of(columns), Answers()).questions
    assert question.answer == "balance"
    answers = [suggestion.answer for suggestion in question.suggestions]
    assert answers == [("Amount due",), ("Account Balance",), ("none",)]
    chosen = propose(facts_of(columns), Answers(balance=("Amount due",)))
    assert choice(chosen, "fields", "balance").entry["column"] == "Amount due"
    same = amounts("Amount due", ["1.50"]) | amounts("Account Balance", ["1.50"])
    assert propose(facts_of(same), Answers()).questions == []


def test_debit_and_credit_make_one_balance() -> None:
    """Two columns that say whose money it is are one amount, and no question is left."""
    columns = amounts("Debit", ["1.50", "-"]) | amounts("Credit", ["", "2.00"])
    proposal = propose(facts_of(columns), Answers())
    assert proposal.questions == []
    entry = choice(proposal, "fields", "balance").entry
    assert entry == {
        "debit": "Debit",
        "credit": "Credit",
        "unit": "major",
        "number_format": "1234.56",
    }
    beside = columns | amounts("Balance", ["1.50", "-2.00"])
    (question,) = propose(facts_of(beside), Answers()).questions
    assert question.suggestions[1].answer == ("Debit", "Credit")
    chosen = propose(facts_of(beside), Answers(balance=("Debit", "Credit")))
    assert choice(chosen, "fields", "balance").entry == entry


@pytest.mark.parametrize(
    ("sides", "template"),
    [
        (["S", "H"], "{Saldo} {Side}"),
        (["D", "C"], "{Saldo} {Side}"),
        (["Debit", "Credit"], "{Saldo} {Side}"),
        (["Dare", "Avere"], "{Saldo} {Side}"),
        (["+", "-"], "{Side}{Saldo}"),
    ],
)
def test_a_column_of_sides_says_whose_the_amounts_are(sides: list[str], template: str) -> None:
    """Without it the credits of the file would be debts."""
    columns = customers(
        Saldo=[f"{n},50" for n in range(ROWS)], Side=sides * (ROWS // 2), Cur=["EUR"] * ROWS
    )
    proposal = propose(facts_of(columns), Answers())
    entry = choice(proposal, "fields", "balance").entry
    assert entry["template"] == template
    assert "column" not in entry
    assert ("positive" in open_answers(proposal)) == (sides == ["+", "-"])
    assert not [one for one in proposal.choices if one.key[0] == "metadata"]


def test_sides_that_are_missing_and_letters_that_are_none() -> None:
    """An amount without its side has the column's sign; classes of customers are no sides."""
    some = customers(Saldo=[f"{n},50" for n in range(ROWS)], Side=["S", "H", ""] * (ROWS // 3))
    proposal = propose(facts_of(some), Answers(currency="EUR"))
    assert "positive" in open_answers(proposal)
    classes = customers(Saldo=[f"{n},50" for n in range(ROWS)], Class=["A", "C", "D"] * (ROWS // 3))
    found = propose(facts_of(classes), Answers(currency="EUR"))
    assert choice(found, "fields", "balance").entry["column"] == "Saldo"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Jane Smith"] * ROWS, {"column": "Name"}),
        (["Smith, Jane"] * ROWS, {"column": "Name"}),
        (["Smith"] * ROWS, {"template": "{First Name} {Name}"}),
        (["Jane"] * ROWS, {"template": "{First Name} {Name}"}),
        (["Jane Smith", "Smith", "Smith"] * 10, None),
    ],
)
def test_a_name_that_holds_the_first_name_is_the_whole_name(
    names: list[str], expected: dict[str, str] | None
) -> None:
    """The values say whether ``Name`` is the last name; where they disagree it is asked."""
    columns = customers(Name=names) | {"First Name": ["Jane"] * ROWS}
    proposal = propose(facts_of(columns), Answers())
    assert proposal.entry("fields", "name") == expected
    assert open_answers(proposal) == ([] if expected else ["name"])
    answered = propose(facts_of(columns), Answers(name="{First Name} {Name}"))
    assert answered.entry("fields", "name") == {"template": "{First Name} {Name}"}


def test_somebody_elses_columns_are_not_the_customers() -> None:
    """An invoice's reference and a representative's address or number are left out."""
    columns = customers(Email=["a@b.za", ""] * 15) | {
        "Invoice Reference": [f"I-{number}" for number in range(ROWS)],
        "Sales Rep Email": ["rep@b.za"] * ROWS,
        "Account Manager": ["boss@b.za"] * ROWS,
        "Agent Phone": ["+27821234567"] * ROWS,
        "Product Name": ["Fibre"] * ROWS,
    }
    proposal = propose(facts_of(columns), Answers())
    assert proposal.questions == []
    used = set().union(*(columns_of(one.entry) for one in proposal.choices))
    assert used == {"Customer No", "Email"}
    alone = {"Invoice Reference": columns["Invoice Reference"]}
    assert open_answers(propose(facts_of(alone), Answers())) == ["reference"]


def test_a_second_address_is_the_customers_only_if_its_name_says_so() -> None:
    """``E-Mail 2`` and ``Work Tel`` are; a teacher's is pointed out and not used."""
    mails = [f"p{number}@b.za" for number in range(ROWS)]
    numbers = [f"+2782000{number:04d}" for number in range(ROWS)]
    columns = customers(
        **{"E-Mail 2": mails[::-1], "Email": mails, "Teacher Email": [*mails[1:], ""]}
    )
    columns |= {"Cell": numbers, "Work Tel": numbers[::-1], "Learner Phone": [*numbers[1:], ""]}
    proposal = propose(facts_of(columns), Answers())
    email, phone = (choice(proposal, "fields", one) for one in ("email", "phone"))
    assert email.entry["columns"] == ["Email", "E-Mail 2"]
    assert phone.entry["columns"] == ["Cell", "Work Tel"]
    assert "Teacher Email" in email.warnings[0]
    assert "Learner Phone" in phone.warnings[0]


def test_two_references_are_asked_about() -> None:
    """Two columns that are both unique and named so: only a person knows which one lasts."""
    columns = customers() | {"Account Number": [f"A{number * 3}" for number in range(ROWS)]}
    assert open_answers(propose(facts_of(columns), Answers())) == ["reference"]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Customer Reference", True),
        ("Account Reference", True),
        ("Our Reference", True),
        ("Member Code", True),
        ("Billing Customer Number", True),
        ("PO Reference", False),
        ("Mandate Reference", False),
        ("Meter Ref No", False),
        ("Cost Code", False),
        ("Your Reference", False),
        ("Legacy Reference", False),
    ],
)
def test_a_reference_of_anything_is_asked_about(name: str, taken: bool) -> None:  # noqa: FBT001 - from a table
    """Only where the rest of its name is about the customer is it the customer's own."""
    columns = {name: [f"A{number * 3}" for number in range(ROWS)], "Name": ["Ada"] * ROWS}
    assert open_answers(propose(facts_of(columns), Answers())) == ([] if taken else ["reference"])


def test_a_reference_that_a_program_changed_is_pointed_out() -> None:
    """Escaping is offered for other signs, never for what a spreadsheet wrote about a number."""
    changed = {"Customer No": [f"{number * 7}.0" for number in range(ROWS)]}
    found = choice(propose(facts_of(changed), Answers()), "fields", "external_reference")
    assert any("written with .0" in warning for warning in found.warnings)
    assert found.instead == ()
    other = {"Customer No": [f"A/{number}" for number in range(ROWS)]}
    found = choice(propose(facts_of(other), Answers()), "fields", "external_reference")
    assert "sanitise" in found.instead[0]


def test_a_text_that_is_wrapped_for_a_spreadsheet_is_that_text() -> None:
    """Numbers in ``=""`` are numbers to dial and references, and the mapping says how."""
    wrapped = {
        "Customer No": [f'="{number * 7:04}"' for number in range(ROWS)],
        "Cell": [f'="08212345{number:02}"' for number in range(ROWS)],
    }
    facts = facts_of(wrapped)
    assert facts.text_formulas == 2 * ROWS
    proposal = propose(facts, Answers(region="ZA"))
    assert choice(proposal, "fields", "external_reference").warnings == ()
    assert choice(proposal, "fields", "phone").entry == {"column": "Cell", "region": "ZA"}
    assert any("text_formulas" in note for note in proposal.notes)


def test_a_firm_and_its_contact_are_asked_about() -> None:
    """Both are filled, and which of them is the customer no file says."""
    columns = customers() | {"Company Name": ["Ada Ltd", "Bo CC"] * 15}
    columns["Contact Name"] = columns.pop("Name", ["Ada"] * ROWS)
    proposal = propose(facts_of(columns), Answers())
    assert open_answers(proposal) == ["name"]
    chosen = propose(facts_of(columns), Answers(name="Company Name"))
    assert choice(chosen, "fields", "name").entry == {"column": "Company Name"}


def test_what_stands_for_an_empty_cell_is_no_value() -> None:
    """NULL is no number and no name: it counts for nothing, and the mapping says so."""
    columns = customers(
        Tel=["NULL", "+27821234567"] * 15, Name=["Ada", "NULL", "\\N"] * 10, Land=["NA"] * ROWS
    )
    facts = facts_of(columns)
    assert facts.nothing == (("NULL", 25), ("\\N", 10))
    assert facts.column("Tel").filled == 15
    assert any("NULL" in note for note in propose(facts, Answers()).notes)


def test_a_header_that_is_repeated_is_no_customer() -> None:
    """Where files were joined, the later headers are left out by rule and counted nowhere."""
    columns = customers(Name=["Ada"] * ROWS)
    facts = facts_of({name: [*cells[:9], name, *cells[9:]] for name, cells in columns.items()})
    assert facts.repeated == (11,)
    assert facts.records == ROWS
    rows = choice(propose(facts, Answers()), "rows")
    assert rows.entry == {"drop": {"Customer No": "Customer No"}}


def test_a_customer_whose_name_begins_like_a_total_is_one() -> None:
    """A reference, an address or a number makes a customer of any line."""
    columns = {
        "Name": ["Ada"] * ROWS + ["Total Plumbing CC", "Total", "Total", "Total"],
        **{
            name: [*cells, *more]
            for (name, cells), more in zip(
                (customers() | {"Email": [""] * ROWS, "Due": ["1.50"] * ROWS}).items(),
                (["A99", "A98", "", ""], ["", "", "t@b.za", ""], ["1.50"] * 4),
                strict=True,
            )
        },
    }
    facts = facts_of(columns)
    assert [line for line, _, _ in facts.totals] == [ROWS + 5]


def test_moments_daily_file_says_its_country_too() -> None:
    """The first full file and the daily ones begin with it."""
    columns = customers(Tel=[f"08200000{number:02d}" for number in range(ROWS)])
    proposal = propose(facts_of(columns, "ZA_acme_dailyfile_2026-01-02.csv"), Answers())
    assert choice(proposal, "fields", "phone").entry["region"] == "ZA"


@pytest.mark.parametrize(
    ("name", "cells", "unit"),
    [
        ("balance", ["1200.5000", "0.0000"], "major"),
        ("Amount", ["12.5", "7"], "major"),
        ("balance_cents", ["1200", "-45"], "minor"),
        ("AmountInCents", ["1200", "0"], "minor"),
        ("Saldo (cent)", ["1200", "0"], "minor"),
        ("balance_cents", ["12.50", "1"], None),
        ("balance", ["1200", "0"], None),
        ("Central balance", ["1200", "0"], None),
        ("Balance sent", ["1200", "0"], None),
    ],
)
def test_the_unit_is_what_values_and_name_say(
    name: str, cells: list[str], unit: str | None
) -> None:
    """Decimals make whole units, a name of cents minor ones; where both are it is asked."""
    proposal = propose(facts_of(amounts(name, cells)), Answers(balance=(name,), positive="debit"))
    assert choice(proposal, "fields", "balance").entry.get("unit") == unit
    assert open_answers(proposal) == ([] if unit else ["unit"])


@pytest.mark.parametrize(
    ("name", "cells", "answer", "code", "looks"),
    [
        ("Saldo EUR", ["12.50"], None, "EUR", 0),
        ("Balance (ZAR)", ["12.50"], None, "ZAR", 0),
        ("BALANCE_USD", ["12.50"], None, "USD", 0),
        ("Saldo EUR", ["12.50"], "EUR", "EUR", 0),
        ("Saldo EUR", ["12.50"], "ZAR", "ZAR", 1),
        ("Balance", ["€ 12.50"], "ZAR", "ZAR", 1),
        ("Saldo EUR", ["USD 12.50"], "ZAR", "ZAR", 2),
        ("Saldo EUR", ["USD 12.50"], None, None, 0),
        ("Balance", ["R 12.50"], None, None, 0),
        ("BALANCE ALL", ["12.50"], None, None, 0),
        ("Balance ALL accounts", ["12.50"], None, None, 0),
    ],
)
def test_the_currency_in_the_name_of_an_amount(
    name: str, cells: list[str], answer: str | None, code: str | None, looks: int
) -> None:
    """It counts as a sign in the amounts does; who says another one is told."""
    columns = customers(**{name: cells * ROWS})
    said = Answers(balance=(name,), currency=answer, positive="debit")
    proposal = propose(facts_of(columns), said)
    assert open_answers(proposal) == ([] if code else ["currency"])
    if code:
        found = choice(proposal, "fields", "currency")
        assert (found.entry, len(found.warnings)) == ({"constant": code}, looks)
    elif "USD" in cells[0] or "R" in cells[0]:
        (question,) = proposal.questions
        first = {"Balance": "ZAR"}.get(name, "USD")
        assert question.suggestions[0].answer == first


def test_a_text_that_names_no_currency_is_asked_about() -> None:
    """Where it is all that stands there; it alone then means the answer."""
    columns = customers(**{"Balance": ["12.50"] * ROWS, "Currency Code": ["0"] * ROWS})
    proposal = propose(facts_of(columns), Answers(positive="debit"))
    assert open_answers(proposal) == ["currency"]
    proposal = propose(facts_of(columns), Answers(positive="debit", currency="ZAR"))
    entry = {"column": "Currency Code", "values": {"0": "ZAR"}, "default": "ZAR"}
    assert choice(proposal, "fields", "currency").entry == entry
    for cells in (["0", "1"], ["South African Rand"]):
        columns["Currency Code"] = (cells * ROWS)[:ROWS]
        found = choice(propose(facts_of(columns), Answers(positive="debit")), "fields", "currency")
        assert found.entry == {"column": "Currency Code"}
        assert len(found.warnings) == len(cells)


def test_blanks_around_the_name_of_a_column_are_no_part_of_it() -> None:
    """As SQL*Plus pads them: proposals and answers name the column without."""
    numbers = {"CUSTNO    ": [f"C-{number * 7}" for number in range(ROWS)]}
    facts = facts_of({**numbers, "NAME          ": ["Ada"] * ROWS})
    for said in (Answers(), Answers(reference=("CUSTNO",)), Answers(reference=("CUSTNO    ",))):
        proposal = propose(facts, said)
        assert choice(proposal, "fields", "external_reference").entry == {"column": "CUSTNO"}
        assert choice(proposal, "fields", "name").entry == {"column": "NAME"}


def test_what_a_column_is_called_and_holds_in_another_form_is_not_left_out() -> None:
    """Several addresses in a cell are for check to tell of; an apostrophe is a spreadsheet's."""
    columns = customers(
        **{
            "Person - Email - Work": ["ada@example.com, bo@example.com"] * ROWS,
            "Phone Number": ["'+27821234567"] * ROWS,
        }
    )
    proposal = propose(facts_of(columns), Answers())
    assert choice(proposal, "fields", "email").entry == {"column": "Person - Email - Work"}
    assert choice(proposal, "fields", "phone").entry == {"column": "Phone Number", "region": "ZA"}
    columns["Phone Number"] = ["\u202a+49 30 901820\u202c"] * ROWS
    proposal = propose(facts_of(columns), Answers())
    assert choice(proposal, "fields", "phone").entry == {"column": "Phone Number", "region": "DE"}


@pytest.mark.parametrize(
    ("cells", "answer", "values"),
    [
        (["zar"], None, {"zar": "ZAR"}),
        (["zar", "usd", "EUR"], None, {"zar": "ZAR", "usd": "USD"}),
        (["R"], "ZAR", {"R": "ZAR"}),
        (["South African Rand"], "ZAR", {"South African Rand": "ZAR"}),
        (["R"], None, None),
        (["R"], "NAD", None),
        (["R", "$"], "ZAR", None),
        (["ZAR"], "ZAR", None),
    ],
)
def test_texts_of_currencies_that_can_be_nothing_else(
    cells: list[str], answer: str | None, values: dict[str, str] | None
) -> None:
    """A code in small letters, and what the user's answer is called, need no second look."""
    columns = customers(Currency=(cells * ROWS)[:ROWS])
    found = choice(propose(facts_of(columns), Answers(currency=answer)), "fields", "currency")
    assert found.entry.get("values") == values
    assert bool(found.warnings) is (values is None and cells != ["ZAR"])


def test_initials_stand_in_for_a_first_name() -> None:
    """Beside a first name they are nothing."""
    columns = customers(INITIALS=["T J"] * ROWS, SURNAME=["Nkosi"] * ROWS)
    found = choice(propose(facts_of(columns), Answers()), "fields", "name")
    assert found.entry == {"template": "{INITIALS} {SURNAME}"}
    columns["First Name"] = ["Thabo"] * ROWS
    found = choice(propose(facts_of(columns), Answers()), "fields", "name")
    assert found.entry == {"template": "{First Name} {SURNAME}"}


def test_the_mobile_phone_comes_first() -> None:
    """Of two numbers of one customer it is the one that takes messages."""
    columns = customers(Telephone=["+27115551234"] * ROWS, Cell=["+27821234567"] * ROWS)
    found = choice(propose(facts_of(columns), Answers()), "fields", "phone")
    assert found.entry == {"columns": ["Cell", "Telephone"]}


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"Mobile": ["2.78E+10"] * ROWS}, "shortened 30 numbers"),
        ({"Email": ["NA", "ada@example.com"] * 15}, '"NA" stands in 15 cells'),
        (
            {"Email": ["NA", "ada@example.com"] * 15, "Country": ["NA", "ZA"] * 15},
            "may be Namibia",
        ),
        ({"Description": ["Acme CC"] * ROWS}, "no column is taken for the name"),
        (
            {"30 Days": ["0.00"] * ROWS, "Total": ["12.50", "0.00"] * 15},
            '"Total", "30 Days" may hold amounts: --balance',
        ),
    ],
)
def test_what_is_lost_is_said(more: dict[str, list[str]], note: str) -> None:
    """Numbers that a spreadsheet shortened, NA of R, and a name that no column has."""
    assert any(note in one for one in propose(facts_of(customers(**more)), Answers()).notes)
    fine = customers(Name=["Ada"] * ROWS, Mobile=["+27821234567"] * ROWS, Country=["NA"] * ROWS)
    assert propose(facts_of(fine), Answers()).notes == []


@pytest.mark.parametrize(
    ("cells", "number"),
    [
        (["C-10", "c-10"], 1),
        (["C0010", "C10"], 1),
        (["007", "7", "0007"], 2),
        (["C-10", "C-100", "C-1", "D-1", "C-00", "0", "10", "1"], 0),
    ],
)
def test_references_that_are_nearly_the_same_are_pointed_out(cells: list[str], number: int) -> None:
    """In Moment each is a customer of its own, and nobody can be deleted there."""
    columns = {"Customer No": [*cells, *(f"X{at * 7}" for at in range(ROWS))]}
    found = choice(propose(facts_of(columns), Answers()), "fields", "external_reference")
    told = [one for one in found.warnings if "only in capitals" in one]
    assert [one.startswith(f'"Customer No": {number} value') for one in told] == [True] * (
        number > 0
    )


@pytest.mark.parametrize("whole", [True, False])
def test_lists_and_objects_are_proposed_for_nothing(*, whole: bool) -> None:
    """Every record would be invalid: BigQuery's repeated tags, and the ids of MongoDB."""
    columns = {
        "_id": [f'{{"$oid": "{number}"}}' for number in range(ROWS)],
        **customers(Tags=['["a"]'] * ROWS),
    }
    kinds = {
        at: kind if whole else pl.Series([kind.value] * ROWS, dtype=pl.UInt8)
        for at, kind in ((0, Kind.OBJECT), (2, Kind.LIST))
    }
    batch = RecordBatch(0, pl.DataFrame(columns), range(2, ROWS + 2), kinds=kinds)
    facts = gather(Layout("export.jsonl", tuple(columns)), [batch])
    proposal = propose(facts, Answers())
    assert choice(proposal, "fields", "external_reference").entry == {"column": "Customer No"}
    assert not [one for one in proposal.choices if one.key[0] == "metadata"]
    assert {name for name, why in proposal.left_out if "lists or objects" in why} == {"_id", "Tags"}
