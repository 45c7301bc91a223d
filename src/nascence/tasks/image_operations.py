"""The fifteen image operations of AutoAugment's family, for a batch of images at once.

Images are float32 [B, C, H, W] with pixels in [0, 1]. A strength in [0, 1] is mapped to each operation's own range, the
published one (Cubuk et al., AutoAugment, CVPR 2019, table 6): shears up to 0.3, translations up to 150 of 331 pixels'
share, rotations up to 30 degrees, posterising from 8 down to 4 bits, solarising from 256 down to 0, colour, contrast,
brightness and sharpness by factors from 0.1 to 1.9, cutting out up to 60 of 331. Geometric operations go either way by
chance, one direction a call; what comes in from outside is mid-grey, as published.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nascence.errors import MissingExtraError
from nascence.registry import Registry

Operation = Callable[[Tensor, float, torch.Generator], Tensor]
_OUTSIDE = 0.5
_GREY = (0.299, 0.587, 0.114)


def _kornia(name: str) -> Callable[..., Tensor]:
    """A function of kornia, imported when it is first used."""
    try:
        import kornia.enhance
        import kornia.geometry.transform
    except ImportError:
        raise MissingExtraError("kornia", "augmentation") from None
    found = getattr(kornia.enhance, name, None) or getattr(kornia.geometry.transform, name)
    assert callable(found)
    return found


def _sign(random: torch.Generator) -> float:
    return float(torch.randint(2, (), generator=random)) * 2 - 1


def _warped(name: str, x_BCHW: Tensor, parameters: list[float]) -> Tensor:
    """A geometric function of kornia with equal parameters for all images."""
    rows = x_BCHW.new_tensor([parameters] * len(x_BCHW))
    moved = _kornia(name)(x_BCHW - _OUTSIDE, rows[:, 0] if len(parameters) == 1 else rows, padding_mode="zeros")
    return moved + _OUTSIDE


def _shear(axis: int) -> Operation:
    def apply(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
        amount = 0.3 * strength * _sign(random)
        return _warped("shear", x_BCHW, [amount, 0.0] if axis == 0 else [0.0, amount])

    return apply


def _translate(axis: int) -> Operation:
    def apply(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
        amount = 150 / 331 * strength * x_BCHW.shape[3 - axis] * _sign(random)
        return _warped("translate", x_BCHW, [amount, 0.0] if axis == 0 else [0.0, amount])

    return apply


def rotate(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Up to 30 degrees either way."""
    return _warped("rotate", x_BCHW, [30 * strength * _sign(random)])


def autocontrast(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Every channel stretched from 0 to 1; an even one stays."""
    low, high = x_BCHW.amin((2, 3), keepdim=True), x_BCHW.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x_BCHW - low) / (high - low).clamp_min(1e-6), x_BCHW)


def invert(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return 1 - x_BCHW


def equalize(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return _kornia("equalize")(x_BCHW)


def solarize(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Pixels above 1 - strength inverted."""
    return torch.where(x_BCHW >= 1 - strength, 1 - x_BCHW, x_BCHW) if strength else x_BCHW


def posterize(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """8 - round(4 strength) bits a channel."""
    step = 2 ** round(4 * strength)
    return ((x_BCHW * 255).round() // step * step / 255).clamp(0, 1)


def _factor(strength: float, random: torch.Generator) -> float:
    """Down to 0.1 or up to 1.9, 1 where the strength is 0."""
    return 1 + 0.9 * strength * _sign(random)


def _blend(x_BCHW: Tensor, plain: Tensor, factor: float) -> Tensor:
    return (plain + factor * (x_BCHW - plain)).clamp(0, 1)


def grey(x_BCHW: Tensor) -> Tensor:
    """[B, 1, H, W]: luma of three channels, the mean of any other number."""
    if x_BCHW.shape[1] != 3:
        return x_BCHW.mean(1, keepdim=True)
    return (x_BCHW * x_BCHW.new_tensor(_GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def contrast(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return _blend(x_BCHW, grey(x_BCHW).mean((1, 2, 3), keepdim=True), _factor(strength, random))


def color(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return _blend(x_BCHW, grey(x_BCHW), _factor(strength, random))


def brightness(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return (_factor(strength, random) * x_BCHW).clamp(0, 1)


def sharpness(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    return _kornia("sharpness")(x_BCHW, _factor(strength, random)).clamp(0, 1)


def cut_out(x_BCHW: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """A mid-grey square around a random pixel, one place a call."""
    height, width = x_BCHW.shape[2:]
    side = round(60 / 331 * strength * min(height, width))
    if not side:
        return x_BCHW
    top = int(torch.randint(height, (), generator=random)) - side // 2
    left = int(torch.randint(width, (), generator=random)) - side // 2
    cut = x_BCHW.clone()
    cut[:, :, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = _OUTSIDE
    return cut


IMAGE_OPERATIONS = Registry(
    "image operation",
    {
        "ShearX": _shear(0),
        "ShearY": _shear(1),
        "TranslateX": _translate(0),
        "TranslateY": _translate(1),
        "Rotate": rotate,
        "AutoContrast": autocontrast,
        "Invert": invert,
        "Equalize": equalize,
        "Solarize": solarize,
        "Posterize": posterize,
        "Contrast": contrast,
        "Color": color,
        "Brightness": brightness,
        "Sharpness": sharpness,
        "Cutout": cut_out,
    },
)

__all__ = ["IMAGE_OPERATIONS", "Operation", "grey"]
