import math

import numpy as np
import pytest
import torch

from nascence.scores.naswot import NASWOT, agreement_kernel, log_determinant


def test_is_the_determinant_of_the_kernel_of_codes(probe, reference):
    """K = sum over ReLUs of X X^T + (1 - X)(1 - X)^T, every ReLU module on its own."""
    network = reference(probe)
    kernel = np.zeros((6, 6))
    relus = 0

    def count(module, inputs, output):
        nonlocal kernel, relus
        x = (inputs[0].detach().flatten(1) > 0).numpy().astype(float)
        kernel = kernel + x @ x.T + (1 - x) @ (1 - x).T
        relus += 1

    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(count)
    network(probe.images(6)[0].double())
    assert relus > 12
    assert NASWOT(images=6)(probe) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-4)


def test_kernel_by_hand():
    one = torch.tensor([[1.0, -1.0, 0.0], [2.0, 3.0, -4.0]])
    two = torch.tensor([[5.0], [-5.0]])
    # agreements: inputs 1 and 3 of `one`; none of `two`, which counts twice
    assert agreement_kernel([(one > 0, 1), (two > 0, 2)]).tolist() == [[5.0, 2.0], [2.0, 5.0]]
    assert float(log_determinant(torch.tensor([[5.0, 2.0], [2.0, 5.0]], dtype=torch.float64))) == pytest.approx(
        math.log(21)
    )


def test_two_images_of_equal_code_are_singular():
    same = torch.tensor([[1.0, -1.0], [2.0, -3.0], [-1.0, 1.0]])
    assert float(log_determinant(agreement_kernel([(same > 0, 1)]))) == -math.inf
