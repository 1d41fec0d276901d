"""Text in any usual encoding is read as what it says, or refused with what it might say."""

# ruff: noqa: RUF001

from __future__ import annotations

import gzip
import io
import os
import random
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import SourceError, UsageError
from importer.source.opened import open_source
from importer.source.source_options import SAMPLE_BYTES, SourceOptions
from importer.source.text.detect import Sample, detect
from importer.source.text.encodings import codec_of, label_of
from tests.source.names_of_people import NAMES as PEOPLE
from tests.source.reading import content_of, zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.source.reading import Content

NAMES = ("Hélène Lefèvre", "Jürgen Müller", "François Côté", "Zoë Botha", "João Gonçalves", "Ann")
TEXT = "external_reference,name\r\n" + "".join(f"R-{n},{one}\r\n" for n, one in enumerate(NAMES))
ROWS = [(n + 2, (f"R-{n}", one)) for n, one in enumerate(NAMES)]
DETECTED = {
    "windows-1252": "windows-1252",
    "iso-8859-1": "windows-1252",
    "iso-8859-15": "windows-1252",
    "macroman": "macroman",
    "cp850": "cp850",
    "utf-16le": "utf-16le",
    "utf-16be": "utf-16be",
    "utf-16": "utf-16le",
}
"""How the text above is encoded, and what it is read as: the three ISO and Windows ones agree."""
DECLARED = [
    "utf-8", "utf-8-sig", "utf-16", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1",
    "iso-8859-15", "macroman", "cp850", "windows-1250", "gb18030", "gbk", "shift_jis", "euc_kr",
]  # fmt: skip


@pytest.mark.parametrize("encoding", DETECTED)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress, zstd.compress])
def test_an_encoding_is_detected(
    read: Callable[..., Content], encoding: str, wrap: Callable[[bytes], bytes]
) -> None:
    """Cells and lines are those of the text, compressed or not."""
    content = read(wrap(TEXT.encode(encoding)), block_bytes=20)
    assert content.rows == ROWS
    assert content.encoding == DETECTED[encoding]


def test_a_detected_encoding_is_a_warning_that_says_why(read: Callable[..., Content]) -> None:
    """It names line, letters and the way to override; the word around them is masked."""
    (warning,) = read(TEXT.encode("cp1252")).warnings
    assert "is not UTF-8 and is read as windows-1252" in warning
    assert "line 2 holds Hél*, 5 lines hold such bytes" in warning
    assert "--encoding" in warning
    assert "Lef" not in warning


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii"])
def test_utf8_needs_no_warning(read: Callable[..., Content], encoding: str) -> None:
    """UTF-8 and plain ASCII are what is expected."""
    text = TEXT if encoding != "ascii" else "external_reference,name\nR-1,Ann\n"
    content = read(text.encode(encoding))
    assert content.encoding == "utf-8"
    assert not content.warnings


@pytest.mark.parametrize(
    "name", ["José", "Ծովինար", "Nguyễn", "王", "O’Brien", "😀", "Ẹ̀bùn", "Ħamrun", "\x80"]
)
def test_one_name_in_utf8_is_enough(read: Callable[..., Content], name: str) -> None:
    """What can be UTF-8 and makes sense so is UTF-8, without a word."""
    content = read(f"reference,name\nR-1,{name}\n".encode())
    assert content.cells == [("R-1", name)]
    assert not content.warnings


def test_one_letter_far_down_tells(read: Callable[..., Content]) -> None:
    """The first letter that is no ASCII may stand behind megabytes of ASCII."""
    plain = "external_reference,name\n" + "R-1,Example Person\n" * 60_000
    assert len(plain) > 10 * SAMPLE_BYTES
    content = read((plain + "R-2,José\nR-3,x\n").encode("cp1252"))
    assert content.rows[-2:] == [(60_002, ("R-2", "José")), (60_003, ("R-3", "x"))]
    assert content.encoding == "windows-1252"


