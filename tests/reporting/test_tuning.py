"""What a report says of trials."""

from pathlib import Path

from nascence.architecture import Architecture
from nascence.reporting.contents import Contents
from nascence.reporting.tuning import tuning

TRIALS = [
    {"trial": 1, "validation_accuracy": 80.0, "best_accuracy": 80.0, "learning_rate": 0.01, "seconds": 2.0},
    {"trial": 2, "validation_accuracy": None, "best_accuracy": 80.0, "learning_rate": 0.3, "seconds": 2.0},
    {"trial": 3, "validation_accuracy": 85.5, "best_accuracy": 85.5, "learning_rate": 0.004, "seconds": 2.0},
]


def contents(trials, metrics):
    return Contents(Path("a"), {}, {}, Architecture("sane", ()), [], [], metrics, {}, None, tuning=trials)


def test_nothing_where_nothing_was_tuned():
    assert tuning(contents([], None)) == ""


def test_trials_and_which_was_the_best():
    best = {"trials": 3, "best_trial": 3, "validation": 85.5, "values": {"learning_rate": 0.004}}
    shown = tuning(contents(TRIALS, {"tuning": best, "examples": "nodes"}))
    assert "3 trials" in shown
    assert "Trial 3 was the best, with 85.5" in shown
    assert "validation nodes alone" in shown
    assert shown.count("<tr>") == 4
    assert "2.0" not in shown
    assert ">0.004<" in shown


def test_an_unfinished_one_names_no_best():
    shown = tuning(contents(TRIALS[:2], None))
    assert "2 trials" in shown
    assert "was the best" not in shown
