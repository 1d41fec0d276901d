"""``importer init`` and ``importer presets`` as a user meets them."""

from __future__ import annotations

import importlib.util
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.cli import init_command as init_module
from importer.mapping import presets
from importer.mapping.load import load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., tuple[int, str, str]]

LEGACY = Path(__file__).parents[2] / "sample_data" / "legacy"
CRM = "crm_de.csv"
EXCEL = "kunden_excel.txt"
SFTP = "ZA_acme_moment_all-customers_2026-11-20.csv"


@pytest.fixture
def importer(importer: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command beside copies of the legacy files."""
    for name in (CRM, EXCEL, SFTP):
        shutil.copy(LEGACY / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return importer


def test_the_sample_files_are_what_their_script_writes(tmp_path: Path) -> None:
    """sample_data/legacy is made by generate_legacy.py, byte for byte."""
    spec = importlib.util.spec_from_file_location("generate", LEGACY / "generate_legacy.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.write_crm(tmp_path / CRM)
    generate.write_excel(tmp_path / EXCEL)
    generate.write_sftp(tmp_path / SFTP)
    for name in (CRM, EXCEL, SFTP):
        assert (tmp_path / name).read_bytes() == (LEGACY / name).read_bytes()


def test_yes_refuses_what_is_open_and_names_the_flags(importer: Command) -> None:
    """Without a person to ask, an open choice ends init with exit code 2, and writes nothing."""
    code, out, err = importer("init", SFTP, "--yes")
    assert code == 2
    assert "--reference" in err
    assert "--currency ZAR" in err
    assert "personal data" in out
    assert not Path("import.toml").exists()


def test_a_crm_export_gives_a_mapping_that_loads(importer: Command) -> None:
    """One answer is enough for the CRM file, and the file written is a mapping."""
    code, out, _ = importer("init", CRM, "--yes", "--positive", "debit")
    assert code == 0
    load_mapping(Path("import.toml"))
    written = tomllib.loads(Path("import.toml").read_text())
    assert written["source"] == {"encoding": "windows-1252", "delimiter": ";"}
    assert written["fields"]["external_reference"] == {"column": "Kundennr"}
    assert written["fields"]["name"] == {"template": "{Firma} {Vorname} {Nachname}"}
    assert written["fields"]["phone"] == {"column": "Telefon", "region_column": "Land"}
    assert written["fields"]["currency"] == {"column": "Währung"}
    assert written["fields"]["balance"] == {
        "column": "Saldo",
        "unit": "major",
        "number_format": "1.234,56",
        "positive": "debit",
    }
    assert written["rows"] == {"skip_totals": True}
    assert "420 records and 1 totals line" in out


def test_an_excel_text_gives_a_mapping_that_loads(importer: Command) -> None:
    """UTF-16 with tabs and apostrophes in amounts is understood; region and currency are asked."""
    code, _, err = importer("init", EXCEL, "--yes")
    assert code == 2
    assert "--region" in err
    code, _, _ = importer("init", EXCEL, "--yes", "--region", "CH", "--currency", "CHF")
    assert code == 0
    load_mapping(Path("import.toml"))
    written = tomllib.loads(Path("import.toml").read_text())
    assert written["source"]["delimiter"] == "\t"
    assert written["fields"]["balance"]["number_format"] == "1'234.56"
    assert written["fields"]["balance"]["positive"] == "debit"


def test_an_export_without_a_header_goes_all_the_way(importer: Command) -> None:
    """What init writes reads it, and its errors file, which has a header, is read with it too."""
    rows = [f'="{7 * at:04}",Ann {at},a{at}@example.com,="08212345{at:02}"' for at in range(1, 9)]
    rows[4] = rows[4].replace("@", "@@")
    Path("bare.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    header = "customer no,name,email,cell"
    named = ("--header", header, "--region", "ZA", "--yes")
    code, out, err = importer("init", "bare.csv", *named)
    assert (code, "text_formulas" in out) == (0, True), err
    source = tomllib.loads(Path("import.toml").read_text())["source"]
    assert (source["header"], source["text_formulas"]) == (header, True)
    code, _, _ = importer("check", "bare.csv", "--config", "import.toml", "--out", "a")
    assert code == 1
    (errors,) = Path("a").glob("*/errors.csv")
    Path("again.csv").write_text(errors.read_text().replace("@@", "@"))
    code, _, err = importer("check", "again.csv", "--config", "import.toml", "--out", "b")
    assert code == 0, err
    (results,) = Path("b").glob("*/results.csv")
    assert "again.csv,2,0035,would_create" in results.read_text()


def test_columns_of_one_name_are_told_of(importer: Command) -> None:
    """None of them can be mapped, and the flags that are printed name them all."""
    Path("twice.csv").write_text("Customer No,Name,Name\nC1,Ann,Rep\nC9,Bo,Rep\n", encoding="utf-8")
    code, out, _ = importer("init", "twice.csv", "--yes", "--force")
    assert 'columns 2 and 3 are called "Name"' in " ".join(out.split())
    flags = ("--header-row", "1", "--header", "customer no,name,rep")
    code, _, err = importer("init", "twice.csv", "--yes", "--force", *flags)
    assert code == 0, err
    source = tomllib.loads(Path("import.toml").read_text())["source"]
    assert (source["header_row"], source["header"]) == (1, "customer no,name,rep")
    assert importer("check", "twice.csv", "--config", "import.toml")[0] == 0


def test_the_billing_file_needs_its_reference_chosen(importer: Command) -> None:
    """With the choice made, the mapping says what it means, and sends no document elsewhere."""
    code, _, _ = importer(
        *("init", SFTP, "--yes", "--preset", "moment-sftp", "--currency", "ZAR"),
        *("--reference", "sa_identification_number", "--reference", "passport_number"),
    )
    assert code == 0
    load_mapping(Path("import.toml"))
    text = Path("import.toml").read_text()
    assert "LOOK: " in text
    assert "personal data" in text
    written = tomllib.loads(text)
    assert written["fields"]["external_reference"] == {
        "columns": ["sa_identification_number", "passport_number"]
    }
    assert written["fields"]["phone"] == {"column": "mobile_phone_number", "region": "ZA"}
    assert "metadata" not in written


def test_what_is_shown_holds_no_personal_data(importer: Command) -> None:
    """Before and after are masked: no name, address, number or document of any customer."""
    _, out, err = importer(
        *("init", SFTP, "--yes", "--currency", "ZAR", "--reference", "sa_identification_number")
    )
    lines = (LEGACY / SFTP).read_text().splitlines()[1:6]
    assert "before and after" in out
    for line in lines:
        for cell in line.split(",")[1:6]:
            assert not cell or cell not in out + err


def test_amounts_are_shown_as_they_will_be_sent(importer: Command) -> None:
    """The preview shows how an amount is read, as that is what a person must check."""
    _, out, _ = importer("init", CRM, "--yes", "--positive", "debit")
    (line,) = (one for one in out.splitlines() if one.startswith("    balance") and "5.906," in one)
    assert line.endswith('"590635"')


def test_an_existing_mapping_is_never_overwritten(importer: Command) -> None:
    """A mapping may have been edited: only --force replaces it."""
    Path("import.toml").write_text("mine")
    code, _, err = importer("init", CRM, "--yes", "--positive", "debit")
    assert (code, Path("import.toml").read_text()) == (2, "mine")
    assert "--force" in err
    code, _, _ = importer("init", CRM, "--yes", "--positive", "debit", "--force")
    assert code == 0
    assert Path("import.toml").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--region", "UK"), "no country code"),
        (("--currency", "UK"), "GBP"),
        (("--unit", "rand"), "major or minor"),
        (("--positive", "plus"), "debit or credit"),
        (("--reference", "Kundennummer"), "Kundennr"),
        (("--preset", "strip"), "stripe"),
        (("--number-format", "1_234"), "1.234,56"),
    ],
)
def test_a_wrong_answer_is_refused_with_the_right_ones(
    importer: Command, arguments: tuple[str, str], words: str
) -> None:
    """A flag with a value that it cannot have ends in exit code 2 and says what it can have."""
    code, _, err = importer("init", CRM, "--yes", *arguments)
    assert code == 2
    assert words in err


def test_a_person_is_asked_until_nothing_is_open(
    importer: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal each open choice is a question; a wrong answer is asked for again."""
    typed = iter(["Switzerland", "CH", "CHF"])
    monkeypatch.setattr(init_module, "on_terminal", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(typed))
    code, _, err = importer("init", EXCEL)
    assert code == 0
    assert "no country code" in err
    written = tomllib.loads(Path("import.toml").read_text())
    assert written["fields"]["phone"]["region"] == "CH"
    assert written["fields"]["currency"] == {"constant": "CHF"}
    assert next(typed, None) is None


def test_a_number_picks_a_suggestion(importer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign of the CRM's Saldo is answered with the number of a suggestion."""
    monkeypatch.setattr(init_module, "on_terminal", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "2")
    code, _, _ = importer("init", CRM)
    assert code == 0
    written = tomllib.loads(Path("import.toml").read_text())
    assert written["fields"]["balance"]["positive"] == "credit"


def test_a_file_that_cannot_be_read_says_why(importer: Command) -> None:
    """What is wrong with the first record is told; the file is not called empty."""
    Path("dump.csv").write_text('id,name\n"1","Ben \\"Bo\\" Lee"\n"2","Ann \\"A\\""\n')
    code, _, err = importer("init", "dump.csv", "--yes")
    assert code == 2
    assert "line 2 of 2 lines" in err
    assert "as MySQL writes it" in err


def test_standard_input_is_refused(importer: Command) -> None:
    """Init looks at its file twice, so it wants a file."""
    code, _, err = importer("init", "-")
    assert code == 2
    assert "needs a file" in err


def test_presets_are_listed_and_shown(importer: Command) -> None:
    """The list has each preset; --show prints one with its evidence."""
    _, out, _ = importer("presets")
    assert [line.split()[0] for line in out.splitlines()] == presets.names()
    _, out, _ = importer("presets", "--show", "shopify")
    assert out == presets.text("shopify")
    code, _, err = importer("presets", "--show", "shopfy")
    assert code == 2
    assert "did you mean shopify?" in err
