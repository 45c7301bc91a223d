import pytest
import torch

from nascence.errors import SettingError
from nascence.scores import Probe
from nascence.scores.gradsign import GradSign
from nascence.spaces import get_space


@pytest.mark.parametrize("average", [False, True])
def test_is_one_backward_an_image(probe, reference, average):
    images, labels = probe.images(5)
    signs = 0
    for n in range(5):
        network = reference(probe)
        torch.nn.functional.cross_entropy(network(images[n : n + 1].double()), labels[n : n + 1]).backward()
        layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        signs = signs + torch.cat([layer.weight.grad.flatten() for layer in layers]).sign()
    agreement = signs.abs()
    expected = float(agreement.mean() if average else agreement.sum())
    assert GradSign(images=5, average=average)(probe) == pytest.approx(expected, rel=5e-3)


def test_images_too_small_to_normalise_alone():
    from tests.scores.conftest import random_task

    space = get_space("nas-bench-macro")
    probe = Probe(space, space.parse("11111111"), random_task(size=8))
    with pytest.raises(SettingError, match="images of 8 x 8 shrink to one pixel"):
        GradSign(images=4)(probe)
