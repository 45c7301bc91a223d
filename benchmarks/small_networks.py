"""Small networks on few images: what several of these scripts train, the same way."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from nascence.architecture import Architecture
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.tasks.image_classification import ImageClassification, image_classes
from nascence.training import Training, TrainingConfig


def small_cifar(train: int, test: int, image_size: int = 16) -> ImageClassification:
    """The first images of CIFAR-10, averaged down to ``image_size`` pixels."""
    whole = image_classes(load_task("cifar10"), "A small network")
    few = replace(whole, train=whole.train.first(train), test=whole.test.first(test))
    return few.shrunk(image_size)


def trained(
    architecture: Architecture, task: ImageClassification, *, seed: int, epochs: int, channels: int = 8
) -> nn.Module:
    """The architecture with ``channels`` channels and one cell a stage, trained by the suggested recipe."""
    space = get_space(architecture.space)
    size = space.resized(space.networks["evaluation"], channels=channels, depth=1)
    model = space.build(architecture, network=size, signature=task.signature, seed=seed)
    config = TrainingConfig.suggested(task, epochs=epochs)
    training = Training(model, task, config, seed=seed, judged=task.part("test").first(1))
    while not training.done:
        training.advance()
    return model.eval()


__all__ = ["small_cifar", "trained"]
