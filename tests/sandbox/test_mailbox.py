"""E-mail syntax, read by hand."""

from __future__ import annotations

import pytest

from importer.sandbox.contract import is_mailbox

LABEL = "a" * 63


@pytest.mark.parametrize(
    "address",
    [
        "a@b.co",
        "first.last+tag@sub.example.com",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "a@1.2",
        "a@xn--caf-dma.example",
        f"{'l' * 64}@example.com",
        f"a@{LABEL}.com",
        f"{'l' * 62}@{LABEL}.{LABEL}.{LABEL[:-1]}.com"[-254:],
    ],
)
def test_addresses_that_are_mailboxes(address: str) -> None:
    """A dot-string, an at sign and two or more labels, up to the limits."""
    assert is_mailbox(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a",
        "a@b",
        "@example.com",
        "a@",
        "a@@example.com",
        "a@b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a b@example.com",
        '"a b"@example.com',
        "a@[127.0.0.1]",
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "a@-example.com",
        "a@example-.com",
        "a@exa_mple.com",
        "a@example.com\n",
        "\na@example.com",
        "caf\u00e9@example.com",
        "a@caf\u00e9.com",
        f"{'l' * 65}@example.com",
        f"a@{LABEL}a.com",
        f"{'l' * 64}@{LABEL}.{LABEL}.{LABEL}",
    ],
)
def test_addresses_that_are_not(address: str) -> None:
    """Everything outside the restricted grammar is refused."""
    assert not is_mailbox(address)


def test_the_total_is_bounded_at_254_octets() -> None:
    """254 octets pass, 255 do not."""
    tail = f"@{LABEL}.{LABEL}.{'d' * 61}"
    assert len("l" * 64 + tail) == 254
    assert is_mailbox("l" * 64 + tail)
    assert not is_mailbox("l" * 64 + tail + "d")