@pytest.mark.parametrize(
    ("text", "encoding", "readings"),
    [
        ("é", "cp1252", ["windows-1252 (é)"]),
        ("Íñigo", "cp850", ["cp850 (Íñ*)"]),
        ("Şahin", "cp1254", ["windows-1254 (Şa*)", "windows-1257 (Ža*)", "windows-1250 (Ţa*)"]),
        ("Eglė", "cp1257", ["windows-1257 (*lė)", "windows-1252 (*lë)"]),
        ("Eglė,Eglė,Eglė,Eglė", "cp1257", ["windows-1257 (*lė)", "windows-1252 (*lë)"]),
        ("Leclère", "cp1252", ["windows-1252 (*lèr*)", "windows-1250 (*lčr*)"]),
        ("金", "big5", ["big5 (金)"]),
        ("\x80\x81\x82", "latin1", []),
    ],
)
def test_what_cannot_be_told_is_refused(
    refused: Callable[..., SourceError], text: str, encoding: str, readings: list[str]
) -> None:
    """The error shows the same letters in each encoding that is possible, and nothing else."""
    data = ("reference\n" + text.replace(",", "\n") + "\n").encode(encoding)
    error = refused(data)
    assert "the text is not UTF-8, and its encoding cannot be told: line" in error.message
    for one in readings:
        assert one in error.message
        assert f"--encoding {one.partition(' ')[0]}" in error.hint
    assert len(text) <= 3 or text.partition(",")[0] not in error.message


