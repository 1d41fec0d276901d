"""The Tab key: in three shells, what is offered is taken, and nothing heavy is loaded."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from importer.cli import completion, main
from importer.job.job_settings import TABLE, Setting

if TYPE_CHECKING:
    from pathlib import Path

Asks = Callable[..., list[str]]
OFFERED = [one for one in TABLE if one.values]


@pytest.fixture(autouse=True)
def _no_word_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process answers one question; a test asks several."""
    monkeypatch.setattr(completion, "_before", "")


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Asks:
    """What is printed for a line, the cursor at its end, as bash splits it."""

    def asked(line: str, shell: str = "bash") -> list[str]:
        split = shlex.shlex(line, punctuation_chars="=:")
        split.whitespace_split = True
        words = [*split, *[""] * line.endswith(" ")]
        monkeypatch.setenv("_IMPORTER_COMPLETE", f"complete_{shell}")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        monkeypatch.setattr(sys, "argv", ["importer"])
        with pytest.raises(SystemExit):
            main()
        shown = capfd.readouterr()
        assert not shown.err
        return shown.out.split("\n")[:-1] if shown.out.strip() else []

    return asked


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("importer pre", ["presets"]),
        ("importer run --on-d", ["--on-duplicate"]),
        ("importer run --on-duplicate f", ["first"]),
        ("importer run --edges s", ["stop", "skip"]),
        ("importer run --edges=", ["stop", "keep", "skip"]),
        ("importer run --edges=k", ["keep"]),
        ("importer run --update balance=so", ["source"]),
        ("importer run --update balance=source,name=if", ["if_untouched"]),
        ("importer run --update balance=source,bal", []),
        ("importer run --fail-on changed,van", ["changed,vanished"]),
        ("importer run --base-url http://127", ["//127.0.0.1:8787"]),
        ("importer run --config not-there.toml --live --key", ["--key-changed"]),
        ("importer init x.csv --preset sh", ["shopify"]),
        ("importer presets --show x", ["xero"]),
        ("importer sandbox --metadata r", ["replace"]),
        ("importer run", ["run", "runs"]),
        ("importer ledger mo", ["move"]),
        ("importer ledger move --acc", ["--account"]),
        ("importer run customers", []),  # The shell's own: names of files.
        ("importer nothing-like-it --x", []),
    ],
)
def test_bash_is_told_what_may_stand_there(asks: Asks, line: str, offered: list[str]) -> None:
    """Commands, options and values; a word that bash has split at = and : is answered in part."""
    assert asks(line) == offered


def test_zsh_and_fish_are_told_with_a_word_on_each(asks: Asks) -> None:
    """The other two show what an option is for."""
    (shown,) = asks("importer run --on-d", "zsh")
    assert '"--on-duplicate":"Rows with one reference' in shown
    (shown,) = asks("importer run --on-d", "fish")
    assert shown.startswith("--on-duplicate\tRows with one reference")


@pytest.mark.parametrize("one", OFFERED, ids=lambda one: one.name)
def test_what_is_offered_is_taken(one: Setting) -> None:
    """No value is offered that its setting refuses."""
    values = one.values() if callable(one.values) else one.values
    assert values
    for value in values:
        one.value_of(str(value))


def test_the_runs_that_have_results_are_offered(asks: Asks, tmp_path: Path) -> None:
    """The latest first; a folder of another name is none, and without any there is nothing."""
    ids = ["20261126T010000Z-aaaaaa", "20261127T010000Z-bbbbbb"]
    for name in (*ids, "$(touch x)", ".20261128T010000Z-cccccc.partial"):
        (tmp_path / "results" / name).mkdir(parents=True)
    line = f"importer report --out {tmp_path}/results"
    assert asks(f"{line} ") == ids[::-1]
    assert asks(f"{line} 20261126") == ids[:1]
    assert asks(f"{line}-none ") == []


def test_bash_itself_completes_and_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """The script that is shown works in a real bash; an answer loads no reader and no network."""
    program = tmp_path / "importer"
    program.write_text(
        f"#!{sys.executable}\nimport atexit, sys\n"
        f"loaded = open({str(tmp_path / 'loaded')!r}, 'w')\n"
        "atexit.register(lambda: print(*sys.modules, file=loaded))\n"
        "from importer.cli import main\nmain()\n"
    )
    program.chmod(0o700)
    script = (
        "source <(importer --show-completion bash)\nCOMP_WORDS=(importer run --log-format j)\n"
        'COMP_CWORD=3\n_importer_completion importer\necho "${COMPREPLY[*]}"\n'
    )
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("json\n", "")
    loaded = set((tmp_path / "loaded").read_text().split())
    assert "typer" in loaded
    assert not loaded & {"polars", "pydantic", "httpx", "anyio._backends._asyncio", "sqlalchemy"}


