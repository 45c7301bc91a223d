"""The mobile blocks of FBNetV2: inverted residuals with squeeze-and-excitation and a choice of activation.

Every part can carry masks, so that a supernet holds all widths in one block: masks stand behind normalisation and
activation, and squeeze-and-excitation sees masked tensors (Wan et al., CVPR 2020).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from nascence.operations.convolutions import NormConfig

Activation = Literal["relu", "hswish", "none"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "hswish": nn.Hardswish}


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor``, at least one of them; one more where that is below 95 % of ``channels``."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.95 * channels else nearest


class ConvNormAct(nn.Sequential):
    """k x k convolution without bias, batch normalisation, activation; then the mask, if there is one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        norm: NormConfig,
        activation: Activation,
        *,
        depthwise: bool = False,
        mask: nn.Module | None = None,
    ) -> None:
        groups = in_channels if depthwise else 1
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        acts = [] if activation == "none" else [_ACTIVATIONS[activation]()]
        super().__init__(convolution, norm.build(out_channels), *acts, *([mask] if mask is not None else []))


class SqueezeExcite(nn.Module):
    """x times hardsigmoid(W2 relu(W1 mean(x))) per channel (Hu et al., CVPR 2018, with MobileNetV3's hard sigmoid).

    ``mask``: of the hidden channels, whose number follows the searched width too.
    """

    def __init__(self, channels: int, hidden: int, mask: nn.Module | None = None) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        self.mask = mask if mask is not None else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        hidden = self.mask(self.squeeze(x_BCHW.mean(dim=(2, 3), keepdim=True)).relu())
        return x_BCHW * nn.functional.hardsigmoid(self.excite(hidden))


class MobileBlock(nn.Module):
    """1 x 1 to ``hidden`` channels (left out at ``expand`` False), k x k each, squeeze-and-excitation, 1 x 1 back.

    ``residual``: whether the input is added. ``hidden_mask``, ``squeeze_mask``, ``out_mask``: see above.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel: int,
        stride: int,
        norm: NormConfig,
        activation: Activation,
        *,
        expand: bool = True,
        squeezed: int | None = None,
        residual: bool = False,
        hidden_mask: nn.Module | None = None,
        squeeze_mask: nn.Module | None = None,
        out_mask: nn.Module | None = None,
    ) -> None:
        super().__init__()
        assert expand or hidden == in_channels
        self.residual = residual
        self.expand = (
            ConvNormAct(in_channels, hidden, 1, 1, norm, activation, mask=hidden_mask) if expand else nn.Identity()
        )
        self.depthwise = ConvNormAct(hidden, hidden, kernel, stride, norm, activation, depthwise=True, mask=hidden_mask)
        self.excite = nn.Identity() if squeezed is None else SqueezeExcite(hidden, squeezed, squeeze_mask)
        self.project = ConvNormAct(hidden, out_channels, 1, 1, norm, "none", mask=out_mask)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out_BCHW = self.project(self.excite(self.depthwise(self.expand(x_BCHW))))
        return x_BCHW + out_BCHW if self.residual else out_BCHW


class PooledHead(nn.Module):
    """1 x 1 to ``hidden`` channels, global average, 1 x 1 with bias to ``features`` [B, features], h-swish."""

    def __init__(self, in_channels: int, hidden: int, features: int, norm: NormConfig) -> None:
        super().__init__()
        self.expand = ConvNormAct(in_channels, hidden, 1, 1, norm, "hswish")
        self.features = nn.Conv2d(hidden, features, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        pooled = self.expand(x_BCHW).mean(dim=(2, 3), keepdim=True)
        return nn.functional.hardswish(self.features(pooled)).flatten(1)


__all__ = ["Activation", "ConvNormAct", "MobileBlock", "PooledHead", "SqueezeExcite", "make_divisible"]
