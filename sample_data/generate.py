"""Writes the sample files from a fixed seed. Names, addresses and numbers are made up.

    python sample_data/generate.py [FOLDER] [--rows N]

``--rows`` changes the size of customers.csv only, for rehearsals with more customers.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import polars as pl

SEED = 20260101
ROWS = 5000
PARQUET_ROWS = 1000
FIRST = (
    "Ada Bram Cleo Dario Elin Femi Gita Hugo Ines Jabu Kofi Lena Milo Nandi Otto Pia Quin Rosa"
    " Sipho Thea Umar Vera Willem Xola Yara Zane"
).split()
LAST = (
    "Adeyemi Botha Castell Dlamini Eriksen Fontein Grobler Harmse Iversen Jansen Khumalo Lindt"
    " Mokoena Naidoo Oosthuizen Pillay Quist Ramos Smit Tshabalala Uys Venter Wessels Xaba Zulu"
).split()
COMPANIES = ("Acme Widgets", "Example Foods", "Sample & Sons", "Placeholder Ltd")
SEGMENTS = ("retail", "premium", "wholesale")
COLUMNS = (
    "external_reference",
    "name",
    "email",
    "phone",
    "currency",
    "balance",
    "metadata.segment",
    "metadata.legacy_id",
)


def customer(number: int, rng: random.Random) -> dict[str, str]:
    """One plausible customer; about one in five lacks something optional."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    name = f"{first} {last}" if rng.random() < 0.9 else rng.choice(COMPANIES)
    with_balance = rng.random() < 0.8
    return {
        "external_reference": f"CUST-{number:06d}",
        "name": name,
        "email": f"{first}.{last}.{number}@example.com".lower() if rng.random() < 0.9 else "",
        "phone": f"+2782{number % 10_000_000:07d}" if rng.random() < 0.8 else "",
        "currency": "ZAR" if with_balance else "",
        "balance": str(rng.randrange(-50_000, 500_000)) if with_balance else "",
        "metadata.segment": rng.choice(SEGMENTS),
        "metadata.legacy_id": f"{number:05d}",
    }


def clean_rows(rows: int) -> list[dict[str, str]]:
    """Customers that all pass validation."""
    rng = random.Random(SEED)
    return [customer(number, rng) for number in range(1, rows + 1)]


def write_clean(path: Path, rows: int) -> None:
    """customers.csv: clean, comma-separated, UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(clean_rows(rows))


def write_parquet(path: Path) -> None:
    """customers.parquet: the first customers again, typed, with a metadata struct."""
    rows = clean_rows(PARQUET_ROWS)
    pl.DataFrame(
        {
            "external_reference": [row["external_reference"] for row in rows],
            "name": [row["name"] for row in rows],
            "email": [row["email"] or None for row in rows],
            "phone": [row["phone"] or None for row in rows],
            "currency": [row["currency"] or None for row in rows],
            "balance": [int(row["balance"]) if row["balance"] else None for row in rows],
            "metadata": [
                {"segment": row["metadata.segment"], "legacy_id": row["metadata.legacy_id"]}
                for row in rows
            ],
        }
    ).write_parquet(path)


# Every kind of bad row that an export brings along, between good ones.
# ruff: noqa: E501
MESSY = """\
external_reference;name;email;phone;currency;balance;metadata;notes
MESSY-001;Ada Botha;ada.botha@example.com;+27820000001;ZAR;1500;"{""segment"": ""retail""}";a good row
MESSY-002;"Bram ""the Elder"" Smit";bram@example.com;+27820000002;ZAR;-250;;quotes inside quotes
MESSY-003;"Cleo
Castell";cleo@example.com;;;;;a line break inside a name
  MESSY-004  ;  Dario Dlamini  ; dario@example.com ;;;;;spaces around everything
MESSY-005;Elin Eriksen;elin.example.com;+27820000005;ZAR;100;;an e-mail address without @
MESSY-006;Femi Fontein;femi@example.com;082 000 0006;ZAR;100;;a national phone number
MESSY-007;Gita Grobler;gita@example.com;+27820000007;UK;100;;no currency code
MESSY-008;Hugo Harmse;hugo@example.com;+27820000008;;100;;a balance without its currency
MESSY-009;Ines Iversen;ines@example.com;+27820000009;ZAR;12.50;;a balance in rand and cents
MESSY-010;Jabu Jansen;jabu@example.com;+27820000010;ZAR;1 234;;a balance with a space
MESSY 011;Kofi Khumalo;kofi@example.com;+27820000011;ZAR;1;;a space in the reference
;Lena Lindt;lena@example.com;+27820000012;ZAR;1;;no reference at all
MESSY-013;Milo Mokoena;milo@example.com;+27820000013;zar;1;;a currency in lower case
MESSY-014;Nandi Naidoo;nandi;12345;XX;abc;not json;five errors in one row
MESSY-015;Otto Oosthuizen;otto@example.com
MESSY-016;Pia Pillay;pia@example.com;+27820000016;ZAR;1;;too;many;cells
MESSY-017;Quin "Q" Quist;quin@example.com;+27820000017;ZAR;1;;quotes in the middle of a cell
MESSY-018;"Rosa Ramos;rosa@example.com;+27820000018;ZAR;1;;a quote that is never closed
MESSY-019;Sipho Smit;sipho@example.com;+27820000019;ZAR;1;;the neighbour of an open quote
MESSY-020;Thea Tshabalala;thea@example.com;;;;;the same row twice
MESSY-020;Thea Tshabalala;thea@example.com;;;;;the same row twice
MESSY-021;Umar Uys;umar@example.com;;;;;one reference for two people
MESSY-021;Vera Venter;vera@example.com;;;;;one reference for two people

MESSY-023;=HYPERLINK("x");willem@example.com;;;;;a cell that a spreadsheet would run
MESSY-024;Xola Xaba;xola@example.com;;;;"{""a"": 1}";a metadata value that is no text
MESSY-025;Yara Zulu;yara@example.com;+27820000025;KWD;1500;;a currency with three decimals
TOTAL;25 customers;;;;;;a totals line, which looks like a customer
"""


def write_messy(path: Path) -> None:
    """messy.csv: semicolons, CRLF, one byte that is no UTF-8, and every kind of bad row."""
    data = MESSY.replace("\n", "\r\n").encode()
    data += b"MESSY-026;Zo\xeb Zane;zoe@example.com;;;;;a Windows-1252 byte\r\n"
    path.write_bytes(data)


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--rows", type=int, default=ROWS)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    write_clean(arguments.folder / "customers.csv", arguments.rows)
    if arguments.rows == ROWS:
        write_parquet(arguments.folder / "customers.parquet")
        write_messy(arguments.folder / "messy.csv")


if __name__ == "__main__":
    main()
