"""The plan as a file, and the guard that holds a run to it.

The file says what was looked at and what was decided, with a digest that holds it together; the
guard says what has moved since, before anything is sent.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from importer import __version__
from importer.base_url import normalised
from importer.errors import UsageError
from importer.ledger.account import Standing
from importer.plan.plan_digest import digest_of
from importer.results.workspace import PRIVATE_FILE
from importer.source.remote import shown_source
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.observer import Observer
    from importer.ledger.ledger import Ledger
    from importer.plan.staging import Staging


FORMAT = 1
"""Raised when a field changes its meaning."""
KIND = "importer plan"
MOST_BYTES = 1 << 24
"""A plan holds figures, no rows: a larger file is something else."""


@value
class Contents:
    """A file that was read, by what was in it."""

    name: str
    """As the user named it."""
    sha256: str
    size: int
    """Bytes."""


@value
class SavedPlan:
    """One plan. Made by ``importer plan --save``, kept by ``importer run --plan``."""

    importer: str
    """The version that made it."""
    sources: tuple[Contents, ...]
    settings: dict[str, Any]
    """Those that decide what a run does (``settings_of``)."""
    ledger_version: str
    """``Ledger.version`` when the plan was made."""
    records: int
    outcomes: dict[str, int]
    """Rows by what a run would do with them (plan.forecast)."""
    input_sha256: str
    """``digest_of`` the verified input, before the ledger was asked."""
    rows_sha256: str
    """``digest_of`` the planned rows: references, fingerprints and decisions."""
    changed_fields: dict[str, int] = field(default_factory=dict)
    mapping: Contents | None = None
    """The mapping file, if one was used."""

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: the same plan has the same digest, whenever it is made."""
        return hashlib.sha256(_canonical(asdict(self))).hexdigest()


def contents_of(name: str) -> Contents:
    """The digest of a file's bytes.

    Raises:
        UsageError: it is no plain file that can be read again later, or cannot be read.
    """
    path = Path(name)
    try:
        # Looked at before it is opened: opening a pipe would wait, and reading would use it up.
        if name == "-" or "://" in name or (path.exists() and not path.is_file()):
            raise _not_again(name)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            return Contents(name, found, file.tell())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{name} cannot be read: {reason}") from None


def _not_again(name: str) -> UsageError:
    shown = "standard input" if name == "-" else shown_source(name)
    return UsageError(
        f"a saved plan needs files, and {shown} is none: a run could not read the same again",
        hint="save the data to a file and plan that, or leave --save out",
    )


def save_plan(plan: SavedPlan, path: Path, *, made_at: str, keep: Iterable[Path]) -> None:
    """Write the plan in one rename, readable by its owner only (0600).

    Args:
        plan: what to write.
        path: where to; an older plan there is replaced.
        made_at: for people; no part of the digest.
        keep: files that ``path`` must not be.

    Raises:
        UsageError: ``path`` is another file that must not be lost, or cannot be written.
    """
    refuse_to_replace(path, keep)
    document = {
        "kind": KIND,
        "format": FORMAT,
        "digest": plan.digest,
        "made_at": made_at,
        **asdict(plan),
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the plan {path} cannot be written: {reason}") from None


def refuse_to_replace(path: Path, keep: Iterable[Path]) -> None:
    """Make sure that nothing but an older plan is lost where ``path`` is written.

    Raises:
        UsageError: ``path`` is one of ``keep``, or holds something that is no plan.
    """
    try:
        exists = path.exists()
        taken = exists and any(one.exists() and path.samefile(one) for one in keep)
        if not exists or (not taken and _looks_like_a_plan(path)):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the plan {path} cannot be written: {reason}") from None
    raise UsageError(
        f"{path} is no plan and would be lost; it was left as it is",
        hint="give --save the name of a new file, for example plan.json",
    )


def _looks_like_a_plan(path: Path) -> bool:
    with path.open("rb") as file:
        return KIND.encode() in file.read(200)


def load_plan(path: Path) -> SavedPlan:
    """Read a plan back.

    Raises:
        UsageError: there is none, it is no plan, from a newer version, or not as it was written.
    """
    document = _document(path)
    if document.get("kind") != KIND:
        _refuse(path, "is no plan", "importer plan SOURCE... --save FILE makes one")
    if document.get("format") != FORMAT:
        _refuse(path, "is from another version of importer", "make the plan again")
    try:
        values = {name: document[name] for name in SavedPlan.__dataclass_fields__}
        values["sources"] = tuple(Contents(**one) for one in values["sources"])
        if values["mapping"] is not None:
            values["mapping"] = Contents(**values["mapping"])
        plan = SavedPlan(**values)
        intact = plan.digest == document.get("digest")
    except (KeyError, TypeError, ValueError):
        intact = False
    if not intact:
        _refuse(path, "was changed since it was made, or is damaged", "make the plan again")
    return plan


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        found = json.loads(text) if len(text) <= MOST_BYTES else None
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}",
            hint="importer plan SOURCE... --save FILE makes one",
        ) from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _refuse(path, "is no plan", "importer plan SOURCE... --save FILE makes one")
    return found


def _refuse(path: Path, what: str, hint: str) -> NoReturn:
    raise UsageError(f"{path} {what}", hint=hint)


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


