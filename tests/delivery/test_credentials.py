"""The key is checked before anything else, and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from importer.delivery.credentials import read_api_key
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
