import pytest
import torch

from nascence.scores.grasp import GraSP


def test_is_minus_the_weights_times_the_hessian_gradient_product(probe, reference):
    """H g by central differences of the gradient along itself."""
    network = reference(probe, "ranking")
    images, labels = probe.images(6)
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    start = [w.detach().clone() for w in weights]

    def gradient():
        loss = torch.nn.functional.cross_entropy(network(images.double()), labels)
        return torch.autograd.grad(loss, weights)

    along = gradient()
    step = 1e-6
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for w, s, g in zip(weights, start, along, strict=True):
                w.copy_(s + sign * step * g)
        sides.append(gradient())
    products = [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
    expected = -sum(float((s * p).sum()) for s, p in zip(start, products, strict=True))
    assert GraSP(network="ranking", images=6)(probe) == pytest.approx(expected, rel=1e-2)


def test_leaves_the_shared_gradients_alone(probe):
    from nascence.scores.grad_norm import GradNorm

    before = GradNorm(images=6)(probe)
    GraSP(images=6)(probe)
    assert GradNorm(images=6)(probe) == before


def test_single_precision_is_enough_in_a_deep_network(probe, reference):
    network = reference(probe, "ranking-deep")
    images, labels = probe.images(6)
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    loss = torch.nn.functional.cross_entropy(network(images.double()), labels)
    first = torch.autograd.grad(loss, weights, create_graph=True)
    inner = sum((g * g.detach()).sum() for g in first)
    second = torch.autograd.grad(inner, weights)
    expected = -sum((w * h).sum().item() for w, h in zip(weights, second, strict=True))
    assert GraSP(images=6)(probe) == pytest.approx(expected, rel=1e-2)
