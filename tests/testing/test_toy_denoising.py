"""The toy denoisers: a task of pictures with batches by number, and a supernet that is every network of its space."""

import pytest
import torch

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.spaces import SPACES, get_space
from nascence.supernets import inherited_state
from nascence.tasks.base import Batch
from nascence.testing import ToyDenoising, toy_denoiser_space

TASK = ToyDenoising.make()
SPACE = toy_denoiser_space()
PROBLEM = {"network": "search", "in_channels": 1, "num_classes": 1}


def test_is_registered_once():
    assert toy_denoiser_space() is toy_denoiser_space() is get_space("toy-denoiser")
    assert SPACES.names().count("toy-denoiser") == 1


def test_texts_and_sizes():
    everything = list(SPACE.enumerate())
    assert len(everything) == SPACE.size == 32
    assert [SPACE.parse(SPACE.format(architecture)) for architecture in everything] == everything


def test_groups_are_the_choices():
    rows = [row for group in SPACE.groups for row in group.rows]
    assert rows == [choice.name for choice in SPACE.choices]
    assert {group.role for group in SPACE.groups} == {"operation", "input", "width", "exit"}


def test_the_supernet_is_every_network_of_the_space():
    supernet = SPACE.supernet(SPACE.networks["search"], TASK.signature, seed=3)
    x_BCHW = torch.rand(2, 1, 7, 9, generator=generator(0, "x"))
    outputs = []
    for architecture in SPACE.enumerate():
        one_hot = SPACE.one_hot(architecture)
        derived = SPACE.build(architecture, **PROBLEM)
        derived.load_state_dict(inherited_state(supernet, one_hot, derived))
        outputs.append(derived(x_BCHW))
        assert outputs[-1].shape == x_BCHW.shape
        torch.testing.assert_close(supernet(x_BCHW, weights=one_hot), outputs[-1])
    assert not torch.equal(outputs[0], outputs[-1])


def test_every_row_has_a_gradient():
    supernet = SPACE.supernet(SPACE.networks["search"], TASK.signature)
    weights = {group.name: torch.full(group.shape, 1 / group.shape[1]).requires_grad_() for group in SPACE.groups}
    batch = TASK.part("train").batches(4, 0, "weights")(0)
    TASK.loss(supernet(*batch.inputs, weights=weights), batch).backward()
    assert all(bool((value.grad.abs().sum(-1) > 0).all()) for value in weights.values())


def test_batches_go_by_number():
    one, same, other = (TASK.part("train").batches(8, seed, "weights") for seed in (0, 0, 1))
    assert len(one) == 3
    later = one(4)
    assert torch.equal(later.inputs[0], same(4).inputs[0])
    assert torch.equal(later.target, same(4).target)
    assert not torch.equal(later.inputs[0], other(4).inputs[0])
    pictures = torch.cat([one(number).target for number in range(3)])
    assert torch.equal(pictures.flatten(1).sum(1).sort().values, TASK.pictures[:24].flatten(1).sum(1).sort().values)


def test_the_noise_of_the_test_is_fixed():
    once, again = (torch.cat([b.inputs[0] for b in TASK.part("test").passing(size)]) for size in (3, 8))
    assert torch.equal(once, again)


def test_parts():
    first, second = TASK.divided(0.5, 0)
    assert len(first) == len(second) == 12
    assert sorted(TASK.union([first, second]).at_N.tolist()) == list(range(24))
    assert len(first.first(5)) == 5
    with pytest.raises(DataError, match="validation"):
        TASK.part("validation")
    with pytest.raises(DataError, match="25"):
        TASK.part("train").batches(25, 0, "weights")


def test_loss_and_metric():
    clean = torch.zeros(2, 1, 16, 16)
    batch = Batch((clean,), clean)
    output = clean + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    assert float(TASK.loss(output, batch)) == pytest.approx((0.01 + 0.0001) / 2)
    sums = TASK.sums(output, batch)
    assert TASK.measures(sums)["psnr"] == pytest.approx((20 + 40) / 2, abs=1e-4)
    assert float(TASK.distance(output, output, batch)) == 0
    assert torch.equal(TASK.combine([output, output]), output)


def test_a_network_learns_to_denoise():
    network = SPACE.build(SPACE.parse("conv3x3,conv3x3,1,full,2"), **PROBLEM)
    batches, part = TASK.part("train").batches(8, 0, "weights"), TASK.part("test")

    def psnr() -> float:
        (batch,) = part.passing()
        return TASK.measures(TASK.sums(network(*batch.inputs), batch))["psnr"]

    before, adam = psnr(), torch.optim.Adam(network.parameters(), 1e-2)
    for number in range(100):
        batch = batches(number)
        adam.zero_grad()
        TASK.loss(network(*batch.inputs), batch).backward()
        adam.step()
    assert psnr() > before + 1