SHOWN = 12
"""Digits of a digest that a message shows."""
FREE = frozenset(
    {"ca_bundle", "config", "fail_fast", "mapping", "no_report", "out", "shard", "sources"}
)
"""Fields of ``InputSettings`` that do not decide what a run does; the files are held apart."""
DECIDING = ("account", "base_url", "ledger", "retry_rejected", "update")
"""Fields of ``DeliverySettings`` that do."""


def settings_of(inputs: InputSettings, delivery: DeliverySettings, mode: str) -> dict[str, Any]:
    """The settings that decide what a run does, as JSON values; not how fast, nor where to."""
    names = [one.name for one in fields(inputs) if one.name not in FREE]
    values = {name: getattr(inputs, name) for name in names}
    values |= {name: getattr(delivery, name) for name in DECIDING}
    values["base_url"] = normalised(delivery.base_url)
    values["mode"] = mode
    return {
        name: value if value is None or isinstance(value, bool | int) else str(value)
        for name, value in sorted(values.items())
    }


class NoPlan:
    """A run that follows no plan: nothing is asked."""

    digest = ""
    begins: tuple[str, str] | None = None
    """What the ledger notes of a run that follows a plan: its digest, the version planned on."""

    def check_files(self, inputs: InputSettings, delivery: DeliverySettings, mode: str) -> None:
        """The settings and the files are those that were planned; ``mode`` is the key's."""

    def check_ledger(self, ledger: Ledger, observer: Observer) -> None:
        """The ledger is as planned, or was moved by runs of this plan alone."""

    def check_input(self, staging: Staging) -> None:
        """What was read and verified is what was planned; ask before the ledger is asked."""

    def check_rows(self, staging: Staging, ledger: Ledger) -> None:
        """Every row meets the same decision. Not asked of a plan that was begun."""


class PlanGuard(NoPlan):
    """One plan, and what a run asks it on its way.

    Every question raises UsageError where the answer is that something has moved.
    """

    def __init__(self, plan: SavedPlan, path: Path) -> None:
        self._plan = plan
        self._path = path
        self.digest = plan.digest
        self.begins = (self.digest, plan.ledger_version)
        self._begun = False

    def check_files(self, inputs: InputSettings, delivery: DeliverySettings, mode: str) -> None:
        """See ``NoPlan``."""
        found = [*self._settings(inputs, delivery, mode), *self._files(inputs)]
        if found:
            raise self._moved("; ".join(found))

    def check_ledger(self, ledger: Ledger, observer: Observer) -> None:
        """See ``NoPlan``."""
        standing = ledger.standing(self.digest, self._plan.ledger_version)
        if standing is Standing.MOVED:
            last = next((run for run in ledger.runs(1)), None)
            by = f" (its last run is {last.run_id})" if last else ""
            raise self._moved(
                "the ledger: customers of this account have changed since,"
                f" or it is another or an older ledger{by}"
            )
        self._begun = standing is Standing.BEGUN
        observer.following(self.digest, begun=self._begun)

    def check_input(self, staging: Staging) -> None:
        """See ``NoPlan``."""
        if digest_of(staging) != self._plan.input_sha256:
            raise self._moved(
                "the input: its records are judged otherwise than they were"
                f" (planned by importer {self._plan.importer}, this is {__version__})"
            )

    def check_rows(self, staging: Staging, ledger: Ledger) -> None:
        """See ``NoPlan``."""
        # Runs of this plan have settled some of its rows, and did nothing else to the ledger.
        if self._begun or digest_of(staging) == self._plan.rows_sha256:
            return
        # Another shard may have begun since this one looked.
        if ledger.standing(self.digest, self._plan.ledger_version) is not Standing.BEGUN:
            raise self._moved("the ledger: it calls for other decisions than it did")

    def _settings(self, inputs: InputSettings, delivery: DeliverySettings, mode: str) -> list[str]:
        now = settings_of(inputs, delivery, mode)
        planned = self._plan.settings
        found = [
            f"the settings: {name} was {planned.get(name)!r} and is {value!r}"
            for name, value in now.items()
            if planned.get(name) != value
        ]
        names = tuple(one.name for one in self._plan.sources)
        if names != inputs.sources:
            shown = " ".join(names)
            found.append(f"the settings: the sources were {shown}")
        return found

    def _files(self, inputs: InputSettings) -> list[str]:
        found, mapping = [], str(inputs.config or "")
        names = {one.name for one in self._plan.sources} & set(inputs.sources)
        for source in self._plan.sources:
            if source.name in names:
                found += _moved_contents("the input", source)
        planned = self._plan.mapping
        if (planned.name if planned else "") != mapping:
            was, now = planned.name if planned else "none", mapping or "none"
            found.append(f"the mapping: it was {was} and is {now}")
        elif planned is not None:
            found += _moved_contents("the mapping", planned)
        return found

    def _moved(self, what: str) -> UsageError:
        return UsageError(
            f"{self._path} does not hold any more; nothing was sent. What moved: {what}",
            hint="make the plan again and look at it: importer plan SOURCE... --save FILE",
        )


def _moved_contents(what: str, planned: Contents) -> list[str]:
    now = contents_of(planned.name)
    if now == planned:
        return []
    return [
        f"{what}: {planned.name} was {_shown(planned)}, and is {_shown(now)}",
    ]


def _shown(one: Contents) -> str:
    return f"{one.size:,} bytes with sha256 {one.sha256[:SHOWN]}..."
