"""Plans, and runs that follow them, in a few words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from importer.job.job_settings import DeliverySettings, InputSettings
from importer.job.observer import Observer
from importer.job.plan_guard import PlanGuard, load_plan
from importer.job.planning import Planning, plan
from importer.ledger.address import LedgerAddress

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.run import Finished
    from tests.job.conftest import Job


@dataclass
class Planner:
    """Plans, and follows plans, with the files of a job."""

    job: Job

    @property
    def file(self) -> Path:
        """Where the plan is saved."""
        return self.job.folder / "plan.json"

    def settings(self, sources: tuple[str, ...], **options: Any) -> tuple[Any, Any]:
        """Input and delivery settings of the job."""
        inputs = InputSettings(sources=sources, out=self.job.folder / "results")
        delivery = DeliverySettings(
            ledger=LedgerAddress.parse(self.job.folder / "ledger.db"), base_url=self.job.base_url
        )
        for name, value in options.items():
            if hasattr(inputs, name):
                inputs = replace(inputs, **{name: value})
            else:
                delivery = replace(delivery, **{name: value})
        return inputs, delivery

    def plan(
        self,
        text: str,
        *,
        save: bool = True,
        observer: Observer | None = None,
        **options: Any,
    ) -> Planning:
        """Plan this text, in test mode."""
        inputs, delivery = self.settings((self.job.write(text),), **options)
        path = self.file if save else None
        return plan(inputs, delivery, "test", save=path, observer=observer)

    def follow(self, **options: Any) -> Finished:
        """Run with the saved plan."""
        saved = load_plan(self.file)
        sources = tuple(one.name for one in saved.sources)
        return self.job.run(
            sources=options.pop("sources", sources), plan=PlanGuard(saved, self.file), **options
        )


class Heard(Observer):
    """Remembers warnings, and how plans were followed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.begun: list[bool] = []

    def warning(self, code: str, text: str) -> None:
        """As Observer."""
        self.warnings.append(f"{code}: {text}")

    def following(self, digest: str, *, begun: bool) -> None:
        """As Observer."""
        assert len(digest) == 64
        self.begun.append(begun)
