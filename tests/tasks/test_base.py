"""Signatures as values, and batches that move."""

import torch

from nascence.tasks.base import IMAGES, Batch, Metric, Signature


def test_a_signature_goes_through_json():
    graph = Signature("graph", 5, 2, (10, 30))
    assert Signature.from_dict(graph.to_dict()) == graph
    assert graph.to_dict()["size"] == [10, 30]
    assert graph.input_shape == (5, 10, 30)
    assert Signature.images((3, 32, 32), 10) == IMAGES == Signature("images", 3, 10, (32, 32))


def test_only_networks_that_give_one_class_an_image_tell_classes():
    assert IMAGES.classes
    assert not Signature("images", 3, 3, (8, 8), dense=True).classes
    assert not Signature("graph", 5, 2, (10, 30)).classes


def test_better_goes_the_metric_s_way():
    assert Metric("psnr").better(30, 29)
    assert Metric("error", larger_is_better=False).better(1, 2)
    assert not Metric("psnr").better(29, 29)


def test_a_batch_moves_with_its_mask():
    batch = Batch((torch.zeros(2, 3, 4, 4),), torch.zeros(2), torch.ones(2, dtype=torch.bool))
    moved = batch.to(torch.device("cpu"), channels_last=True)
    assert moved.inputs[0].is_contiguous(memory_format=torch.channels_last)
    assert moved.mask is not None
    assert Batch((torch.zeros(1),), torch.zeros(1)).to(torch.device("cpu")).mask is None
