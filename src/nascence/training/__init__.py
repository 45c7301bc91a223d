"""Training a network from scratch, and measuring it."""

from nascence.training.config import PRESETS, TrainingConfig
from nascence.training.evaluation import Evaluation, evaluate
from nascence.training.training import Training

__all__ = ["PRESETS", "Evaluation", "Training", "TrainingConfig", "evaluate"]
