import math

import pytest
import torch

from nascence.scores.l2_norm import L2Norm


def test_is_the_sum_of_the_layers_norms(probe, reference):
    layers = [m for m in reference(probe).modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    expected = sum(math.sqrt(sum(w**2 for w in layer.weight.flatten().tolist())) for layer in layers)
    assert L2Norm()(probe) == pytest.approx(expected, rel=1e-5)
