from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from nascence.spaces import NetworkConfig, get_space

Make = Callable[..., nn.Module]


def lively(network: nn.Module, in_channels: int = 3, size: int = 8, seed: int = 0) -> nn.Module:
    """``network`` with weights and statistics that make its outputs depend strongly on its inputs."""
    random = torch.Generator().manual_seed(seed)
    network.train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.affine:
                module.weight.uniform_(0.5, 1.5, generator=random)
                module.bias.uniform_(-0.5, 0.5, generator=random)
        for _ in range(20):
            network(torch.rand(16, in_channels, size, size, generator=random))
    return network.eval()


@pytest.fixture
def make() -> Make:
    """A small, lively network of a space: ``make("darts", seed=3)``."""

    def build(space: str = "nas-bench-201", seed: int = 0, text: str | None = None, **sizes: object) -> nn.Module:
        found = get_space(space)
        architecture = found.parse(text) if text else found.sample(torch.Generator().manual_seed(seed))
        default: dict[str, object] = {"channels": 4, "depth": 1 if space == "nas-bench-201" else 5}
        config = NetworkConfig(**{**default, **sizes})  # type: ignore[arg-type]
        return lively(architecture.build(network=config, num_classes=5, seed=seed), seed=seed)

    return build
