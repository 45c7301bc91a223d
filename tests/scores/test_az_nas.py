import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from nascence.scores import Probe
from nascence.scores.az_nas import AZExpressivity, AZProgressivity, AZTrainability, gradient_map, spectrum_entropy
from nascence.spaces import get_space


@pytest.fixture
def features(probe, reference):
    """After the stem and every block, in float64, with the graph."""
    network = reference(probe, "ranking-deep")
    x = probe.noise(4)[0].double()
    maps = [network.stem(x)]
    for block in network.blocks:
        maps.append(block(maps[-1]))
    assert len(maps) == 18
    return maps


def entropy(x):
    rows = x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
    values = np.linalg.eigvals(np.cov(rows.T, bias=True)).real
    share = values / values.sum()
    return -np.sum(share * np.log(share))


def test_expressivity_and_progressivity(probe, features):
    entropies = [entropy(x) for x in features]
    assert AZExpressivity(images=4)(probe) == pytest.approx(sum(entropies), rel=1e-4)
    assert AZProgressivity(images=4)(probe) == pytest.approx(min(np.diff(entropies)), abs=1e-4)


def test_trainability(probe, features):
    """The mean outer product, pixel by pixel and image by image."""
    random = torch.Generator().manual_seed(3)
    for before, after in pairwise(features):
        out = torch.randint(2, after.shape, generator=random).double() * 2 - 1
        (into,) = torch.autograd.grad(after, before, out, retain_graph=True)
        images, channels, height, width = out.shape
        step = into.shape[2] // height
        total = torch.zeros(into.shape[1] * step * step, channels, dtype=torch.float64)
        for n in range(images):
            for i in range(height):
                for j in range(width):
                    window = into[n, :, i * step : (i + 1) * step, j * step : (j + 1) * step].flatten()
                    total += torch.outer(window, out[n, :, i, j])
        sigma = float(torch.linalg.matrix_norm(total / (images * height * width), ord=2))
        assert gradient_map(into, out) == pytest.approx(2 - sigma - 1 / sigma, rel=1e-9)


def test_trainability_is_the_mean_over_blocks(probe):
    value = AZTrainability(images=4)(probe)
    assert math.isfinite(value)
    assert value < 0
    assert AZTrainability(images=4)(Probe(probe.space, probe.architecture, probe.task, probe.seed)) == value


def test_an_identity_cannot_be_trained(task):
    space = get_space("nas-bench-201")
    skip = space.architecture(["none", "none", "none", "skip_connect", "none", "none"])
    probe = Probe(space, skip, task)
    assert AZTrainability(images=4)(probe) == -math.inf
    assert math.isfinite(AZExpressivity(images=4)(probe))


def test_entropy_of_known_spectra():
    white = torch.eye(4).reshape(4, 4, 1, 1)
    assert spectrum_entropy(white) == pytest.approx(math.log(3)), "centring takes one direction"
    line = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1) * torch.ones(2, 5, 1, 1)
    assert spectrum_entropy(line) == pytest.approx(0, abs=1e-6)


def test_images_instead_of_noise(probe):
    assert AZExpressivity(images=4, inputs="images")(probe) != AZExpressivity(images=4)(probe)


def test_sides_that_do_not_divide_are_filled_with_zeros():
    draws = torch.Generator().manual_seed(0)
    into, out = torch.randn(4, 3, 5, 5, generator=draws), torch.randn(4, 2, 3, 3, generator=draws)
    assert gradient_map(into, out) == gradient_map(torch.nn.functional.pad(into, (0, 1, 0, 1)), out)
    assert math.isfinite(gradient_map(into, out))
