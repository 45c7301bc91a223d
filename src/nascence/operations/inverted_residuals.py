"""The mobile inverted bottleneck (MobileNetV2, Sandler et al., CVPR 2018) and the convolution block around it."""

from __future__ import annotations

from torch import Tensor, nn

from nascence.operations.convolutions import NormConfig


class ConvBN(nn.Sequential):
    """k x k convolution without bias, batch normalisation and, unless ``relu`` is False, ReLU; in this order.

    ``mask``: what stands behind all of them in a supernet of widths.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        norm: NormConfig,
        groups: int = 1,
        relu: bool = True,
        mask: nn.Module | None = None,
    ) -> None:
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        behind = [*([nn.ReLU()] if relu else []), *([] if mask is None else [mask])]
        super().__init__(convolution, norm.build(out_channels), *behind)


class InvertedResidual(nn.Module):
    """Expands to ``hidden_channels`` by 1 x 1, filters each by k x k (with the stride), projects back without ReLU.

    The input is added where the shape allows it: stride 1 and as many channels out as in. ``hidden_mask`` stands behind
    both layers of ``hidden_channels``, ``out_mask`` behind the last one (a residual's input has the same mask already).
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        norm: NormConfig,
        *,
        hidden_mask: nn.Module | None = None,
        out_mask: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        self.block = nn.Sequential(
            ConvBN(in_channels, hidden_channels, 1, 1, norm, mask=hidden_mask),
            ConvBN(hidden_channels, hidden_channels, kernel, stride, norm, hidden_channels, mask=hidden_mask),
            ConvBN(hidden_channels, out_channels, 1, 1, norm, relu=False, mask=out_mask),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.block(x_BCHW) if self.residual else self.block(x_BCHW)


__all__ = ["ConvBN", "InvertedResidual"]
