import pytest
import torch

from nascence.relaxations import GumbelSoftmax, gumbel_softmax
from nascence.schedules import Linear, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing.reference import ObviousSupernet

NB201 = get_space("nas-bench-201")


def relaxation(temperature=None, scale=1.0):
    schedule = temperature or Linear(10, 0.1, reach=True)
    return GumbelSoftmax(NB201, NB201.operations, schedule, scale=scale)


def test_samples_are_one_hot_to_the_bit_and_every_logit_has_a_gradient():
    made = relaxation()
    weights = made.sample(generator(3))["cell"]
    assert set(weights.unique().tolist()) == {0.0, 1.0}
    assert (weights.sum(1) == 1).all()
    (gradient,) = torch.autograd.grad(
        (weights * torch.randn(6, 5, generator=generator(1))).sum(), made.parameters["cell"]
    )
    assert (gradient != 0).all()
    torch.testing.assert_close(gradient.sum(1), torch.zeros(6), atol=1e-6, rtol=0)


def test_the_gradient_is_that_of_the_soft_sample():
    logits = torch.randn(4, 5, generator=generator(0), dtype=torch.float64, requires_grad=True)
    direction = torch.randn(4, 5, generator=generator(1), dtype=torch.float64)
    both = [
        torch.autograd.grad((gumbel_softmax(logits, generator(2), 0.7, hard) * direction).sum(), logits)[0]
        for hard in (True, False)
    ]
    torch.testing.assert_close(*both)


def test_frequencies_are_the_softmax_at_any_temperature():
    """The argmax of logits plus Gumbel noise is a draw from their softmax."""
    logits = torch.tensor([1.0, 0.0, -1.0, 0.5, 0.2]).expand(40_000, 5)
    for temperature in (10.0, 0.1):
        shares = gumbel_softmax(logits, generator(0), temperature).mean(0)
        torch.testing.assert_close(shares, logits[0].softmax(0), atol=4 * 0.5 / 200, rtol=0)


def test_only_what_was_drawn_runs_and_its_output_is_exactly_its_own():
    supernet = CellSupernet(NB201, NetworkConfig(channels=4, depth=1, affine=False), num_classes=4).double()
    obvious = ObviousSupernet.like(supernet, NB201, NetworkConfig(channels=4, depth=1, affine=False), num_classes=4)
    made = relaxation()
    leaves = made.parameters["cell"]
    weights = {"cell": made.sample(generator(5))["cell"].double()}
    x = torch.randn(3, 3, 8, 8, generator=generator(0), dtype=torch.float64)
    ran = []
    for module in supernet.modules():
        if isinstance(module, torch.nn.Conv2d) and hasattr(module, "active"):
            module.register_forward_hook(
                lambda m, _, out: ran.append((m.kernel_size[0], m.copies if m.active is None else len(m.active)))
            )
    logits = supernet(x, weights, sparse=True)
    chosen = weights["cell"].argmax(1).tolist()
    for kernel, name in ((1, "nor_conv_1x1"), (3, "nor_conv_3x3")):
        count = chosen.count(NB201.operations.index(name))
        assert sum(edges for size, edges in ran if size == kernel) == 3 * count, "three cells"
    assert chosen.count(2) + chosen.count(3) > 0
    torch.testing.assert_close(logits, obvious(x, {"cell": weights["cell"].detach()}), rtol=1e-12, atol=1e-12)
    (sparse,) = torch.autograd.grad(logits.square().sum(), weights["cell"], retain_graph=True)
    assert (sparse[weights["cell"] == 0] == 0).all()
    (through,) = torch.autograd.grad(logits.square().sum(), leaves)
    edges = [at for at, o in enumerate(chosen) if o != 0]
    assert (through[edges].abs().sum(1) > 0).any()


def test_temperature_follows_its_schedule():
    made = relaxation()
    assert made.observed() == {"temperature": 10.0}
    made.begin(Moment(4, 5, stage_epochs=5))
    assert made.observed() == {"temperature": pytest.approx(0.1)}


def test_masked_operations_are_never_drawn():
    made = relaxation()
    made.keep(2)
    for seed in range(50):
        weights = made.sample(generator(seed))["cell"]
        assert (weights[~made.kept["cell"]] == 0).all()
        assert (weights.sum(1) == 1).all()
    weights.sum().backward()
    assert made.parameters["cell"].grad.isfinite().all()


def test_the_mean_is_the_softmax():
    made = relaxation()
    torch.testing.assert_close(made.mean()["cell"], made.parameters["cell"].detach().softmax(1))
