import pytest
import torch

from nascence.scores.fisher import Fisher


@pytest.mark.parametrize("per_weight", [True, False])
def test_is_the_mean_square_of_activation_times_gradient(probe, reference, per_weight):
    network = reference(probe, "ranking-deep")
    images, labels = probe.images(6)
    seen = []

    def keep(module, inputs, output):
        output.retain_grad()
        seen.append((module, output))

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(keep)
    torch.nn.functional.cross_entropy(network(images.double()), labels).backward()
    expected = 0.0
    for module, output in seen:
        for channel in range(output.shape[1]):
            products = [(output[n, channel] * output.grad[n, channel]).sum().item() for n in range(6)]
            value = 0.5 * sum(p**2 for p in products) / 6
            expected += value * (module.weight[channel].numel() if per_weight else 1)
    assert Fisher(images=6, per_weight=per_weight)(probe) == pytest.approx(expected, rel=1e-3)
