"""Run directories: what a search or a training leaves behind, and how it goes on after an interruption."""

from nascence.runs.directory import SEARCH, TRAINING, TUNING, RunDirectory, RunStage, check_free
from nascence.runs.execution import Interrupted, Terminated, execute
from nascence.runs.listing import delete_run, list_runs, summary, unfinished_stages
from nascence.runs.progress import Progress, named_progress, show_progress
from nascence.runs.resumable import Resumable

__all__ = [
    "SEARCH",
    "TRAINING",
    "TUNING",
    "Interrupted",
    "Progress",
    "Resumable",
    "RunDirectory",
    "RunStage",
    "Terminated",
    "check_free",
    "delete_run",
    "execute",
    "list_runs",
    "named_progress",
    "show_progress",
    "summary",
    "unfinished_stages",
]
