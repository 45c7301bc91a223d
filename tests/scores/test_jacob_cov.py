import numpy as np
import pytest

from nascence.scores.jacob_cov import JacobCov


def test_is_the_published_function_of_the_jacobians_correlations(probe, reference):
    images, _ = probe.images(6)
    inputs = images.double().requires_grad_()
    reference(probe, "ranking-deep")(inputs).sum().backward()
    values = np.linalg.eigvals(np.corrcoef(inputs.grad.flatten(1).numpy())).real + 1e-5
    expected = -np.sum(np.log(values) + 1 / values)
    assert JacobCov(images=6)(probe) == pytest.approx(expected, rel=1e-3)


def test_uncorrelated_rows_are_best(probe):
    assert JacobCov(images=6)(probe) < -6 + 1e-3
