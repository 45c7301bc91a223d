"""What scripts share that time the steps of supernets of cells: their options, and the images of a step."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from nascence.seeding import generator
from nascence.spaces import CellSpace, NetworkConfig, get_space


def timing(about: str) -> argparse.ArgumentParser:
    """The options that say which supernet, which batch and how many steps."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--space", default="nas-bench-201")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def space_and_size(options: argparse.Namespace, **fields: bool) -> tuple[CellSpace, NetworkConfig]:
    """``fields``: of the size, beside channels and depth."""
    torch.set_num_threads(options.threads)
    space = get_space(options.space)
    assert isinstance(space, CellSpace)
    return space, NetworkConfig(channels=options.channels, depth=options.depth, affine=False, **fields)


def images_of(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Random images [B, 3, H, W] and one of ten classes [B] for each."""
    images = torch.randn(options.batch, 3, options.size, options.size, generator=generator(0, "images"))
    return images, torch.randint(10, (options.batch,), generator=generator(0, "labels"))


__all__ = ["images_of", "space_and_size", "timing"]
