"""Shell completion: what may stand where the cursor is, for bash, zsh and fish.

typer makes the scripts and finds the options; the values of a setting are said in the table of
settings. Nothing here opens a network or a ledger, and no value comes out of a customer's data:
zsh evaluates what it is told.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = "importer"
VARIABLE = "_IMPORTER_COMPLETE"
"""What a shell's script sets when it asks; typer makes the script."""
SHELLS = ("bash", "zsh", "fish")
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")
_MOST_RUNS = 20
_before = ""
"""What bash took away from the front of the word: it ends words at ``=`` and ``:``."""
_offers: list[tuple[Any, Callable[..., list[str]]]] = []


def offering(parameter: Any, offered: Callable[..., list[str]]) -> Any:
    """A typer parameter of which a shell is told values.

    typer reads the signature of each such function when it makes the commands: 5 ms that are spent
    when a shell asks, and not by each run.
    """
    _offers.append((parameter, offered))
    return parameter


def offer(
    values: Iterable[str] | Callable[[], Iterable[str]], *, several: bool = False
) -> Callable[[str], list[str]]:
    """What typer asks for the values of an option.

    Args:
        values: what may be typed, or what makes it when it is asked for.
        several: they may be joined by commas; one that has a key (``name=...``) stands there once.
    """

    def offered(incomplete: str) -> list[str]:
        whole = _before + incomplete
        head = whole[: whole.rfind(",") + 1] if several else ""
        there = {one.partition("=")[0] for one in head.split(",")}
        found = values() if callable(values) else values
        lines = (head + one for one in found if one.partition("=")[0] not in there)
        return [one[len(_before) :] for one in lines if one.startswith(whole)]

    return offered


def run_ids(context: typer.Context, incomplete: str) -> list[str]:
    """The last runs that have a results folder, the latest first."""
    try:
        names = [one.name for one in Path(context.params.get("out") or ".").iterdir()]
    except OSError:
        return []
    found = [one for one in names if _RUN_ID.fullmatch(one) and one.startswith(incomplete)]
    return sorted(found, reverse=True)[:_MOST_RUNS]


def offer_all() -> None:
    """Let typer know of all that ``offering`` was told, if a shell asks."""
    if VARIABLE in os.environ:
        for parameter, offered in _offers:
            parameter.autocompletion = offered


def answer(command_of: Callable[[list[str]], Any]) -> int:
    """Tell the shell what it asked for; what goes wrong must not stand on somebody's prompt.

    Args:
        command_of: makes the command for the words that stand before the cursor's.
    """
    from typer.completion import (  # noqa: PLC0415 - asked for by the Tab key alone
        get_completion_inspect_parameters,
    )

    get_completion_inspect_parameters()  # Makes the shells known to typer.
    if os.environ[VARIABLE] == "complete_bash":
        _join_words()
    try:
        command_of(_typed())(prog_name=PROGRAM)
    except SystemExit as left:
        return int(left.code or 0)
    except Exception:  # noqa: BLE001 - as the docstring says
        return 1
    return 0


def _typed() -> list[str]:
    """The words between the program's name and the one that is to be completed."""
    if os.environ[VARIABLE] == "complete_bash":
        return os.environ["COMP_WORDS"].split("\n")[1 : int(os.environ["COMP_CWORD"])]
    line = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return line.split()[1 : None if line[-1:].isspace() else -1]


def _join_words() -> None:
    """Put together what bash has split: ``--update balance = sou`` asks for ``balance=sou``.

    An option and its value that are joined by ``=`` become two words. What stands before the
    cursor's own part of its word is kept for ``offer``: bash has it already.
    """
    global _before
    words = os.environ.get("COMP_WORDS", "").split("\n")
    here = int(os.environ.get("COMP_CWORD") or len(words) - 1)
    joined: list[str] = []
    glue = False
    for word in words[: here + 1]:
        if word == "=" and joined and joined[-1].startswith("--"):
            joined.append("")
            glue = True
        elif joined and (glue or word in {"=", ":"}):
            joined[-1] += word
            glue = word in {"=", ":"}
        else:
            joined.append(word)
    last = joined[-1]
    cut = max(last.rfind("="), last.rfind(":")) + 1
    _before, joined[-1] = last[:cut], last[cut:]
    os.environ["COMP_WORDS"] = "\n".join(joined)
    os.environ["COMP_CWORD"] = str(len(joined) - 1)


# The two options of the program itself -----------------------------------------------------------


def show_script(context: typer.Context, param: typer.CallbackParam, value: bool) -> None:  # noqa: FBT001 - typer calls it so
    """Print the script of a shell, to be sourced or packed.

    Raises:
        UsageError: no shell is named, and none is above this process; or it is not known.
    """
    if value and not context.resilient_parsing:
        from typer.completion import show_callback  # noqa: PLC0415 - few ask

        context.info_name = PROGRAM
        show_callback(context, param, _shell("--show-completion"))


def install_script(context: typer.Context, param: typer.CallbackParam, value: bool) -> None:  # noqa: FBT001 - as above
    """Write the script where a shell finds it.

    Raises:
        UsageError: as above, or a file of the shell cannot be written.
    """
    if value and not context.resilient_parsing:
        from typer.completion import install_callback  # noqa: PLC0415 - few ask

        context.info_name = PROGRAM
        shell = _shell("--install-completion")
        try:
            install_callback(context, param, shell)
        except OSError as error:
            raise UsageError(
                f"the completion cannot be written: {error.strerror}: {error.filename}",
                hint=f"importer --show-completion {shell} prints it, to be put where it belongs",
            ) from None


def _shell(flag: str) -> str:
    """The shell that is named behind a flag, else the one that started this process."""
    import shellingham  # noqa: PLC0415 - few ask

    words = sys.argv[sys.argv.index(flag) + 1 :]
    if words:
        shell = words[0]
    else:
        try:
            shell = shellingham.detect_shell()[0]
        except shellingham.ShellDetectionFailure:
            raise UsageError(
                f"{flag}: this command was not started by a shell that is known",
                hint=f"name it: importer {flag} bash (or zsh, fish)",
            ) from None
    if shell not in SHELLS:
        raise UsageError(f"{flag}: no completion for {shell!r}", hint=f"one of {', '.join(SHELLS)}")
    return shell
