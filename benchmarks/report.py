"""Figures to a file, to tables, and to docs/performance.md. No figure there is typed by hand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from benchmarks import then
from benchmarks.parts import (
    check,
    latency,
    ledgers,
    machines,
    memory,
    network,
    nightly,
    posting,
    shards,
    startup,
)
from benchmarks.process import ROOT, BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

FIGURES = ROOT / "benchmarks" / "figures.json"
TEMPLATE = ROOT / "benchmarks" / "performance.md.template"
PAGE = ROOT / "docs" / "performance.md"
FORMAT = 1
_NOBODY = "(nobody has measured this)"
PARTS: dict[str, ModuleType] = {
    "posting": posting,
    "latency": latency,
    "network": network,
    "nightly": nightly,
    "shards": shards,
    "machines": machines,
    "ledgers": ledgers,
    "check": check,
    "startup": startup,
    "memory": memory,
}
_PLACE = re.compile(r"^\{\{ (\w+)(?: (\w+))? \}\}$", re.MULTILINE)
_VALUE = re.compile(r"\{\{ (\w+)((?:/[^}/|]+)+)(?:\|([^}]+))? \}\}")


def read(path: Path) -> dict[str, Any]:
    """The figures measured so far; none where there is no file.

    Raises:
        BenchmarkError: the file is of another format.
    """
    if not path.exists():
        return {"format": FORMAT, "parts": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.get("format") != FORMAT:
        raise BenchmarkError(f"{path} has format {found.get('format')}, not {FORMAT}")
    return found


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures, with four significant digits."""
    path.write_text(json.dumps(_rounded(figures), indent=2, sort_keys=True) + "\n", "utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def plain(lines: list[list[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    return "\n".join([rows[0], "-" * len(rows[0]), *rows[1:]])


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    first, *rest = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]


def markdown(lines: list[list[str]]) -> str:
    """A table for the page: text to the left, figures to the right."""
    rows = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
    rule = "| --- |" + " ---: |" * (len(lines[0]) - 1)
    return "\n".join([rows[0], rule, *rows[1:]])


def verdicts(figures: dict[str, Any]) -> list[list[str]]:
    """Every target of the parts that were measured."""
    lines = [["target", "measured", "met"]]
    for name, part in PARTS.items():
        if name in figures["parts"]:
            found = part.targets(figures["parts"][name]["figures"])
            lines += [[words, measured, "yes" if met else "no"] for words, measured, met in found]
    return lines


def page(figures: dict[str, Any], template: str) -> str:
    """The template with its places filled; a section that nobody has measured is left out.

    ``{{ targets }}``, ``{{ reference }}``, ``{{ table posting }}`` and ``{{ made posting }}`` stand
    alone on a line.
    Within a sentence ``{{ posting/times_faster/newman|.1f }}`` is one figure and its format.

    Raises:
        BenchmarkError: a place names no part or figure.
    """
    fillers: dict[str, Callable[[str], str]] = {
        "targets": lambda _: markdown(verdicts(figures)),
        "reference": lambda _: (
            f"importer, as it was then ({then.COMMIT[:7]}), made {then.ROWS_PER_SECOND:,} rows/s"
        ),
        "table": lambda name: _of(figures, name, lambda part: markdown(_table(name, part))),
        "made": lambda name: _of(figures, name, _made),
    }

    def fill(place: re.Match[str]) -> str:
        if place[1] not in fillers or (place[2] and place[2] not in PARTS):
            raise BenchmarkError(f"the template asks for {place[0]}")
        return fillers[place[1]](place[2] or "")

    def value(place: re.Match[str]) -> str:
        found = figures["parts"].get(place[1], {}).get("figures")
        if found is None:
            return _NOBODY
        try:
            for key in place[2].strip("/").split("/"):
                found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, ValueError):
            return "(not measured)"
        return format(found, place[3] or "")

    filled = _VALUE.sub(value, _PLACE.sub(fill, template))
    head, *sections = re.split(r"(?m)^(?=## )", filled)
    return head + "".join(one for one in sections if _NOBODY not in one)


def _of(figures: dict[str, Any], name: str, words: Callable[[dict[str, Any]], str]) -> str:
    part = figures["parts"].get(name)
    return words(part) if part else _NOBODY


def _table(name: str, part: dict[str, Any]) -> list[list[str]]:
    lines: list[list[str]] = PARTS[name].table(part["figures"])
    return lines


def _made(part: dict[str, Any]) -> str:
    """When, on what and with what a part was measured."""
    versions = ", ".join(f"{name} {number}" for name, number in part["versions"].items())
    m = part["machine"]
    return (
        f"Measured on {part['at']}, {part['rounds']} rounds: {m['processor']}, {m['cores']} cores,"
        f" {m['memory']}, {m['system']}; {m['pinned']}. Versions: {versions}."
    )


def write_page(figures: dict[str, Any]) -> None:
    """Write docs/performance.md."""
    PAGE.write_text(page(figures, TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
