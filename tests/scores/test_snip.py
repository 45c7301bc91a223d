import pytest
import torch

from nascence.scores.snip import SNIP


def test_is_the_gradient_of_a_mask_of_ones(probe, reference):
    """The definition: d L / d mask at masks of ones, in absolute value."""
    network = reference(probe, "ranking-deep")
    names = [n for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    weights = {f"{n}.weight": network.get_parameter(f"{n}.weight").detach() for n in names}
    masks = {n: torch.ones_like(w, requires_grad=True) for n, w in weights.items()}
    images, labels = probe.images(6)
    logits = torch.func.functional_call(network, {n: w * masks[n] for n, w in weights.items()}, images.double())
    torch.nn.functional.cross_entropy(logits, labels).backward()
    expected = sum(float(mask.grad.abs().sum()) for mask in masks.values())
    assert SNIP(images=6)(probe) == pytest.approx(expected, rel=1e-4)
