import math

import numpy as np
import pytest
import torch

from nascence.scores.intrain import InTrain, participation_ratio


def test_is_the_formula_of_the_dossier(probe, reference):
    network = reference(probe, "ranking-deep")
    images, labels = probe.noise(5)
    maps = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, inputs, out: maps.append(out.detach()))
    torch.nn.functional.cross_entropy(network(images.double()), labels).backward()
    capacity = 0.0
    for x in maps:
        rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
        values = np.linalg.eigvals(np.cov(rows.T)).real
        capacity += math.log(values.sum() ** 2 / (values**2).sum())
    health = 0.0
    gradients = [parameter.grad.numpy() for parameter in network.parameters()]
    zeros = [g for g in gradients if np.abs(g).max() < 1e-12]
    assert 0 < len(zeros) < len(gradients) / 2, "shifts that the last normalisation removes"
    for g in gradients:
        health += min(1.0, g.std() / np.abs(g).max()) if np.abs(g).max() > 1e-12 else 0.0
    expected = capacity * (1 + health) / math.log(len(maps) + 1)
    assert InTrain(images=5)(probe) == pytest.approx(expected, rel=1e-3)
    assert InTrain(images=5, image_size=24)(probe) != pytest.approx(expected, rel=1e-3)


def test_participation_ratio_by_hand():
    axes = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).reshape(4, 2, 1, 1)
    assert participation_ratio(axes) == pytest.approx(2)
    assert participation_ratio(axes[:2]) == pytest.approx(1)
    assert math.isnan(participation_ratio(torch.ones(3, 2, 4, 4)))
