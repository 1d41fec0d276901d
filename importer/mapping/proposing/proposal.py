"""What ``init`` proposes: choices with reasons, and questions that no file can answer.

Words for counts. Pure.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from importer.values import record, value


def counted(number: int, thing: str) -> str:
    """``1 record``, ``1,204 records``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def most_of(fitting: int, of: int, what: str) -> str:
    """``all of its 12 values are WHAT``, ``all but 3 of its 12 values are WHAT``, or none."""
    but = "all" if fitting == of else f"all but {of - fitting:,}" if fitting else "none"
    return f"{but} of its {counted(of, 'value')} are {what}"


Confidence = Literal["high", "medium", "low"]
"""high: name and values agree; medium: one of them; low: look at it."""


@value
class Choice:
    """One table of the mapping file, and why it is so."""

    key: tuple[str, ...]
    """The table: ``("fields", "phone")``, ``("metadata", "type")``, ``("rows",)``."""
    entry: dict[str, Any]
    """Its keys and values, as TOML has them."""
    confidence: Confidence
    reason: str
    warnings: tuple[str, ...] = ()
    """What to look at before a run, one sentence each. They hold no personal data."""
    instead: tuple[str, ...] = ()
    """Lines of TOML that would be right under another reading; written as comments."""


@value
class Suggestion:
    """One possible answer."""

    answer: str | tuple[str, ...]
    """A value; for ``reference`` and ``balance`` the columns."""
    note: str
    """What speaks for it or against it."""
    joined: str = ", else "
    """What stands between several columns in words."""

    @property
    def text(self) -> str:
        """The answer in words."""
        return self.answer if isinstance(self.answer, str) else self.joined.join(self.answer)


@value
class Question:
    """What the file cannot say."""

    answer: Literal[
        "reference", "name", "region", "currency", "balance", "number_format", "positive", "unit"
    ]
    """The field of ``Answers`` that answers it."""
    text: str
    why: str
    flag: str
    """How to answer on the command line, with an example: ``--region ZA``."""
    suggestions: tuple[Suggestion, ...] = ()
    """The likeliest first; none of them is taken unasked."""


@value
class Answers:
    """What the user said. An answer beats whatever the file suggests."""

    reference: tuple[str, ...] = ()
    """Columns of the reference: the first that is not empty counts."""
    name: str | None = None
    """The column of the name, or a template of several: ``{First} {Last}``."""
    region: str | None = None
    """ISO 3166 alpha-2."""
    currency: str | None = None
    """ISO 4217."""
    balance: tuple[str, ...] = ()
    """The column of the amounts, or those of debit and credit; ``none`` for no amounts."""
    number_format: str | None = None
    """As in the mapping file: ``1.234,56``."""
    positive: str | None = None
    """``debit`` or ``credit``."""
    unit: str | None = None
    """``major`` or ``minor``."""


@record
class Proposal:
    """A mapping, complete where ``questions`` is empty."""

    choices: list[Choice] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(column, why it is not sent)."""
    notes: list[str] = field(default_factory=list)
    """What holds for the whole file."""

    def entry(self, *key: str) -> dict[str, Any] | None:
        """The proposed table; None where there is none."""
        return next((one.entry for one in self.choices if one.key == key), None)
