"""The key is checked before anything else, and never shown."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from importer.delivery.credentials import KEY_VARIABLES, ApiKey, read_api_key
from importer.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.mark.parametrize(
    ("secret", "mode"), [(SECRET, "test"), ("sk_live_abcdefgh", "live"), ("sk_abcdefgh", "live")]
)
def test_secret_keys_have_a_mode(secret: str, mode: str) -> None:
    """sk_test_ keys are test keys, every other sk_ key is live (API page)."""
    assert read_api_key({"MOMENT_API_KEY": f" {secret}\n"}).mode == mode


def test_a_key_file_is_read(tmp_path: Path) -> None:
    """MOMENT_API_KEY_FILE names a file; one that others can read is warned about."""
    path = tmp_path / "key"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    key = read_api_key({"MOMENT_API_KEY_FILE": str(path)})
    assert (key.secret, key.warning) == (SECRET, "")
    path.chmod(0o644)
    assert "chmod 600" in read_api_key({"MOMENT_API_KEY_FILE": str(path)}).warning


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MOMENT_API_KEY": "pk_test_4eC39HqLyjWDarjtT1zdp7dc"},
        {"MOMENT_API_KEY": "pk_4eC39HqLyjWDarjtT1zdp7dc"},
        {"MOMENT_API_KEY": "hunter2-hunter2"},
        {"MOMENT_API_KEY": "sk_test_with a space"},
        {"MOMENT_API_KEY": "sk_test_\u00e9\u00e9\u00e9\u00e9"},
        {"MOMENT_API_KEY_FILE": "/nonexistent/key"},
        {"MOMENT_API_KEY_FILE": SECRET},
    ],
)
def test_other_keys_are_refused_without_being_shown(environment: dict[str, str]) -> None:
    """A key that cannot do the job is refused with the reason; the text never holds the key."""
    with pytest.raises(UsageError) as caught:
        read_api_key(environment)
    for secret in environment.values():
        if not secret.startswith("/"):
            assert secret not in caught.value.message + caught.value.hint


def test_the_key_is_not_in_its_repr() -> None:
    """A key that ends up in a debug output does not show itself."""
    assert SECRET not in repr(read_api_key({"MOMENT_API_KEY": SECRET}))


def of_command(command: str, seconds: float = 10.0) -> ApiKey:
    """The key that a command prints."""
    environment = {"MOMENT_API_KEY_COMMAND": command, "PATH": os.environ["PATH"]}
    return read_api_key(environment, seconds=seconds)


def test_a_key_comes_from_a_command() -> None:
    """It is run without a shell, with the words that are quoted together, and no input."""
    key = of_command(f"printf '%s\\n' '{SECRET}'")
    assert (key.secret, key.source) == (SECRET, "MOMENT_API_KEY_COMMAND (printf)")
    assert of_command(f"""sh -c 'cat; echo "{SECRET}"; echo note >&2'""").secret == SECRET


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/nonexistent/op read x", "/nonexistent/op cannot be run: No such file or directory"),
        (f"sh -c 'echo {SECRET}; exit 3'", "sh failed with exit code 3"),
        (f"printf '{SECRET}\\n{SECRET}\\n'", "printf printed more than one line"),
        ("yes sk_test_aaaaaaaaaaaa", "yes printed more than one line"),
        ("true", "true printed nothing"),
        ("sleep 60", "sleep printed no key within 0.2 s"),
        (f"sh -c 'echo {SECRET}; exec sleep 60'", "sh printed no key within 0.2 s"),
        ("echo hunter2-hunter2", "does not hold a Moment secret key"),
        ("echo 'op", "holds no command"),
        (f"BW_SESSION={SECRET} bw get", "COMMAND: BW_SESSION cannot be run: No such file"),
        (SECRET, "MOMENT_API_KEY_COMMAND holds a key itself"),
        (f"echo {SECRET} && true", "does not hold an API key"),
    ],
)
def test_a_command_that_prints_no_key(command: str, said: str) -> None:
    """The program is named; neither its output nor its arguments are shown."""
    with pytest.raises(UsageError) as caught:
        of_command(command, 0.2 if "sleep" in command else 10.0)
    assert said in caught.value.message
    assert not {SECRET, "hunter2", "read x"} & {*re.split("[ :]", str(caught.value))}
    assert SECRET not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("named", [KEY_VARIABLES[:2], KEY_VARIABLES[1:], KEY_VARIABLES], ids=len)
def test_several_keys_are_one_too_many(named: tuple[str, ...]) -> None:
    """Nobody could say which is meant; an empty variable counts as not set."""
    with pytest.raises(UsageError, match="set") as caught:
        read_api_key(dict.fromkeys(named, "x"))
    assert all(name in caught.value.message for name in named)
    assert read_api_key({"MOMENT_API_KEY": SECRET, "MOMENT_API_KEY_FILE": " "}).mode == "test"
