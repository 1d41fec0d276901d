"""Results: what became of every input record, as files for people, spreadsheets and scripts."""

from importer.results.record_files import errors_name, write_errors, write_results, write_vanished
from importer.results.summary import GroupReport, Summary, report, write_summary
from importer.results.timeline import Timeline, write_pace
from importer.results.workspace import Workspace

__all__ = [
    "GroupReport",
    "Summary",
    "Timeline",
    "Workspace",
    "errors_name",
    "report",
    "write_errors",
    "write_pace",
    "write_results",
    "write_summary",
    "write_vanished",
]
