import pytest
import torch

from nascence.objectives import Evaluated, ExpectedParameters
from nascence.objectives.expected_parameters import expected_parameters
from nascence.relaxations import Softmax
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks.base import Signature
from nascence.testing import toy_space

CIFAR = Signature("images", 3, 10, (32, 32))
MOMENT = Moment(0, 1, 0, 0, 1, False, 0, 1)


def uniform(space):
    return {group.name: torch.full(group.shape, 1 / group.shape[1]) for group in space.groups}


def test_the_papers_network_under_uniform_weights():
    """16 channels, 8 cells: sum over cells and edges of 2 / indeg(j) times the mean of
    [0, 0, 0, 0 or C^2, 2(C^2 + 9C), 2(C^2 + 25C), C^2 + 9C, C^2 + 25C] / 8."""
    space = get_space("darts")
    number = float(expected_parameters(space.supernet(space.networks["search"], CIFAR), space, uniform(space)))
    assert round(number) == 131_157
    by_hand = 0.0
    for at, channels in enumerate((16, 16, 32, 32, 32, 64, 64, 64)):
        for node in range(4):
            for source in range(node + 2):
                c = channels
                skip = c * c if at in (2, 5) and source < 2 else 0
                costs = [skip, 2 * (c * c + 9 * c), 2 * (c * c + 25 * c), c * c + 9 * c, c * c + 25 * c]
                by_hand += 2 / (node + 2) * sum(costs) / 8
    assert number == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("name", ["darts", "nas-bench-201"])
def test_one_hot_weights_and_the_true_mask_give_the_parameters_of_the_edges(name):
    space = get_space(name)
    size = space.networks["search-small"]
    supernet = space.supernet(size, CIFAR)
    for seed in range(3):
        architecture = space.sample(generator(seed, "sample"))
        network = space.build(architecture, network="search-small", in_channels=3, num_classes=10)
        everything = sum(p.numel() for p in network.parameters())
        weights = space.one_hot(architecture)  # rows of edges that are not kept are zero: the mask
        assert float(supernet.expected("params", weights)) == everything
        empty = {kind: torch.zeros_like(value) for kind, value in weights.items()}
        edges = sum(
            p.numel()
            for module in network.modules()
            if type(module).__name__ == "Cell"
            for p in module.operations.parameters()
        )
        assert float(supernet.expected("params", weights) - supernet.expected("params", empty)) == edges


def test_chances_of_being_kept():
    shares = get_space("darts").kept_shares()["normal"]
    assert shares.tolist() == pytest.approx([1.0] * 2 + [2 / 3] * 3 + [0.5] * 4 + [0.4] * 5)
    assert get_space("nas-bench-201").kept_shares()["cell"].tolist() == [1.0] * 6


def evaluated(space, logits=None):
    supernet = space.supernet(space.networks["search"], CIFAR)
    relaxation = Softmax(space, space.operations)
    if logits is not None:
        with torch.no_grad():
            relaxation.parameters["cell"].copy_(logits)
    weights = relaxation.sample(torch.Generator())
    return Evaluated(None, supernet, relaxation, weights, None, torch.zeros(()), MOMENT), relaxation


def test_at_the_bound_nothing_is_won_by_being_smaller():
    space = toy_space()
    least = ExpectedParameters(Constant(1.0), least=0.5)
    large, relaxation = evaluated(space, torch.zeros(3, 4))
    term = least.term(large)
    assert term.item() == pytest.approx(1)
    (gradient,) = torch.autograd.grad(term, [relaxation.parameters["cell"]])
    assert bool((gradient[:, 3] > 0).all()), "the 3 x 3 convolution falls"
    assert bool((gradient[:, 0] < 0).all()), "what has no parameters rises"
    logits = torch.tensor([5.0, 5, 0, 0]).expand(3, 4)
    small, relaxation = evaluated(space, logits)
    term = least.term(small)
    assert term.item() == 0.5
    (gradient,) = torch.autograd.grad(term, [relaxation.parameters["cell"]])
    assert not gradient.any()
    assert 0 < least.observed(None)["expected_params"] < 100
    small, relaxation = evaluated(space, logits)
    free = ExpectedParameters(Constant(1.0)).term(small)
    (gradient,) = torch.autograd.grad(free, [relaxation.parameters["cell"]])
    assert gradient.any()


def test_its_settings_are_in_its_text():
    assert "least=0.5" in str(ExpectedParameters(Constant(1.0), 0.5))
    assert ExpectedParameters(Constant(1.0)).observed(None) == {}
