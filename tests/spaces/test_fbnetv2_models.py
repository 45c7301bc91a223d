"""The released networks cost what was published."""

import pytest
import torch
from torch import nn

from nascence.costs import flops, params
from nascence.spaces import get_space
from nascence.spaces.fbnetv2_models import MODELS, ReleasedSize
from nascence.tasks.base import Signature
from nascence.testing import SpaceConformance

SPACE = get_space("fbnetv2-models")


class TestFBNetV2Models(SpaceConformance):
    space = SPACE


def on_meta(name):
    model = MODELS[name]
    signature = Signature("images", 3, 1000, (model.resolution, model.resolution))
    with torch.device("meta"):
        return SPACE.assemble(SPACE.parse(name), ReleasedSize(), signature), signature


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    """Within 0.5 %. Most of the difference in parameters is batch normalisation, which seems not to be in the
    published count: without it they agree within 0.2 %."""
    network, signature = on_meta(name)
    model = MODELS[name]
    assert params(network) / 1e6 == pytest.approx(model.mparams, rel=0.005)
    assert flops(network, signature.input_shape) / 2e6 == pytest.approx(model.mflops, rel=0.005)
    norms = sum(params(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert (params(network) - norms) / 1e6 == pytest.approx(model.mparams, rel=0.002)


def test_f1_and_f2_are_one_network_at_two_resolutions():
    shapes = [[tuple(p.shape) for p in on_meta(name)[0].parameters()] for name in ("F1", "F2", "L1", "L2")]
    assert shapes[0] == shapes[1]
    assert shapes[2] == shapes[3]
    assert (MODELS["F1"].resolution, MODELS["F2"].resolution) == (128, 160)


def test_skips_and_residuals_of_f4():
    network, _ = on_meta("F4")
    skips = [number for number, layer in enumerate(MODELS["F4"].layers) if not layer.kernel]
    assert skips == [10, 18]
    assert isinstance(network.blocks[10], nn.Identity)
    assert network.blocks[18][0].out_channels == 224
    assert sum(getattr(block, "residual", False) for block in network.blocks) == 11


def test_thinner_ones_for_scores():
    thin, full = (SPACE.build(SPACE.parse("F1"), network=size) for size in ("score", "evaluation"))
    assert params(thin) < params(full) / 4