@given(st.binary(min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_bytes_have_a_verdict(data: bytes) -> None:
    """Whatever they are: an encoding that Python knows, or none, with a piece of the text."""
    sample = Sample()
    sample.add(b"\xff" + data, 1)
    verdict = detect(sample)
    assert not verdict.encoding or label_of(verdict.encoding)
    assert verdict.readings


def as_stored(text: str, encoding: str) -> bytes:
    """The text in an encoding; windows-1258 holds tones as letters of their own."""
    if encoding != "windows-1258":
        return text.encode(encoding)
    tones = "\u0300\u0301\u0303\u0309\u0323"
    parts = [unicodedata.normalize("NFD", one) for one in text]
    return "".join(
        unicodedata.normalize("NFC", "".join(mark for mark in part if mark not in tones))
        + "".join(mark for mark in part if mark in tones)
        for part in parts
    ).encode(encoding)


SAMPLES = int(os.environ.get("ENCODING_SAMPLES", "2"))
"""Short files in each encoding of each language: more of them for a campaign."""


@pytest.mark.parametrize("language", PEOPLE)
def test_names_are_read_right_or_not_at_all(language: str) -> None:
    """A file with one to three names is never misread; one with all the names is read."""
    encodings, listed = PEOPLE[language]
    names = listed.split()
    chosen = random.Random(language)
    outcomes: Counter[str] = Counter()
    for encoding in encodings.split():
        known = [name for name in names if encoding == "windows-1258" or _fits(name, encoding)]
        files = [chosen.sample(known, 1 + one % 3) for one in range(SAMPLES)]
        for rows in (*files, known):
            text = "reference,name\n" + "".join(f"R-{n},Ann {one}\n" for n, one in enumerate(rows))
            data = as_stored(text, encoding)
            sample = Sample()
            sample.add(data, 1)
            found = detect(sample).encoding if sample.utf8 < sample.other else "utf-8"
            if not found:
                outcomes["refused"] += 1
                assert rows is not known, encoding
                continue
            outcomes["right"] += 1
            assert data.decode(codec_of(found)) == data.decode(codec_of(encoding)), rows
    if SAMPLES > 2:
        print(language, dict(outcomes))  # noqa: T201 - the figures of a campaign


def _fits(name: str, encoding: str) -> bool:
    try:
        name.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "encoding", "detected"),
    [
        ("Yılmaz Çelik", "cp1254", "windows-1254"),
        ("Yılmaz", "cp1254", "windows-1254"),
        ("Hélène", "cp1252", "windows-1252"),
        ("José", "cp1252", "windows-1252"),
        ("Müller", "cp850", "cp850"),
        ("Jiří Novák", "cp1250", "windows-1250"),
        ("Łukasz Zieliński\nŚwiątek", "iso-8859-2", "iso-8859-2"),
        ("Bērziņš Ķēniņš", "cp1257", "windows-1257"),
        ("Иванов Сергей", "cp1251", "windows-1251"),
        ("Иванов Сергей", "koi8-r", "koi8-r"),
        ("Олійник Їжакевич", "koi8-u", "koi8-u"),
        ("Кузнецова", "cp866", "cp866"),
        ("Παπαδόπουλος", "cp1253", "windows-1253"),
        ("Dvořák Růžička", "cp852", "cp852"),
        ("王小明 李华", "gbk", "gb18030"),
        ("田中太郎 表示", "shift_jis", "shift-jis"),
        ("田中太郎 佐藤", "euc-jp", "euc-jp"),
        ("김민수 이영희", "euc-kr", "cp949"),
        ("陳志明 許功蓋", "big5", "big5"),
        ("田中太郎", "iso-2022-jp", "iso-2022-jp"),
        ("Żebbuġ\nĦamrun", "iso-8859-3", "iso-8859-3"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", "|", ";", "\t"])
def test_encodings_outside_the_west(
    read: Callable[..., Content], text: str, encoding: str, detected: str, delimiter: str
) -> None:
    """They are told from few names, whatever the second bytes of their characters look like."""
    cells = [
        ("R-0", "x", "y"),
        *((f"R-{n}", one, "y") for n, one in enumerate(text.split("\n"), 1)),
    ]
    lines = [delimiter.join(one) for one in (("reference", "name", "more"), *cells)]
    content = read(("\n".join(lines) + "\n").encode(encoding))
    assert content.encoding == detected
    assert content.cells == cells
    assert detected in content.warnings[0]


@pytest.mark.parametrize("encoding", DECLARED)
def test_a_declared_encoding_is_used(read: Callable[..., Content], encoding: str) -> None:
    """``--encoding`` takes any name of it, and no warning comes."""
    # The last characters are those that Windows added to Shift_JIS and EUC-KR.
    names = {"shift_jis": "髙橋", "gb18030": "王小明", "gbk": "王小明", "euc_kr": "똠방"}
    name = names.get(encoding, "Zoé")
    stored = {"shift_jis": "cp932", "euc_kr": "cp949"}.get(encoding, encoding)
    content = read(f"a,b\n1,{name}\n".encode(stored), encoding=encoding)
    assert content.rows == [(2, ("1", name))]
    assert not content.warnings


def test_a_mark_is_stronger_than_what_is_declared(read: Callable[..., Content]) -> None:
    """No text begins with a byte order mark by accident; the warning says so."""
    content = read("a,b\n1,é\n".encode("utf-8-sig"), encoding="cp1252")
    assert content.cells == [("1", "é")]
    assert "begins with the mark of utf-8" in content.warnings[0]


def test_an_errors_file_is_utf8_whatever_is_declared(read: Callable[..., Content]) -> None:
    """It feeds back with the same command as the file that it came from."""
    data = "external_reference,name,_line,_error_code,_error\nR-1,Zoë,2,x,y\n".encode()
    assert read(data, encoding="windows-1252").cells[0][1] == "Zoë"


@pytest.mark.parametrize(
    ("data", "encoding", "what"),
    [
        (b"a,b\n1,x\x81\n2,\xe9\n", "cp1252", "the byte 0x81, which means nothing in windows-1252"),
        ("a,b\n1,".encode("utf-16-le") + b"\x00\xd8" + "\n2,é\n".encode("utf-16-le"), "utf-16le",
         "which means nothing in utf-16le"),
        (b"a,b\n1,\xd2\xaa\n2,\xe9\n", "cp1253",
         "the byte 0xD2, which means nothing in windows-1253"),
    ],
)  # fmt: skip
def test_an_undefined_byte_costs_its_record(
    read: Callable[..., Content], data: bytes, encoding: str, what: str
) -> None:
    """Bytes that mean nothing in the encoding are named with their line; neighbours stay."""
    content = read(data, encoding=encoding)
    assert content.codes == [(2, "undefined_byte")]
    assert what in content.malformed[0].message
    assert [line for line, _ in content.rows] == [3]


@pytest.mark.parametrize("name", ["Γιώργος Παπαδόπουλος", "王小明 张伟", "Дмитрий", "דוד כהן"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_in_any_script(
    read: Callable[..., Content], encoding: str, name: str
) -> None:
    """Delimiters and digits have a zero byte, wherever the letters have none."""
    data = "no\tname\n" + "".join(f"{n}\t{name}\n" for n in range(9))
    assert read(data.encode(encoding)).cells == [(str(n), name) for n in range(9)]


def test_mostly_utf8_stays_utf8(read: Callable[..., Content]) -> None:
    """Where lines in UTF-8 are no fewer, the others are malformed, whichever comes first."""
    good, bad = "R-1,Zoë\n".encode(), b"R-2,Jos\xe9\n"
    for lines in ([good, good, bad], [bad, good, good]):
        content = read(b"a,b\n" + b"".join(lines))
        assert content.codes == [(2 + lines.index(bad), "not_utf8")]
        assert content.cells == [("R-1", "Zoë")] * 2


def test_mixed_encodings_are_refused(refused: Callable[..., SourceError]) -> None:
    """A file that is half one and half the other is no guess: one line of each is named."""
    error = refused(b"a,b\n1,Jos\xe9\n2,Ren\xe9e\n3,x\n" + "4,Zoë\n".encode())
    assert "mixes encodings: line 5 is in UTF-8, line 2 is not" in error.message


@pytest.mark.parametrize("name", ["klingon", "base64", "", "utf-7", "windows1252x"])
def test_an_unknown_encoding(name: str) -> None:
    """It is refused before anything is opened, with the names that are known."""
    with pytest.raises(UsageError) as caught:
        SourceOptions(encoding=name)
    assert "windows-1252" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("latin1", "iso-8859-1"),
        ("CP1252", "windows-1252"),
        ("mac_roman", "macroman"),
        ("UTF8", "utf-8"),
        ("Auto", "auto"),
        ("UTF-16LE", "utf-16le"),
        ("sjis", "shift-jis"),
        ("CP932", "shift-jis"),
        ("cp950", "big5"),
        ("cp1254", "windows-1254"),
    ],
)
def test_one_encoding_has_one_label(given: str, label: str) -> None:
    """All names of an encoding mean the same."""
    assert label_of(given) == label


def test_standard_input_in_another_encoding() -> None:
    """What cannot be read twice is kept in a temporary file, which is gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        options = SourceOptions(folder=Path(folder))
        with open_source("-", 0, options, io.BytesIO(TEXT.encode("cp1252"))) as source:
            assert sum(batch.frame.height for batch in source.batches()) == len(NAMES)
            assert os.listdir(folder) == []  # noqa: PTH208 - it never has a name


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    """A temporary file that cannot be made names its folder."""
    path = tmp_path / "x.csv"
    path.write_bytes(TEXT.encode("cp1252"))
    with pytest.raises(UsageError, match="a temporary file cannot be written"):
        open_source(str(path), 0, SourceOptions(folder=tmp_path / "none"))


LETTERS = {
    "windows-1252": "éèüößçñÉÅ€…ŒŠa Z9;",
    "iso-8859-1": "éèüößçñÉÅ¤¦a Z9;",
    "iso-8859-15": "éèüößçñÉÅ€ŠŒa Z9;",
    "macroman": "éèüößçñÉÅ€π∂a Z9;",
    "utf-16le": "éß漢😀\u2028\u0085a Z9;",
    "utf-16be": "éß漢😀\u2028\u0085a Z9;",
    "utf-8": "éß漢😀\u2028\u0085a Z9;",
}


@given(st.data(), st.sampled_from(list(LETTERS)), st.sampled_from([1, 7, 1 << 16]))
@settings(max_examples=200, deadline=None)
def test_encoding_and_reading_are_inverse(
    data: st.DataObject, encoding: str, block_bytes: int
) -> None:
    """Any text that an encoding can write comes back cell by cell, with its lines."""
    cell = st.text(LETTERS[encoding], max_size=12)
    cells = data.draw(st.lists(st.tuples(cell, cell), max_size=12))
    lines = "".join(f"x{one},{other}\n" for one, other in cells)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(f"a,b\n{lines}".encode(encoding))
        content = content_of(str(path), SourceOptions(",", block_bytes, encoding))
    expected = [("x" + one, other) for one, other in cells]
    assert content.rows == list(enumerate(expected, 2))
    assert not content.malformed


@given(
    st.lists(st.sampled_from(NAMES[:5]), min_size=2, max_size=20),
    st.sampled_from(["cp1252", "macroman"]),
)
@settings(max_examples=40, deadline=None)
def test_what_is_detected_is_right_or_refused(names: list[str], encoding: str) -> None:
    """Western names are read as written, or not at all: never as other letters."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes("".join(f"{one}\n" for one in ("name", *names)).encode(encoding))
        try:
            content = content_of(str(path))
        except SourceError as error:
            assert "cannot be told" in error.message  # noqa: PT017 - either end is right
            return
    assert content.cells == [(one,) for one in names]
