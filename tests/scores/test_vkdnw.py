import numpy as np
import pytest
import torch

from nascence.scores import Probe
from nascence.scores.vkdnw import VKDNW, VKDNWEntropy, fisher_matrix
from nascence.spaces import get_space


def obvious_fisher(network, x):
    """One backward an image and class, over all parameters, of which the first entries are kept."""
    parameters = list(network.parameters())
    total = 0
    for n in range(len(x)):
        logits = network(x[n : n + 1])[0]
        rows = []
        for logit in logits:
            gradients = torch.autograd.grad(logit, parameters, retain_graph=True, allow_unused=True)
            rows.append([0.0 if g is None else float(g.flatten()[0]) for g in gradients])
        jacobian = np.array(rows)
        share = 0.95 * logits.detach().softmax(0).numpy() + 0.05 / len(logits)
        total = total + jacobian.T @ (np.diag(share) - np.outer(share, share)) @ jacobian
    return total / len(x)


@pytest.mark.parametrize(("name", "text"), [("nas-bench-201", None), ("nas-bench-macro", "12012012"), ("darts", None)])
def test_fisher_matrix(probe, reference, task, name, text):
    if text is not None or name != probe.space.name:
        space = get_space(name)
        architecture = space.parse(text) if text else space.sample(torch.Generator().manual_seed(1))
        probe = Probe(space, architecture, task, seed=5)
    network = reference(probe).eval()
    x = probe.noise(2)[0].double()
    expected = obvious_fisher(network, x)
    found = fisher_matrix(network, x).numpy()
    assert np.linalg.norm(found - expected) < 1e-9 * np.linalg.norm(expected)
    assert np.linalg.norm(expected) > 0


def test_entropy_of_the_deciles(probe, reference):
    network = reference(probe).eval()
    x = probe.noise(4)[0].double()
    values = np.sort(np.linalg.svd(obvious_fisher(network, x), compute_uv=False))
    deciles = np.array([np.quantile(values, q / 10) for q in range(1, 10)])
    share = deciles / deciles.sum()
    share = share[share > 0]
    expected = -np.sum(share * np.log(share))
    value = VKDNWEntropy(images=4)(probe)
    assert value == pytest.approx(expected, rel=1e-2)
    assert 0 < value <= np.log(9)
    assert VKDNW(images=4)(probe) == len(list(network.parameters())) + value


def test_statistics_stay_fresh(probe):
    """Other scores' forwards in training mode move running statistics; this one must not see them."""
    from nascence.scores.grad_norm import GradNorm

    alone = VKDNWEntropy(images=4)(Probe(probe.space, probe.architecture, probe.task, probe.seed))
    GradNorm(images=6)(probe)
    assert VKDNWEntropy(images=4)(probe) == alone
