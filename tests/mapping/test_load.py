"""A mapping file is read strictly, and whatever is wrong is told with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.mapping import presets
from importer.mapping.load import load_mapping, place_of

if TYPE_CHECKING:
    from pathlib import Path

START = 'version = 1\n[fields.external_reference]\ncolumn = "No"\n'


def refused(folder: Path, text: str) -> str:
    """The message about this mapping."""
    path = folder / "import.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_mapping(path)
    return f"{caught.value.message} | {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (START + '[fields.name]\ncolum = "a"\n', ["line 5", "fields.name.colum", "mean column?"]),
        (START + '[metdata.x]\ncolumn = "a"\n', ["line 4", "metdata is unknown", "metadata?"]),
        (START + '[fields.phone]\ncolumn = "p"\nregion = "UK"\n', ["line 6", "ISO 3166"]),
        (START + '[fields.balance]\ncolumn = "b"\nunit = "mayor"\n', ["line 6", "'major'"]),
        (START + '[fields.balance]\ncolumn="b"\nnumber_format="1.2"\n', ["line 6", '"1.234,56"']),
        (START + '[fields.currency]\nconstant = "UK"\n', ["line 4", "ISO 4217"]),
        (START + '[fields.name]\ntemplate = "{a"\n', ["line 5", "stands alone"]),
        (START + '[fields.name]\ntemplate = "a"\n', ["line 5", "use constant"]),
        (START + '[fields.name]\ncolumn = "a"\nconstant = "b"\n', ["exclude each other"]),
        (START + "[fields.name]\nnfc = true\n", ["line 4", "where the text comes from"]),
        (START + "[rows]\nkeep = { a = 3 }\n", ["line 5", "rows.keep.a"]),
        (START + '[update]\nname = "source"\nbalanc = "x"\n', ["line 6", "mean balance?"]),
        (START + '[update]\nbalance = "sometimes"\n', ["line 5", "update.balance", "'source'"]),
        (START + '[update]\nmetadata = { tier = "x" }\n', ["line 5", "update.metadata"]),
        (START + '[update]\nmetadata = { "a,b" = "source" }\n', ["line 4", "a comma"]),
        ("version = 2\n", ["line 1", "version"]),
        ("version = 1\n", ["fields is missing"]),
        ("version = 1\n[fields\n", ["line 2, column 8", "no TOML"]),
        ('version = 1\npreset = "strip"\n', ["there is no preset", "mean stripe?"]),
        ('version = 1\npreset = "moment-sftp"\n', ["leaves the reference open"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Line, key, and the nearest that would be right."""
    message = refused(tmp_path, text)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_a_mapping(tmp_path: Path, name: str) -> None:
    """With a reference of one's own, which takes the place of the preset's."""
    path = tmp_path / "import.toml"
    path.write_text(f'preset = "{name}"\n{START}')
    mapping = load_mapping(path)
    assert mapping.fields.external_reference.column == "No"
    assert mapping.fields.name is not None


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path: Path) -> None:
    """Missing, binary and huge files are told apart."""
    with pytest.raises(UsageError, match="No such file"):
        load_mapping(tmp_path / "none.toml")
    path = tmp_path / "import.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_mapping(path)
    path.write_text("#" * (1 << 20) + "#")
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        load_mapping(path)


def test_the_place_of_a_key_is_found_in_every_form() -> None:
    """Tables, dotted keys, inline tables and quoted names."""
    text = 'a = 1\n[b]\nc.d = 2\ne = { f = 3 }\n[b."g h"]\ni = 4\n'
    assert [
        place_of(text, key)
        for key in (("a",), ("b", "c", "d"), ("b", "e", "f"), ("b", "g h", "i"), ("zz",))
    ] == [1, 3, 4, 6, 1]
