"""The names of text encodings, as users say them and as Python knows them. Pure."""

from __future__ import annotations

import codecs
import difflib
import functools

from importer.errors import UsageError

AUTO = "auto"
UTF8 = "utf-8"
NAMED = (
    UTF8,
    "utf-16",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-15",
    "macroman",
    "windows-1250",
    "iso-8859-2",
    "windows-1251",
    "koi8-r",
    "koi8-u",
    "windows-1253",
    "iso-8859-7",
    "windows-1254",
    "iso-8859-9",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "iso-8859-13",
    "windows-1258",
    "shift-jis",
    "euc-jp",
    "iso-2022-jp",
    "gb18030",
    "big5",
    "cp949",
    "cp850",
    "cp852",
    "cp437",
    "cp866",
)
"""What messages offer; any other text encoding of Python's can be declared too."""

_WINDOWS = {
    "shift-jis": "cp932",
    "big5": "cp950",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "gb2312": "gb18030",
}
"""Files that are said to be in the one are in what Windows made of it: it holds more characters,
and reads those of the other alike."""
_ALSO = {
    "utf-8-sig": UTF8,
    "mac": "macroman",
    "mac-roman": "macroman",
    "ansi": "windows-1252",
    "sjis": "shift-jis",
    "cp932": "shift-jis",
    "windows-31j": "shift-jis",
    "cp950": "big5",
}
_NOT_OF_FILES = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}


def label_of(encoding: str) -> str:
    """The one name by which an encoding is called here: ``latin1`` is ``iso-8859-1``.

    Raises:
        UsageError: there is no such text encoding; the message names the nearest.
    """
    wanted = encoding.strip().lower().replace("_", "-")
    if wanted == AUTO:
        return AUTO
    wanted = _ALSO.get(wanted, wanted)
    try:
        found = codecs.lookup(wanted)
        # Codecs from bytes to bytes (base64) are found too, and decode to no text.
        known = isinstance(codecs.getincrementaldecoder(wanted)().decode(b""), str)
    except (LookupError, TypeError, ValueError, UnicodeError):
        known = False
    if not known or found.name.replace("_", "-") in _NOT_OF_FILES:
        near = difflib.get_close_matches(wanted, NAMED, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"the encoding {encoding!r} is not known",
            hint=f"{meant}one of {', '.join((AUTO, *NAMED))}",
        )
    return _labels().get(found.name, found.name)


@functools.cache
def _labels() -> dict[str, str]:
    """By Python's name of an encoding. To look for all takes as long as to import a library."""
    return {codecs.lookup(name).name: name for name in NAMED}


def codec_of(label: str) -> str:
    """What Python calls the encoding of a label."""
    return _WINDOWS.get(label.replace("_", "-"), label)
