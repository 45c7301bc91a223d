from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nascence.tasks import ImageClassification, load_task
from nascence.tasks.base import Batch


def small_network(channels: int, classes: int, seed: int = 0) -> nn.Module:
    """Two convolutions with batch normalisation between."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(classes),
        )


@pytest.fixture(scope="session")
def digits() -> ImageClassification:
    return load_task("digits")


@pytest.fixture(scope="session")
def trained(digits: ImageClassification) -> nn.Module:
    """A small network after 120 steps on digits: over 85 % right."""
    model = small_network(1, 10)
    batches = digits.part("train").batches(64, 0, "train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model(batches(0).inputs[0])
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        for number in range(120):
            batch = batches(number)
            loss = F.cross_entropy(model(batch.inputs[0]), batch.target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


@pytest.fixture(scope="session")
def batch(digits: ImageClassification) -> Batch:
    """All 360 or so test images of digits."""
    return next(iter(digits.part("test").passing(1000)))


@pytest.fixture(scope="session")
def foolbox() -> Any:
    """The outside referee; SciPy warns of how it is imported there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox

    return foolbox


@pytest.fixture
def their_model(foolbox: Any, trained: nn.Module, digits: ImageClassification) -> Any:
    """The network on pixels, as foolbox has it."""
    normalised = {"mean": list(digits.mean), "std": list(digits.std), "axis": -3}
    return foolbox.PyTorchModel(trained, bounds=(0, 1), device="cpu", preprocessing=normalised)
