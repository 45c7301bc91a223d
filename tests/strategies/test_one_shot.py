import pytest
import torch
from torch import nn

from nascence.costs import Budget
from nascence.errors import DataError, NascenceError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig
from nascence.strategies.one_shot import OneShot
from nascence.supernets.cells import CellSupernet
from nascence.tasks import ImageClassification, ImageSet
from nascence.testing import toy_space

SPACE = toy_space()
SIZE = NetworkConfig(channels=4, affine=False, track_running_stats=False)


def task(count=64):
    labels = torch.arange(count) % 4
    images = 40 * labels[:, None, None, None] + torch.randint(40, (count, 3, 8, 8), generator=generator(0))
    data = ImageSet(images.to(torch.uint8), labels)
    return ImageClassification("squares", tuple("abcd"), data, data, (0.4,) * 3, (0.2,) * 3)


def one_shot(epochs=2, batch_size=8, budget=None, supernet=None, **changes):
    checker = (budget or Budget()).bind(SPACE, NetworkConfig(channels=4), input_shape=(3, 8, 8), threads=1)
    supernet = supernet or CellSupernet(SPACE, SIZE, num_classes=4, seed=1)
    return OneShot(SPACE, task(), supernet, checker, epochs=epochs, batch_size=batch_size, **changes)


def test_a_step_moves_the_weights_of_its_architecture_alone():
    search = one_shot(weight_decay=0.1)
    mixing = []
    search.supernet.register_forward_pre_hook(
        lambda module, args, named: mixing.append(named["weights"]), with_kwargs=True
    )
    before = {name: weight.clone() for name, weight in search.supernet.named_parameters()}
    search.train(1)
    assert all(bool(((rows == 0) | (rows == 1)).all()) for rows in mixing[0].values())
    moved = {name for name, weight in search.supernet.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert moved < set(before)


def test_it_learns():
    search = one_shot(epochs=12)
    first = search.train(8)
    last = search.train(10_000)
    assert search.trained == search.total == 96
    assert last["train_loss"] < first["train_loss"]
    errors = [search.error(architecture, task().part("test")) for architecture in SPACE.enumerate()]
    assert min(errors) < 50 < max(errors), "an architecture that carries nothing is at chance"


def test_an_error_is_that_of_the_network_that_shares_the_weights():
    """Written out: the supernet called with one-hot mixing weights, in training mode, on all images at once."""
    search = one_shot()
    search.train(5)
    images, part = task().train, task().part("train")
    architecture = SPACE.sample(generator(3))
    weights = SPACE.one_hot(architecture)
    with torch.no_grad():
        logits_BK = search.supernet.train()(search.task.normalise(images.images), weights)
    expected = 100 * float((logits_BK.argmax(1) != images.labels).float().mean())
    assert search.error(architecture, part) == pytest.approx(expected)
    assert search.error(architecture, part) == pytest.approx(expected), "asking changes nothing"


def test_no_image_is_normalised_by_itself():
    search, sizes = one_shot(), []
    search.supernet.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    search.error(SPACE.sample(generator(0)), task(501).part("train"))
    assert sum(sizes) == 501
    assert min(sizes) > 1


def test_asking_leaves_running_statistics_alone():
    supernet = CellSupernet(SPACE, NetworkConfig(channels=4), num_classes=4, seed=1)
    search = one_shot(supernet=supernet)
    search.train(2)
    before = {name: value.clone() for name, value in supernet.named_buffers()}
    search.error(SPACE.sample(generator(0)), task().part("train"))
    assert before
    assert all(torch.equal(value, before[name]) for name, value in supernet.named_buffers())


def test_it_continues_to_the_bit_and_measuring_trains_nothing():
    whole, parts = one_shot(), one_shot()
    whole.train(16)
    parts.train(7)
    state = parts.state_dict()
    fresh = one_shot()
    fresh.load_state_dict(state)
    assert fresh.seconds() > 0
    fresh.train(9)
    for one, two in zip(whole.supernet.parameters(), fresh.supernet.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_training_of_one_step_can_be_measured():
    search = one_shot(epochs=1, batch_size=64)
    assert search.total == 1
    assert search.seconds() > 0
    assert search.trained == 0


def test_only_what_is_within_the_budget_is_trained(monkeypatch):
    search = one_shot(budget=Budget(max_params=1000))
    drawn = []
    one_hot = SPACE.one_hot
    monkeypatch.setattr(type(SPACE), "one_hot", lambda self, a: drawn.append(a) or one_hot(a))
    search.train(10)
    assert len(drawn) == 10
    assert all(search.budget.allows(architecture) for architecture in drawn)


def test_what_cannot_be_trained_says_so():
    with pytest.raises(DataError, match="batch"):
        one_shot(batch_size=100)
    broken = CellSupernet(SPACE, SIZE, num_classes=4, seed=1)
    nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(NascenceError, match="step 1; try another seed"):
        one_shot(supernet=broken).train(1)
