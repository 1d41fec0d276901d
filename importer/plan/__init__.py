"""Plan: verified rows on disk, and what is to be done with each before anything is sent."""

from importer.plan.decide import Decision, decide
from importer.plan.frames import Failure, Page, StagedRow
from importer.plan.make import make_plan, rows_to_deliver
from importer.plan.staging import Staging

__all__ = [
    "Decision",
    "Failure",
    "Page",
    "StagedRow",
    "Staging",
    "decide",
    "make_plan",
    "rows_to_deliver",
]
