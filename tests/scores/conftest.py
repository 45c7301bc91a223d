import pytest
import torch

from nascence.seeding import generator
from nascence.tasks import load_task


@pytest.fixture(scope="session")
def digits():
    return load_task("digits")


@pytest.fixture
def images():
    """A function from a shape (and a seed) to float64 images."""

    def draw(*shape, seed=0):
        return torch.randn(*shape, generator=generator(seed, "images"), dtype=torch.float64)

    return draw
