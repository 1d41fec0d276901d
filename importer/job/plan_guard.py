"""Holds a run to its plan: says what has moved since, before anything is sent."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from importer import __version__
from importer.base_url import normalised
from importer.errors import UsageError
from importer.job.plan_file import contents_of
from importer.ledger import Standing
from importer.plan.plan_digest import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.job_settings import DeliverySettings, InputSettings
    from importer.job.observer import Observer
    from importer.job.plan_file import Contents, SavedPlan
    from importer.ledger import Ledger
    from importer.plan import Staging

SHOWN = 12
"""Digits of a digest that a message shows."""
FREE = frozenset({"config", "fail_fast", "mapping", "out", "sources"})
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

    def check_files(
        self, inputs: InputSettings, delivery: DeliverySettings, mode: str, mapping: str = ""
    ) -> None:
        """The settings and the files are those that were planned; ``mapping`` is a file's name."""

    def check_ledger(self, ledger: Ledger, observer: Observer) -> None:
        """The ledger is as planned, or was moved by runs of this plan alone."""

    def check_input(self, staging: Staging) -> None:
        """What was read and verified is what was planned; ask before the ledger is asked."""

    def check_rows(self, staging: Staging) -> None:
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

    def check_files(
        self, inputs: InputSettings, delivery: DeliverySettings, mode: str, mapping: str = ""
    ) -> None:
        """See ``NoPlan``."""
        found = [*self._settings(inputs, delivery, mode), *self._files(inputs, mapping)]
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

    def check_rows(self, staging: Staging) -> None:
        """See ``NoPlan``."""
        # Runs of this plan have settled some of its rows, and did nothing else to the ledger.
        if not self._begun and digest_of(staging) != self._plan.rows_sha256:
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

    def _files(self, inputs: InputSettings, mapping: str) -> list[str]:
        found = []
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
