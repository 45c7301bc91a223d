"""What a network of searched shapes costs: parameters and FLOPs as sums over its layers, counted as
:mod:`nascence.costs.counting` counts modules."""

from __future__ import annotations

from typing import final

from nascence.supernets.extents import Extent

Amount = Extent | float


@final
class Tally:
    """Adds up ``params`` and ``flops`` (2 x multiply-adds of convolutions and linear layers, one input) of layers whose
    sizes may be :class:`Extent` of choices. ``costs``: the sums so far, as a supernet takes them."""

    def __init__(self) -> None:
        self.costs: dict[str, list[Extent]] = {"params": [], "flops": []}

    def add(self, params: Amount, flops: Amount = 0.0, *, where: Amount = 1.0) -> None:
        """``where``: 1 in architectures that have this layer, else 0 (:meth:`Extent.chosen`)."""
        for name, amount in (("params", params), ("flops", flops)):
            self.costs[name].append(Extent.fixed(1.0) * where * amount)

    def convolution(
        self,
        inputs: Amount,
        outputs: Amount,
        kernel: Amount,
        pixels: Amount,
        *,
        depthwise: bool = False,
        bias: bool = False,
        norm: bool = True,
        where: Amount = 1.0,
    ) -> None:
        """k x k from ``inputs`` to ``outputs`` channels at ``pixels`` positions of the output, and with ``norm`` a
        normalisation's scale and shift behind it. ``depthwise``: each channel by itself; ``inputs`` does not count."""
        weights = _product(outputs, kernel, kernel, *([] if depthwise else [inputs]))
        self.add(weights + _product(outputs, 2.0 * norm + bias), _product(weights, 2.0, pixels), where=where)

    def linear(self, inputs: Amount, outputs: Amount, *, where: Amount = 1.0) -> None:
        """With bias."""
        weights = _product(inputs, outputs)
        self.add(weights + outputs, _product(weights, 2.0), where=where)


def _product(*factors: Amount) -> Extent:
    product = Extent.fixed(1.0)
    for factor in factors:
        product = product * factor
    return product


__all__ = ["Amount", "Tally"]
