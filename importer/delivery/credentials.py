"""The API key: from one of three places, checked before anything else, never shown."""

from __future__ import annotations

import os
import re
import select
import shlex
import stat
import subprocess
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_VARIABLE = "MOMENT_API_KEY"
KEY_FILE_VARIABLE = "MOMENT_API_KEY_FILE"
KEY_COMMAND_VARIABLE = "MOMENT_API_KEY_COMMAND"
KEY_VARIABLES = (KEY_VARIABLE, KEY_FILE_VARIABLE, KEY_COMMAND_VARIABLE)
COMMAND_SECONDS = 60.0
"""For the command of a password manager, which may wait for a person's finger."""
_MOST = 4096
"""Bytes of its output that are looked at; a key has at most 512."""
_SHAPE = re.compile(r"[!-~]{8,512}")
_KEY_ITSELF = re.compile(r"[sp]k_[A-Za-z0-9_]+$")


@value
class ApiKey:
    """A secret key; its repr never shows it."""

    secret: str = field(repr=False)
    mode: str
    """``test`` or ``live``."""
    warning: str = ""
    source: str = ""
    """Where it comes from, in words."""


def key_variable(environment: Mapping[str, str]) -> str:
    """The variable that says where the key is; "" where none is set.

    Raises:
        UsageError: more than one is set: nobody could say which key is meant.
    """
    named = [one for one in KEY_VARIABLES if environment.get(one, "").strip()]
    if len(named) > 1:
        raise UsageError(
            f"{' and '.join(named)} are both set"
            if len(named) == 2  # noqa: PLR2004 - of three
            else f"{', '.join(named)} are all set",
            hint="keep the one that holds the key that is meant, and unset the rest",
        )
    return named[0] if named else ""


def read_api_key(environment: Mapping[str, str], *, seconds: float = COMMAND_SECONDS) -> ApiKey:
    """The key from ``MOMENT_API_KEY``, or from the file or the command that another one names.

    Args:
        environment: exactly one of ``KEY_VARIABLES`` is set in it; an empty one counts as not set.
        seconds: that the command may take.

    Raises:
        UsageError: no key, more than one, or one that cannot do this job; the message never shows
            it.
    """
    where = key_variable(environment)
    if not where:
        raise UsageError(
            "no API key",
            hint=f"set {KEY_VARIABLE}, {KEY_FILE_VARIABLE} to a file that holds it, or"
            f" {KEY_COMMAND_VARIABLE} to a command that prints it",
        )
    said, warning, source = environment[where].strip(), "", where
    if where != KEY_VARIABLE and _KEY_ITSELF.match(said):
        raise UsageError(f"{where} holds a key itself", hint=f"that goes into {KEY_VARIABLE}")
    if where == KEY_FILE_VARIABLE:
        path = Path(environment[where])
        said, warning, mode = _from_file(path)
        source = f"{where} ({path}, {mode:04o})"
    elif where == KEY_COMMAND_VARIABLE:
        words = _words(said)
        source = f"{where} ({_program(words)})"
        said = _from_command(words, environment, seconds)
    return ApiKey(said, _mode(said, where), warning, source)


def _from_file(path: Path) -> tuple[str, str, int]:
    """(key, warning, permissions)."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(
            f"{KEY_FILE_VARIABLE}: {path} cannot be read: {reason}",
            hint="the name of a file with the key alone, which this user may read (chmod 600)",
        ) from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return text, f"{path} can be read by other users; chmod 600 it", mode
    return text, "", mode


def _words(command: str) -> list[str]:
    """The command's words, as a shell would part them; no shell runs it."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise UsageError(
            f"{KEY_COMMAND_VARIABLE} holds no command: a quotation mark is not closed?",
            hint=f"for example {KEY_COMMAND_VARIABLE}='op read op://vault/moment/key'; for pipes:"
            " sh -c '...'",
        )
    return words


def _program(words: list[str]) -> str:
    """What a command is called; of ``NAME=VALUE`` before it, which a shell would read, the name."""
    return words[0].partition("=")[0]


def _from_command(words: list[str], environment: Mapping[str, str], seconds: float) -> str:
    """What the command prints. Nothing of it is shown, nor of its errors: either may be secret."""
    program = f"{KEY_COMMAND_VARIABLE}: {_program(words)}"
    by_hand = "type the command by hand, as this user and in this environment, to see what it says"
    try:
        # It may ask on the terminal, which is why it stays in its session; standard input may be
        # the customers.
        running = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be run"
        raise UsageError(
            f"{program} cannot be run: {reason}",
            hint="no shell runs it: env NAME=VALUE COMMAND, or sh -c '...'"
            if "=" in words[0]
            else "give its whole path: cron and services have another PATH",
        ) from None
    with running:
        try:
            told = _output(running, seconds)
        except TimeoutError:
            raise UsageError(
                f"{program} printed no key within {seconds:g} s",
                hint="is it waiting for a password or a finger? unlock the password manager first",
            ) from None
        finally:
            running.kill()  # Where it has ended, that does nothing.
    if len(told) <= _MOST and running.returncode:
        raise UsageError(f"{program} failed with exit code {running.returncode}", hint=by_hand)
    text = told[:_MOST].decode("utf-8", errors="replace").rstrip("\r\n")
    if "\n" in text or "\r" in text or len(told) > _MOST:
        raise UsageError(f"{program} printed more than one line", hint=by_hand)
    if not text.strip():
        raise UsageError(f"{program} printed nothing", hint=by_hand)
    return text.strip()


def _output(running: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a command prints until it ends, or a little more than a key can be.

    Raises:
        TimeoutError: it has not ended in time.
    """
    ends = time.monotonic() + seconds
    told = b""
    stream = running.stdout.fileno() if running.stdout is not None else -1
    while len(told) <= _MOST:
        left = ends - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise TimeoutError
        piece = os.read(stream, _MOST)
        if not piece:
            try:
                running.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            break
        told += piece
    return told


def _mode(secret: str, where: str) -> str:
    if not _SHAPE.fullmatch(secret):
        raise UsageError(
            f"{where} does not hold an API key",
            hint="one line of visible ASCII that starts with sk_test_ (or sk_ for live)",
        )
    if secret.startswith("pk_"):
        raise UsageError(
            f"{where} holds a public key (pk_...), which cannot create customers",
            hint="use the secret key of the same account: sk_test_... or sk_...",
        )
    if secret.startswith("sk_test_"):
        return "test"
    if secret.startswith("sk_"):
        return "live"
    raise UsageError(
        f"{where} does not hold a Moment secret key", hint="those start with sk_test_ or sk_"
    )


def mode_of(environment: Mapping[str, str], *, live: bool) -> str:
    """The mode that a run would have: the key's if one is set, else ``--live`` or test.

    Raises:
        UsageError: a key is set, and it is none; or more than one is set.
    """
    if key_variable(environment):
        return read_api_key(environment).mode
    return "live" if live else "test"
