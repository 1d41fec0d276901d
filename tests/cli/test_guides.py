"""The guides hold: their commands are typed in order, and what they show is what is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from importer.cli import main
from importer.cli.app import app
from importer.cli.settings import command_of
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = sorted(DOCS.glob("guide-*.md"))
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"^\$ (?P<typed>(?:.*\\\n)*.*)\n?(?P<shown>(?:(?!\$ ).*\n?)*)", re.MULTILINE)
EXIT_CODE = re.compile(r"^\(exit code (\d+)\)$", re.MULTILINE)
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
CHANGING = [
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (RUN_ID, "RUN"),
    (re.compile(r"bcus_\w+"), "BCUS"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*Z"), "TIME"),
    (re.compile(r"req_\w+"), "REQ"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|[KMGT]i?B)\b"), "SOME"),
    (re.compile(r"[─━┏┓┗┛┡┩┼╇┳┻┴┬├┤└┘┌┐│┃]"), " "),
    (re.compile(r"\s+"), " "),
]
"""What is another in each run, and how a terminal fills its lines."""
SHELL = re.compile(r"[|<>;&$*]")
SANDBOX = "http://127.0.0.1:8787"
"""Where the guides have the sandbox; the tests' own has another port."""


@dataclass
class Reader:
    """Who reads a guide and types what it says, in an empty folder."""

    folder: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    stack: ExitStack = field(default_factory=ExitStack)
    url: str = SANDBOX

    def read(self, page: str) -> int:
        """Type every command of a page; the number of commands typed."""
        typed = 0
        blocks = list(BLOCK.finditer(page))
        assert page.count("```") == 2 * len(blocks), "neither run, as it is no block with a kind"
        for block in blocks:
            mark, kind, body = block["mark"] or "", block["kind"], block["body"]
            if mark.startswith("not run: "):
                assert len(mark) > len("not run: a word"), "the reason is missing"
            elif mark.startswith("file: "):
                (self.folder / mark.removeprefix("file: ")).write_text(self.here(body))
            elif kind == "console":
                for command in COMMAND.finditer(body):
                    self.type_in(command["typed"].replace("\\\n", " "), command["shown"])
                    typed += 1
            else:
                raise AssertionError(
                    f"neither run, nor written, nor marked as not run:\n{block[0]}"
                )
        return typed

    def type_in(self, command: str, shown: str) -> None:
        """One command: its exit code is the one shown, and every line shown is printed."""
        code, printed = self.run(self.here(command))
        expected = EXIT_CODE.search(shown)
        assert code == int(expected[1] if expected else 0), f"$ {command}\n{printed}"
        told = steady(printed.replace(self.url, SANDBOX))
        for line in EXIT_CODE.sub("", shown).splitlines():
            if line.strip() not in {"", "..."}:
                for part in filter(None, map(str.strip, line.split("..."))):
                    assert steady(part).strip() in told, f"$ {command}\n{line}\n---\n{printed}"

    def here(self, text: str) -> str:
        """A text of the guide with this sandbox, and the latest run."""
        found = [one for one in self.folder.glob("**/results/*") if RUN_ID.match(one.name)]
        text = text.replace(SANDBOX, self.url)
        # Two runs of one second have no order by their names.
        runs = sorted(found, key=lambda one: one.stat().st_mtime_ns)
        return RUN_ID.sub(runs[-1].name, text) if runs else text

    def run(self, command: str) -> tuple[int, str]:
        """The exit code, and what was printed."""
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            for one in words[1:]:
                self.patch.setenv(*one.split("=", 1))
            return 0, ""
        if words[:2] == ["importer", "sandbox"] and words[2:3] != ["edit"]:
            return self.serve(words[2:])
        if words[0] == "importer" and not SHELL.search(command.partition("#")[0]):
            return self.importer(words)
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def importer(self, words: list[str]) -> tuple[int, str]:
        """The program itself, on a terminal, in this process."""
        self.patch.setattr(sys, "argv", words)
        self.patch.setattr(type(sys.stderr), "isatty", lambda _: True)
        self.capture.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self.capture.readouterr()
        return int(left.value.code or 0), out + err

    def serve(self, options: list[str]) -> tuple[int, str]:
        """A sandbox as the options say, on a free port of its own, in place of the one before."""
        self.stack.close()
        group: Any = command_of(app)
        command = group.commands["sandbox"]
        given = command.make_context("sandbox", list(options)).params
        config = SandboxConfig(
            seed=given["seed"], data=given["data"], rate=given["rate"], faults=given["faults"]
        )
        port = 0 if self.url == SANDBOX else int(self.url.rpartition(":")[2])
        self.url = self.stack.enter_context(running(config, port=port))
        return 0, f"sandbox at {self.url}"


def steady(text: str) -> str:
    """A text without what is another in each run."""
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    return text


@pytest.fixture
def reader(
    no_settling: None,  # noqa: ARG001 - nobody waits for a replica here
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """A reader in a folder that holds the sample customers and nothing else."""
    shutil.copy(ROOT / "sample_data" / "customers.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith(("IMPORTER_", "MOMENT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    one = Reader(tmp_path, monkeypatch, capsys)
    with one.stack:
        yield one


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda one: one.stem)
def test_what_a_guide_says_happens(guide: Path, reader: Reader) -> None:
    """Every command of a guide ends as it says, and prints the lines that it shows."""
    page = guide.read_text()
    assert not re.search(r"^ {4,}importer ", page, re.MULTILINE), "a command that nobody types"
    assert reader.read(page) >= 5


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("```console\n$ importer presets\nno such preset\n```\n", "no such preset"),
        ("```console\n$ importer presets --show xero\n(exit code 2)\n```\n", "importer presets"),
        ("```sh\nimporter run\n```\n", "neither run"),
        ("- a list\n  ```console\n  $ importer run\n  ```\n", "neither run"),
        ("<!-- not run: why -->\n```sh\nimporter run\n```\n", "reason is missing"),
    ],
)
def test_a_guide_that_is_wrong_is_noticed(page: str, told: str, reader: Reader) -> None:
    """Another text, another exit code, and a block that nobody marked fail."""
    with pytest.raises(AssertionError, match=told):
        reader.read(page)


def test_what_the_readme_says_of_a_messy_file_happens(reader: Reader) -> None:
    """What it types and shows as on a terminal is held like a guide."""
    shutil.copytree(ROOT / "sample_data", reader.folder / "sample_data")
    blocks = BLOCK.finditer((ROOT / "README.md").read_text())
    assert reader.read("\n".join(one[0] for one in blocks if one["kind"] == "console")) >= 3


def test_the_readme_links_each_guide() -> None:
    """Whoever reads README.md finds them."""
    readme = (ROOT / "README.md").read_text()
    assert len(GUIDES) == 4
    for guide in GUIDES:
        assert f"(docs/{guide.name})" in readme
