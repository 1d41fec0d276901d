"""The plan as a file: what was looked at, what was decided, and a digest that holds it together."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from importer.errors import UsageError
from importer.results.workspace import PRIVATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
"""Raised when a field changes its meaning."""
KIND = "importer plan"
MOST_BYTES = 1 << 24
"""A plan holds figures, no rows: a larger file is something else."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A file that was read, by what was in it."""

    name: str
    """As the user named it."""
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
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
    shown = "standard input" if name == "-" else name
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
