"""What the user does with Nascence, from Python; the command line is a thin layer on top."""

from nascence.api.attacking import attack
from nascence.api.comparing import compare
from nascence.api.correlating import correlate
from nascence.api.exporting import export
from nascence.api.measuring import measure, measure_networks, measure_table
from nascence.api.planning import plan
from nascence.api.predicting import Prediction, predict
from nascence.api.resuming import resume
from nascence.api.sampling import draw_ensemble
from nascence.api.scoring import score, score_many
from nascence.api.searching import SearchResult, search
from nascence.api.training import TrainResult, load_model, train

__all__ = [
    "Prediction",
    "SearchResult",
    "TrainResult",
    "attack",
    "compare",
    "correlate",
    "draw_ensemble",
    "export",
    "load_model",
    "measure",
    "measure_networks",
    "measure_table",
    "plan",
    "predict",
    "resume",
    "score",
    "score_many",
    "search",
    "train",
]
