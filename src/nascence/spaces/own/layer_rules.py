"""What layers of PyTorch do to the numbers of channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, fx, nn

from nascence.spaces.own.function_rules import FunctionRules
from nascence.spaces.own.labels import NONE, PINNED, tensors, zeros
from nascence.spaces.own.loose import LooseConstant, LooseParameter

_SPATIAL_LAYERS = (
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.padding._ConstantPadNd,
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
    nn.Upsample,
)
_MOVING_LAYERS = (nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Identity)
_ELEMENTWISE_LAYERS = (
    *(nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.ELU, nn.SELU, nn.CELU),
    *(nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.LogSigmoid, nn.Softsign),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),
)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


@final
class LayerRules:
    """Of the layers of ``network``; ``functions``: what layers without weights do."""

    def __init__(self, network: fx.GraphModule, functions: FunctionRules) -> None:
        self.network, self.functions, self.found = network, functions, functions.found

    def call(self, node: fx.Node, args: Any, output: Any) -> Any:
        layer, path = self.network.get_submodule(str(node.target)), str(node.target)
        if isinstance(layer, LooseParameter | LooseConstant):
            return self._loose(path, layer)
        (numbers, *more) = tensors(args)
        if isinstance(layer, CONVOLUTIONS) and not more:
            return self._convolution(node, path, layer, numbers, output)
        if type(layer) is nn.Linear:
            vector = self._read(node, numbers, numbers.dim() - 1)
            made = self._made(path, layer.out_features)
            self._keep(path, layer, {"weight": [made, vector], "bias": [made]})
            return made.expand(output.shape)
        if isinstance(layer, NORMS):
            vector = self._vector(numbers, 1, "a normalisation")
            self._keep(path, layer, {name: [vector] for name in ("weight", "bias", "running_mean", "running_var")})
            return numbers
        if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
            vector = self._vector(numbers, numbers.dim() - 1, "a normalisation")
            self._keep(path, layer, {"weight": [vector], "bias": [vector]})
            self.found.reads[node.name] = (numbers.dim() - 1, vector)
            return numbers
        if isinstance(layer, nn.GroupNorm):
            vector = self._vector(numbers, 1, "a normalisation")
            for part in vector.chunk(layer.num_groups):
                self.found.tie_all(part)
            self._keep(path, layer, {"weight": [vector], "bias": [vector]})
            return numbers
        if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
            self._keep(path, layer, {"weight": [self._vector(numbers, 1, "an activation")]})
            return numbers
        if isinstance(layer, _MOVING_LAYERS):
            return self.functions.move(node, args, {}, output, "layer", layer)
        if isinstance(layer, (*_ELEMENTWISE_LAYERS, nn.PReLU)):
            return numbers
        if isinstance(layer, _SPATIAL_LAYERS):
            return self.functions.spatial(node, args, output)
        if isinstance(layer, nn.Softmax | nn.LogSoftmax):
            return self.functions.softmax(node, numbers, layer.dim, output)
        self.functions.pin_all(args, f"{type(layer).__name__} ({path}) reads it, which is left whole")
        return zeros(output)

    def _convolution(self, node: fx.Node, path: str, layer: Any, numbers: Tensor, output: Tensor) -> Tensor:
        vector = self._read(node, numbers, 1)
        made = self._made(path, layer.out_channels)
        inner, outer = (vector, made) if layer.groups == 1 else (None, made)
        if layer.groups > 1:
            del self.found.reads[node.name]  # each group reads its own channels, and goes with them
            for one, other in zip(vector.chunk(layer.groups), made.chunk(layer.groups), strict=True):
                self.found.tie_all(torch.cat([one, other]))
                if bool((one == NONE).any()):
                    self.found.pin(other, "a group of its inputs always stays")
        pair = [inner if layer.groups == 1 else vector, None if layer.groups > 1 else outer]
        weight = pair if layer.transposed else [outer, inner]
        self._keep(path, layer, {"weight": [*weight, *[None] * (layer.weight.dim() - 2)], "bias": [made]})
        return made.view(1, -1, *[1] * (output.dim() - 2)).expand(output.shape)

    def _loose(self, path: str, layer: LooseParameter | LooseConstant) -> Tensor:
        if path not in self.found.layers:
            numbers = self.found.fresh(*layer.shape)
            self.found.layers[path] = {}
            self.found.shapes[f"loose {path}"] = [numbers]
        return self.found.shapes[f"loose {path}"][0]

    def _made(self, path: str, channels: int) -> Tensor:
        """The numbers of a layer's channels; the same ones whenever it is called."""
        if path not in self.found.producers:
            self.found.producers[path] = self.found.fresh(channels)
        return self.found.producers[path]

    def _keep(self, path: str, layer: nn.Module, tensors: Mapping[str, list[Tensor | None]]) -> None:
        there = {name for name, value in (*layer.named_parameters(), *layer.named_buffers()) if value is not None}
        known = self.found.layers.get(path, {})
        for name, vectors in tensors.items():
            for old, new in zip(known.get(name, ()), vectors, strict=False):
                if old is not None and new is not None:
                    self.found.tie(old, new)
        self.found.layers[path] = known or {name: vectors for name, vectors in tensors.items() if name in there}

    def _read(self, node: fx.Node, numbers: Tensor, dim: int) -> Tensor:
        vector = self._vector(numbers, dim, "a layer")
        self.found.reads[node.name] = (dim, vector)
        return vector

    def _vector(self, numbers: Tensor, dim: int, who: str) -> Tensor:
        """One number per position of ``dim``: what is read together is one channel."""
        rows = numbers.movedim(dim, 0).flatten(1) if numbers.dim() > 1 else numbers[:, None]
        vector = rows.amax(1)
        mixed = (rows == NONE).any(1) & (vector > PINNED)
        self.found.pin(vector[mixed], f"{who} reads it together with what is no channel")
        if not bool((rows == vector[:, None]).all()):
            self.found.tie(rows, vector[:, None].expand_as(rows))
        return vector


__all__ = ["CONVOLUTIONS", "NORMS", "LayerRules"]
