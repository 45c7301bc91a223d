"""Small networks of one's own, as users write them."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nascence.spaces.own import OwnSpace
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

NETWORKS = Path(__file__).parents[3] / "examples" / "networks"
IMAGES = Signature.images((3, 8, 8), 5)
PICTURES = Signature("images", 3, 3, (12, 12), True)


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", NETWORKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resnet(width=8):
    return example("resnet20").ResNet(3, 5, width, blocks=2)


def encoder():
    return example("transformer").Encoder(3, 5, width=16, heads=4, depth=2)


def unet():
    return example("unet").UNet(3, width=4)


def mobile():
    return example("mobilenet").build(5, 3)


KINDS = {"resnet": (resnet, IMAGES), "encoder": (encoder, IMAGES), "unet": (unet, PICTURES), "mobile": (mobile, IMAGES)}


def space_of(module, signature=IMAGES):
    traced = trace(module, signature)
    return OwnSpace(traced.network, signature, whole=traced.whole, borrowed=traced.whole)


def with_statistics(module, signature):
    """Running statistics and scales that are no longer those of the beginning, so that a mistake with them shows."""
    draws = torch.Generator().manual_seed(1)
    for value in [*module.buffers(), *module.parameters()]:
        if value.is_floating_point() and value.dim() == 1:
            with torch.no_grad():
                value.add_(0.2 * torch.rand(value.shape, generator=draws))
    return module


_made = {}


def kept(kind):
    """A space of a kind of network; made once."""
    if kind not in _made:
        build, signature = KINDS[kind]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            _made[kind] = space_of(with_statistics(build(), signature), signature)
    return _made[kind]


@pytest.fixture(params=list(KINDS))
def own(request):
    """A space of every kind of network."""
    return kept(request.param)


@pytest.fixture
def networks():
    """Functions that make networks and spaces of them, by name."""
    functions = {"resnet": resnet, "encoder": encoder, "unet": unet, "mobile": mobile}
    return SimpleNamespace(**functions, space_of=space_of, kept=kept, images=IMAGES, pictures=PICTURES)
