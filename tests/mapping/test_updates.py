"""Which fields follow the source: a mapping file and a flag say it alike."""

from __future__ import annotations

import tomllib

import pytest

from importer.errors import UsageError
from importer.mapping.model import Mapping
from importer.mapping.updates import parse_updates, updates_text

START = 'version = 1\n[fields.external_reference]\ncolumn = "No"\n[update]\n'


@pytest.mark.parametrize(
    ("table", "flag"),
    [
        ("", ""),
        ('balance = "source"', "balance=source"),
        ('balance = "never"\nname = "if_untouched"', "name=if_untouched,balance=never"),
        ('metadata = "source"', "metadata=source"),
        ('metadata = { tier = "source" }', "metadata.tier=source"),
        (
            'metadata = { tier = "never", "*" = "if_untouched", a = "source" }',
            "metadata=if_untouched,metadata.a=source,metadata.tier=never",
        ),
    ],
)
def test_a_table_and_a_flag_say_the_same(table: str, flag: str) -> None:
    """Each field once, in one order, so that the same wish is the same text."""
    rules = Mapping.model_validate(tomllib.loads(START + table)).update.rules
    assert updates_text(rules) == flag
    assert parse_updates(flag) == rules
    assert parse_updates(",".join(reversed(flag.split(",")))) == rules


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("balance", "names no policy"),
        ("balance=sometimes", "is no policy"),
        ("balance=sorce", "mean source?"),
        ("balanc=source", "mean balance?"),
        ("external_reference=source", "cannot be updated"),
        ("balance=source,balance=never", "twice"),
        ("metadata.=source", "no metadata key"),
        (f"metadata.{'x' * 41}=source", "no metadata key"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, part: str) -> None:
    """The message names the field and the nearest that would be right."""
    with pytest.raises(UsageError) as caught:
        parse_updates(text)
    assert part in f"{caught.value.message} {caught.value.hint}"


def test_blanks_and_empty_parts_say_nothing() -> None:
    """A flag may be written with blanks, as people do."""
    assert parse_updates(" name = source , ,email=never,") == (
        ("name", "source"),
        ("email", "never"),
    )
