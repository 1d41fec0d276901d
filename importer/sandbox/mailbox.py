"""E-mail syntax, read by hand.

RFC 5321 section 4.1.2 ``Mailbox``, restricted to an ASCII Dot-string local part of RFC 5322
``atext`` and a domain of at least two LDH labels: no quoted strings, no address literals, no
trailing dot, no DNS.
"""

from __future__ import annotations

from string import ascii_letters, digits

ATEXT = frozenset(ascii_letters + digits + "!#$%&'*+-/=?^_`{|}~")
LET_DIG = frozenset(ascii_letters + digits)
LDH = LET_DIG | {"-"}

MAX_TOTAL = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets of a path
MAX_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
MAX_LABEL = 63  # RFC 1035 section 2.3.4
MIN_LABELS = 2


def is_mailbox(text: str) -> bool:
    """Whether ``text`` is such an address."""
    if len(text) > MAX_TOTAL or text.count("@") != 1:
        return False
    local, _, domain = text.partition("@")
    return _is_dot_string(local) and _is_domain(domain)


def _is_dot_string(local: str) -> bool:
    if len(local) > MAX_LOCAL:
        return False
    return all(atom and ATEXT.issuperset(atom) for atom in local.split("."))


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) >= MIN_LABELS and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    return (
        1 <= len(label) <= MAX_LABEL
        and LDH.issuperset(label)
        and label[0] in LET_DIG
        and label[-1] in LET_DIG
    )
