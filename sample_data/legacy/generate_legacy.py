"""Writes three legacy exports from a fixed seed. Names, addresses and numbers are made up.

<<<<<<<< HEAD:sample_data/legacy/make_legacy.py
    python sample_data/legacy/make_legacy.py [FOLDER]
========
    python sample_data/legacy/generate_legacy.py [FOLDER]
>>>>>>>> w-init:sample_data/legacy/generate_legacy.py

docs/migrating.md imports them. Each has the habits of the program it stands for, and a few bad
rows; no line of code may be needed to import it.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from pathlib import Path

SEED = 20261123
CRM_ROWS = 420
EXCEL_ROWS = 360
SFTP_ROWS = 320

FIRST = (
    "Änne Björn Cäcilie Detlev Elfriede Fjodor Götz Hänsel Ilse Jürgen Käthe Löwe Mörike Nüssli"
    " Otfried Pünktchen Quirin Rübezahl Söhnke Tünnes Ursel Vroni Wölfchen Xaver Yvette Zäzilie"
).split()
LAST = (
    "Ährenkranz Beispiel Dünnbier Eßlöffel Füllwort Größtmann Hühnerbein Jedermann Käsekuchen"
    " Löffelholz Müßiggang Nußknacker Österling Platzhalter Quärfurt Rübsam Süßkind Türschloß"
    " Übermut Vöglein Wüstenrot-Muster Zwölfender"
).split()
FIRMS = (
    "Bäckerei Beispiel & Söhne",
    "Möbelhaus Muster GmbH",
    "Blumen Größtmann",
    "Fähr- und Brückendienst Platzhalter",
    "Weingut Übermut",
)
TOWNS = {
    "DE": ("Schilda", "99998"),
    "AT": ("Kakanien", "9998"),
    "CH": ("Seldwyla", "9999"),
    "NL": ("Voorbeeldstad", "9999 ZZ"),
    "GB": ("Exampleton", "ZZ99 9ZZ"),
}
LANDS = ("DE",) * 12 + ("AT",) * 4 + ("CH",) * 2 + ("NL", "GB")
CURRENCY = {"DE": "EUR", "AT": "EUR", "CH": "CHF", "NL": "EUR", "GB": "GBP"}

CRM_HEADER = (
    "Kundennr;Anrede;Vorname;Nachname;Firma;Straße;PLZ;Ort;Land;Telefon;E-Mail;Währung;Saldo;"
    "Status;Kundengruppe;Angelegt am"
).split(";")


EXCEL_HEADER = "Kundennummer,Vorname,Name,E-Mail,Mobile,Offener Betrag,Typ,Seit".split(",")
SFTP_HEADER = (
    "first_name,last_name,passport_number,sa_identification_number,mobile_phone_number,email,"
    "due_date,amount_due"
).split(",")
SFTP_FIRST = "Ayanda Bongi Carel Dineo Esmé Fatima Gugu Hennie Imka Jabu Katlego Lerato".split()
SFTP_LAST = "Voorbeeld Dlamini-Test Botha-Test Fiksie Mokoena-Test Nêrens Proefman".split()


def phone(land: str, number: int, rng: random.Random) -> str:
    """A number as people of that country write it, in one of their habits."""
    tail = f"{number % 10_000:04d}"
    forms = {
        # 030 23125 and 0152 28817 are kept free for films.
        "DE": (f"030/23125{tail[1:]}", f"0152 2881 7{tail[1:]}", f"(030) 23125-{tail[1:]}"),
        "AT": (f"0660 123 {tail}", f"0660/123{tail}"),
        "CH": (f"078 900 {tail[:2]} {tail[2:]}", f"0789 00{tail}"),
        "NL": (f"06-1234{tail}", f"+31 6 1234 {tail}"),
        "GB": (f"07400 12{tail}", f"+44 7400 12{tail}"),
    }
    return rng.choice(forms[land])


def german(cents: int) -> str:
    """1234567 -> ``12.345,67``."""
    sign = "-" if cents < 0 else ""
    return sign + f"{abs(cents) // 100:,}".replace(",", ".") + f",{abs(cents) % 100:02d}"


def ascii_only(text: str) -> str:
    """A name as it stands in an e-mail address."""
    for letter, spelt in zip("äöüßÄÖÜ", ("ae", "oe", "ue", "ss", "ae", "oe", "ue"), strict=True):
        text = text.replace(letter, spelt)
    return text.lower()


def day(rng: random.Random, first_year: int) -> str:
    """A day as Germans write it."""
    return (
        f"{rng.randrange(1, 29):02d}.{rng.randrange(1, 13):02d}.{rng.randrange(first_year, 2026)}"
    )


def crm_row(number: int, rng: random.Random) -> dict[str, str]:
    """One customer of the old CRM; one in ten is a firm, one in seven has left."""
    land = rng.choice(LANDS)
    town, code = TOWNS[land]
    first, last = rng.choice(FIRST), rng.choice(LAST)
    firm = rng.random() < 0.1
    address = f"{ascii_only(first)}.{ascii_only(last)}{number}@example.com"
    if rng.random() < 0.1:
        address = address.replace("example.com", "Example.COM")
    return {
        "Kundennr": f"K-{10_000 + number * 7}",
        "Anrede": "Firma" if firm else rng.choice(("Herr", "Frau")),
        "Vorname": "" if firm else first,
        "Nachname": "" if firm else last,
        "Firma": rng.choice(FIRMS) if firm else "",
        "Straße": f"Hinterm Mond {number % 90 + 1}",
        "PLZ": code,
        "Ort": town,
        "Land": land,
        "Telefon": phone(land, number, rng) if rng.random() < 0.85 else "",
        "E-Mail": address if rng.random() < 0.9 else "",
        "Währung": CURRENCY[land],
        "Saldo": german(rng.choice((0, 0, rng.randrange(-20_000, 900_000)))),
        "Status": rng.choice(("aktiv",) * 6 + ("inaktiv",)),
        "Kundengruppe": rng.choice(("Privat", "Gewerbe", "Großkunde")),
        "Angelegt am": day(rng, 1984),
    }


def crm_rows() -> list[dict[str, str]]:
    """All customers of the CRM, bad rows among them, without the totals line."""
    rng = random.Random(SEED)
    rows = [crm_row(number, rng) for number in range(1, CRM_ROWS + 1)]
    for row in rows:
        if row["Land"] == "GB":
            row["Währung"] = "UK"  # what the clerk typed for forty years
    live = [row for row in rows if row["Status"] == "aktiv" and row["Land"] == "DE"]
    live[20]["Telefon"] = "030/12"
    live[40]["Telefon"] = "siehe Notiz"
    live[60]["Saldo"] = "1.204,505"
    live[80]["Saldo"] = "strittig"
    live[100]["Kundennr"] = live[99]["Kundennr"]
    live[120]["E-Mail"] = "kein.at.zeichen.example.com"
    return rows


def write_crm(path: Path) -> None:
    """crm_de.csv: Windows-1252, semicolons, CRLF, decimal commas, a totals line."""
    rows = crm_rows()
    out = io.StringIO()
    writer = csv.DictWriter(out, CRM_HEADER, delimiter=";", lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    cents = sum(
        int(row["Saldo"].replace(".", "").replace(",", ""))
        for row in rows
        if row["Saldo"] not in {"strittig", "1.204,505"}
    )
    total = {"Kundennr": "Summe", "Vorname": f"{len(rows)} Kunden", "Saldo": german(cents)}
    writer.writerow(total)
    path.write_bytes(out.getvalue().encode("cp1252"))


def excel_rows() -> list[list[str]]:
    """The sheet of a Swiss shop: numbers with leading zeros, apostrophes in amounts."""
    rng = random.Random(SEED + 1)
    rows = [
        ["Kundennummer", "Vorname", "Name", "E-Mail", "Mobile", "Offener Betrag", "Typ", "Seit"]
    ]
    for number in range(1, EXCEL_ROWS + 1):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        cents = rng.choice((0, rng.randrange(100, 2_500_000)))
        amount = f"{cents // 100:,}.{cents % 100:02d}".replace(",", "'")
        if rng.random() < 0.05:
            amount = f"({amount})"  # a credit, as accountants write it
        tail = f"{number * 13 % 10_000:04d}"
        rows.append(
            [
                f"{number * 3:06d}",
                first,
                last,
                f"{ascii_only(first)}{number}@example.com" if rng.random() < 0.95 else "",
                f"078 900 {tail[:2]} {tail[2:]}" if rng.random() < 0.9 else "",
                amount,
                rng.choice(("Stammkunde", "Laufkunde", "Verein")),
                day(rng, 1990),
            ]
        )
    rows[50][5] = "1'2O0.00"  # a letter O
    rows[120][4] = "078 900"
    rows[200][3] = "zwei@adressen@example.com"
    rows[300][0] = rows[299][0]
    return rows


def write_excel(path: Path) -> None:
    """kunden_excel.txt: "Unicode text" of Excel: UTF-16 LE with its mark, tabs, CRLF."""
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\r\n").writerows(excel_rows())
    path.write_bytes(b"\xff\xfe" + out.getvalue().encode("utf-16-le"))


def id_number(number: int, rng: random.Random) -> str:
    """Thirteen digits like a South African id number, with a check digit that is never right."""
    born = f"{rng.randrange(40, 100):02d}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    digits = f"{born}{number % 10_000:04d}08"
    odd = sum(int(digit) for digit in digits[::2])
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[1::2])
    return f"{digits}{(10 - (odd + even) % 10 + 5) % 10}"


def sftp_rows() -> list[list[str]]:
    """What a merchant sends Moment by SFTP: one in eight customers has a passport instead."""
    rng = random.Random(SEED + 2)
    rows = [list(SFTP_HEADER)]
    for number in range(1, SFTP_ROWS + 1):
        first, last = rng.choice(SFTP_FIRST), rng.choice(SFTP_LAST)
        passport = f"X{number:08d}" if rng.random() < 0.125 else ""
        rows.append(
            [
                first,
                last,
                passport,
                "" if passport else id_number(number, rng),
                f"082000{number * 11 % 10_000:04d}",
                f"{first}.{number}@example.com".replace("é", "e").lower(),
                f"2026-12-{rng.choice((1, 15, 25)):02d}",
                f"{rng.randrange(0, 400_000) / 100:.2f}",
            ]
        )
    rows[77][2] = rows[77][3] = ""  # nobody asked for a document
    rows[150][4] = "08200"
    rows[222][7] = "240.005"
    return rows


def write_sftp(path: Path) -> None:
    """The SFTP billing file: UTF-8, commas, national numbers, amounts in rand."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(sftp_rows())


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_crm(folder / "crm_de.csv")
    write_excel(folder / "kunden_excel.txt")
    write_sftp(folder / "ZA_acme_moment_all-customers_2026-11-20.csv")


if __name__ == "__main__":
    main()