def loaded_by(folder: Path, *words: str) -> set[str]:
    """The modules that a process has loaded when this command ends."""
    code = (
        f"import sys\nsys.argv = {['importer', *words]}\nfrom importer.cli import main\n"
        "try:\n    main()\nfinally:\n    print('\\n', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"MOMENT_API_KEY": "sk_test_x", "PATH": "", "HOME": str(folder)},
    )
    assert done.returncode in {0, 2}, done.stderr
    return set(done.stdout.splitlines()[-1].split())


WORK = {f"importer.{one}" for one in ("rows.judged", "source.opened", "plan", "engine", "results")}
NETWORK = {"httpx", "asyncio", "ssl", "uvloop", "importer.delivery.http"}


@pytest.mark.parametrize("words", [("--help",), ("rnu",), ("ledger", "--help")])
def test_a_list_of_commands_loads_nothing_of_what_they_do(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The table of settings is all that is needed: no ledger, protocol or library for a value."""
    loaded = loaded_by(tmp_path, *words)
    assert "importer.job.job_settings" in loaded
    values = {"polars", "pydantic", "anyio", "rich", "hashlib", "json"}
    parts = {"importer.rows", "importer.source", "importer.ledger.ledger"}
    assert not loaded & (WORK | NETWORK | values | parts | {"importer.delivery.protocol"})


def test_a_small_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    """A CSV file of plain rows, options as they come, no terminal: start-up is most of its cost."""
    # Who looks at the ledger afterwards reads no file and needs no network.
    (tmp_path / "in.csv").write_text("external_reference,name,phone\nA-1,Ada,+27820000001\n")
    loaded = loaded_by(tmp_path, "run", "in.csv", "--dry-run", "--quiet", "--no-report")
    assert {"polars", "importer.job.run"} <= loaded
    shown = {"rich", "structlog", "jinja2", "click", "pygments"}
    kinds = ("excel.xlsx_source", "parquet.parquet_source")
    readers = {f"importer.source.{one}" for one in kinds} | {"backports.zstd", "compression.zstd"}
    assert not loaded & (shown | readers | {"pydantic"})
    assert not loaded_by(tmp_path, "status") & (WORK | NETWORK | {"polars", "pydantic"})


WATCHED = """
import atexit, dataclasses, gc, json, re, sys
whole, longest = [], [0]
process, make = dataclasses._process_class, re._compiler.compile
def processed(cls, init, repr, eq, *rest):
    if cls.__module__.startswith("importer.") and repr and eq:
        whole.append(cls.__qualname__)
    return process(cls, init, repr, eq, *rest)
def made(text, flags=0):
    if sys._getframe(3).f_globals["__name__"].startswith("importer."):
        longest.append(len(text))
    return make(text, flags)
def tell():
    collected = len(gc.get_objects())
    print("\\n", json.dumps([whole, max(longest), collected]))
dataclasses._process_class, re._compiler.compile = processed, made
atexit.register(tell)
from importer.cli import main
"""


def test_a_small_run_makes_only_what_it_needs(tmp_path: Path) -> None:
    """No value with all of its methods, no long pattern, no search for cycles at the end."""
    # Together they were a third of what a run of ten rows costs.
    (tmp_path / "in.csv").write_text("external_reference,name,phone\nA-1,Ada,+27820000001\n")
    words = ["importer", "run", "in.csv", "--dry-run", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", f"{WATCHED}\nsys.argv = {words}\nmain()\n"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"MOMENT_API_KEY": "sk_test_x", "PATH": "", "HOME": str(tmp_path)},
    )
    whole, longest, collected = json.loads(done.stdout.splitlines()[-1])
    assert {*whole} <= {"PaceSettings"}, whole
    assert longest < 300
    assert collected < 1000


def test_a_shell_is_named_or_known(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A shell may be named; one that is not known, or cannot be written for, is told in words."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["importer", "--install-completion", "fish"])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    written = tmp_path / ".config/fish/completions/importer.fish"
    assert "_IMPORTER_COMPLETE=complete_fish" in written.read_text()
    monkeypatch.setattr(sys, "argv", ["python -m importer", "--show-completion", "csh"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "one of bash, zsh, fish" in capfd.readouterr().err
    (tmp_path / ".bashrc").mkdir()
    monkeypatch.setattr(sys, "argv", ["importer", "--install-completion", "bash"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "importer --show-completion bash prints it" in capfd.readouterr().err
