import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import ImageClassification, ImageSet
from nascence.tasks.cycling import CyclingBatches


def task(count=10, size=8):
    images = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1).expand(count, 1, size, size).contiguous()
    data = ImageSet(images, torch.arange(count) % 2)
    return ImageClassification("numbers", ("even", "odd"), data, data, (0.5,), (0.25,), flip=False)


def numbers(batches, at):
    """Which images batch ``at`` holds, by their centre pixel, which no shift of one pixel moves out."""
    batch = batches(at)
    (x,), y = batch.inputs, batch.target
    mean, std = 0.5, 0.25
    return [round(float(v)) for v in (x[:, 0, 4, 4] * std + mean) * 255], y.tolist()


def test_every_pass_has_every_image_once_in_an_order_of_its_own():
    batches = CyclingBatches(task(), task().train, 4, seed=0, name="a")
    assert len(batches) == 3
    orders = []
    for at_pass in range(3):
        seen = []
        for at in range(3):
            found, labels = numbers(batches, 3 * at_pass + at)
            assert labels == [number % 2 for number in found]
            seen += found
        assert sorted(seen) == list(range(10))
        orders.append(seen)
    assert len({tuple(order) for order in orders}) == 3


def test_a_batch_depends_on_its_number_seed_and_name_alone():
    state = torch.get_rng_state()
    first = CyclingBatches(task(), task().train, 4, seed=0, name="a")
    forward = [first(at) for at in range(7)]
    again = CyclingBatches(task(), task().train, 4, seed=0, name="a")
    for at in (6, 2, 5, 0):
        assert torch.equal(again(at).inputs[0], forward[at].inputs[0])
        assert torch.equal(again(at).target, forward[at].target)
    assert torch.equal(torch.get_rng_state(), state)
    for other in (CyclingBatches(task(), task().train, 4, 1, "a"), CyclingBatches(task(), task().train, 4, 0, "b")):
        assert any(numbers(other, at) != numbers(first, at) for at in range(3))


def test_larger_images_are_averaged_down():
    batches = CyclingBatches(task(size=8), task(size=8).train, 4, 0, "a", image_size=4)
    assert batches(0).inputs[0].shape == (4, 1, 4, 4)


def test_a_batch_larger_than_the_images():
    with pytest.raises(DataError, match="batch of 11 is larger than the 10 images"):
        CyclingBatches(task(), task().train, 11, 0, "a")
