"""What the user does with Nascence, from Python; the command line is a thin layer on top."""

from nascence.api.exporting import export
from nascence.api.resuming import resume
from nascence.api.searching import SearchResult, search
from nascence.api.training import TrainResult, load_model, train

__all__ = ["SearchResult", "TrainResult", "export", "load_model", "resume", "search", "train"]
