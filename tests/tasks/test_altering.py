"""Batches that are smaller, or without what a search is said not to need."""

import torch

from nascence.seeding import generator
from nascence.tasks.altering import averaged_down, without_data, without_targets
from nascence.tasks.base import Batch, Signature
from nascence.testing.toy_graph import toy_graph_task

IMAGES = Signature.images((3, 8, 8), outputs=4)
BATCH = Batch((torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8),), torch.tensor([1, 3]))


def test_images_with_a_class_are_averaged_down():
    small = averaged_down(BATCH, IMAGES, 4)
    x_BCHW = BATCH.inputs[0]
    means = (x_BCHW[..., ::2, ::2] + x_BCHW[..., 1::2, ::2] + x_BCHW[..., ::2, 1::2] + x_BCHW[..., 1::2, 1::2]) / 4
    assert torch.equal(small.inputs[0], means)
    assert small.target is BATCH.target
    for size in (None, 8, 9):
        assert torch.equal(averaged_down(BATCH, IMAGES, size).inputs[0], x_BCHW)


def test_pictures_and_graphs_stay_as_they_are():
    dense = Signature("images", 3, 3, (8, 8), dense=True)
    assert averaged_down(BATCH, dense, 4) is BATCH
    task = toy_graph_task()
    batch = task.drawn(1, generator(0))
    assert averaged_down(batch, task.signature, 1) is batch


def test_noise_has_the_shape_of_the_data_and_nothing_else_of_them():
    task = toy_graph_task()
    batch = task.drawn(1, generator(0))
    noise = without_data(batch, generator(1))
    assert torch.equal(noise.inputs[0], torch.randn(batch.inputs[0].shape, generator=generator(1)))
    assert all(one is other for one, other in zip(noise.inputs[1:], batch.inputs[1:], strict=True)), "edges stay"
    assert noise.target is batch.target


def test_random_classes_know_nothing_of_the_true_ones():
    one, other = (
        without_targets(Batch(BATCH.inputs, target), IMAGES, generator(2))
        for target in (torch.zeros(500, dtype=torch.int64), torch.ones(500, dtype=torch.int64))
    )
    assert torch.equal(one.target, other.target)
    assert sorted(set(one.target.tolist())) == [0, 1, 2, 3]
    assert one.inputs is BATCH.inputs
