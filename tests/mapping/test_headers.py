"""What a column's name says it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.filters import is_totals_label
from importer.mapping.proposing.headers import roles


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Customer No.", "reference"),
        ("Kundennr", "reference"),
        ("N° client", "reference"),
        ("Código de cliente", "reference"),
        ("Klantnummer", "reference"),
        ("Código do cliente", "reference"),
        ("Kliëntnommer", "reference"),
        ("Vorname", "first_name"),
        ("Prénom", "first_name"),
        ("Apellidos", "last_name"),
        ("Achternaam", "last_name"),
        ("Razão social", "company"),
        ("E-Mail-Adresse", "email"),
        ("Correo electrónico", "email"),
        ("E-posadres", "email"),
        ("Téléphone", "phone"),
        ("Teléfono móvil", "phone"),
        ("Selfoon", "phone"),
        ("Telemóvel", "phone"),
        ("Währung", "currency"),
        ("Devise", "currency"),
        ("Geldeenheid", "currency"),
        ("Offener Betrag", "balance"),
        ("Solde dû", "balance"),
        ("Uitstaande bedrag", "balance"),
        ("Saldo EUR", "balance"),
        ("BillingCountry", "country"),
        ("Straße", "address"),
        ("sa_identification_number", "personal_id"),
        ("Geburtsdatum", "personal_id"),
        ("Person - Email - Work", "email"),
        ("customers.id", "reference"),
        ("CardCode", "reference"),
        ("Customer Currency Code", "currency"),
        ("Total Receivable", "balance"),
        ("CUSTNO", "reference"),
        ("ACC_NO", "reference"),
        ("A/C No.", "reference"),
        ("Card ID", "reference"),
        ("CUSNAM", "full_name"),
        ("Customer Description", "full_name"),
        ("Co./Last Name", "last_name"),
        ("Initials", "first_name"),
        ("CUSPHN", "phone"),
        ("BALAMT", "balance"),
        ("Total Due", "balance"),
        ("Bill To: Mobile Phone", "phone"),
        ("Account Holder", "full_name"),
    ],
)
def test_a_header_is_understood_in_seven_languages(name: str, role: str) -> None:
    """The name of a column tells its part, whatever its accents, case and separators."""
    found = roles(name)
    assert max(found, key=lambda one: found[one]) == role


@given(st.text())
def test_any_header_can_be_asked_about(name: str) -> None:
    """No name breaks the dictionary, and each weight lies between 0 and 1."""
    assert all(0 < weight <= 1 for weight in roles(name).values())


@pytest.mark.parametrize(
    "label", ["Summe", "TOTAL:", "Grand Total", "Total général", "Gesamt EUR", "Total (420)"]
)
def test_a_totals_label_is_known(label: str) -> None:
    """Labels of totals lines are known in several languages."""
    assert is_totals_label(label)


@pytest.mark.parametrize(
    "name",
    ["Totaleweg", "Summer", "K-1", "", "12", "Total Plumbing CC", "Total Gas", "Sum Yi", "TOTAL-7"],
)
def test_what_only_resembles_a_totals_label_is_none(name: str) -> None:
    """A name that begins like a label is no label."""
    assert not is_totals_label(name)
