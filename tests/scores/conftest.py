"""A small task, and networks for slow references: separate modules, float64, the weights that scores see."""

from __future__ import annotations

import pytest
import torch

from nascence.scores import Probe
from nascence.seeding import derive_seed, generator
from nascence.spaces import get_space
from nascence.tasks import ImageClassification, load_task
from nascence.tasks.image_classification import ImageSet

CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def random_task(channels=3, size=16, classes=4, count=60):
    random = generator(0, "task")
    images = torch.randint(256, (count, channels, size, size), generator=random, dtype=torch.uint8)
    split = ImageSet(images, torch.arange(count) % classes)
    names = tuple(f"class {k}" for k in range(classes))
    return ImageClassification("random", names, split, split, (0.5,) * channels, (0.25,) * channels)


@pytest.fixture(scope="session")
def task():
    return random_task()


@pytest.fixture
def probe(task):
    space = get_space("nas-bench-201")
    return Probe(space, space.parse(CELL), task, seed=5)


@pytest.fixture
def reference():
    """The network that a score looks at, built afresh by the space itself, in float64 and training mode."""

    def build(probe, size="ranking", initialisation="kaiming-fan-in"):
        network = probe.space.build(
            probe.architecture,
            network=size,
            in_channels=probe.task.in_channels,
            num_classes=probe.task.num_classes,
            initialisation=initialisation,
            seed=derive_seed(probe.seed, "score", "weights", probe.draw),
        )
        return network.double().train()

    return build


@pytest.fixture
def loss_gradients(reference):
    """(network, gradients by layer name) of the mean cross-entropy on a batch, by an ordinary backward."""

    def compute(probe, count, initialisation="kaiming-fan-in", batch=0):
        network = reference(probe, "ranking-deep", initialisation)
        images, labels = probe.images(count, batch)
        torch.nn.functional.cross_entropy(network(images.double()), labels).backward()
        layers = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        }
        assert len(layers) > 10
        return network, layers

    return compute


@pytest.fixture(scope="session")
def digits():
    return load_task("digits")


@pytest.fixture
def images():
    """A function from a shape (and a seed) to float64 images."""

    def draw(*shape, seed=0):
        return torch.randn(*shape, generator=generator(seed, "images"), dtype=torch.float64)

    return draw
