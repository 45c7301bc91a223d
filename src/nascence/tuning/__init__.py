"""Tuning: hyperparameters of a network and its training, by tree-structured Parzen estimators (Optuna)."""

from nascence.tuning.proposals import propose
from nascence.tuning.tuning import TRAINING_RANGES, Trial, Tuning

__all__ = ["TRAINING_RANGES", "Trial", "Tuning", "propose"]
