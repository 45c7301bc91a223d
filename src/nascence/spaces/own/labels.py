"""Which channels hang together: every element of every tensor of a graph gets the number of the channel it belongs to.

The numbers travel through the graph beside shapes. Whatever moves elements (reshape, transpose, cat, pixel shuffle)
moves their numbers; where elements meet (an addition, an attention head, a group of a convolution) their numbers are
tied; where a layer makes new channels there are new numbers; what is not understood ties them to what always stays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from nascence.errors import SettingError
from nascence.spaces.own.loose import LooseConstant, LooseParameter
from nascence.tasks.base import Signature

NONE, PINNED = 0, 1
"""Numbers of what is no channel, and of what always stays."""

MOVES = frozenset(
    "reshape view flatten unflatten permute transpose swapaxes swapdims movedim squeeze unsqueeze cat concat concatenate"
    " stack chunk split unbind getitem contiguous clone expand expand_as repeat roll flip narrow pixel_shuffle"
    " pixel_unshuffle channel_shuffle t detach to float".split()
)
ELEMENTWISE = frozenset(
    "add sub mul truediv div neg abs exp log sqrt rsqrt pow square clamp clamp_min maximum minimum where lerp relu relu6"
    " gelu silu mish sigmoid tanh softplus elu selu celu leaky_relu hardswish hardsigmoid hardtanh logsigmoid"
    " rsub multiply subtract softsign".split()
)
SPATIAL = frozenset(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d"
    " adaptive_max_pool2d interpolate upsample mean sum amax amin boolean_dispatch".split()
)
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
@dataclass
class Labelled:
    """What was found on the way. Vectors of numbers are of one dimension of a tensor.

    ``layers``: per layer and tensor of it, a vector for every dimension (None: not a matter of channels). ``reads``:
    per node the dimension of its input that is read, and the vector. ``producers``: vectors of new channels.
    ``shapes``: per node that names sizes, a tensor of numbers of each of its outputs. ``heads``: per product of
    tensors one number for every matrix. ``equal``: what must be the same channels along its first dimension, and why.
    ``asked``: per node that asks for a shape, the numbers of the tensor. ``values``: per node its output, as a shape.
    ``flops``: per node.
    """

    layers: dict[str, dict[str, list[Tensor | None]]] = field(default_factory=dict)
    reads: dict[str, tuple[int, Tensor]] = field(default_factory=dict)
    producers: dict[str, Tensor] = field(default_factory=dict)
    shapes: dict[str, list[Tensor]] = field(default_factory=dict)
    heads: dict[str, Tensor] = field(default_factory=dict)
    equal: list[tuple[Tensor, str]] = field(default_factory=list)
    edges: list[Tensor] = field(default_factory=list)
    pins: list[tuple[Tensor, str]] = field(default_factory=list)
    asked: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)
    count: int = 2

    def fresh(self, *shape: int) -> Tensor:
        size = 1
        for length in shape:
            size *= length
        self.count += size
        return torch.arange(self.count - size, self.count).view(shape)

    def tie(self, one: Tensor, other: Tensor) -> None:
        """Numbers of two tensors of one shape, pair by pair, but where one is of no channel."""
        one, other = one.reshape(-1), other.reshape(-1)
        meet = (one != other) & (one != NONE) & (other != NONE)
        if bool(meet.any()):
            self.edges.append(torch.stack([one[meet], other[meet]]).unique(dim=1))

    def tie_all(self, numbers: Tensor) -> None:
        some = numbers[numbers != NONE].unique()
        if len(some) > 1:
            self.tie(some[:1].expand(len(some) - 1), some[1:])

    def pin(self, numbers: Tensor | None, reason: str) -> None:
        if numbers is not None and bool((numbers > PINNED).any()):
            some = numbers[numbers > PINNED].unique()
            self.pins.append((some, reason))
            self.edges.append(torch.stack([some, torch.full_like(some, PINNED)]))


def follow(network: fx.GraphModule, signature: Signature) -> Labelled:
    """Numbers of all channels of ``network``. Raises :class:`SettingError` where it cannot be followed by shapes."""
    found = Labelled()
    follower = _Follower(network, found)
    labels: dict[fx.Node, Any] = {}
    values: dict[fx.Node, Any] = {}
    shadow = _on_meta(network)
    for node in network.graph.nodes:
        if node.op == "placeholder":
            (example,) = signature.example(1)
            values[node] = example.to("meta")
            labels[node] = torch.zeros(example.shape, dtype=torch.int64)
        elif node.op == "output":
            follower.pin_all(_of(node.args, labels), "its channels are the network's outputs")
        else:
            args, kwargs = _of(node.args, values), _of(node.kwargs, values)
            counter = FlopCounterMode(display=False)
            try:
                with torch.no_grad(), counter:
                    values[node] = _run(shadow, node, args, kwargs)
            except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
                raise SettingError(
                    f"The network cannot be followed by shapes alone at '{node.name}' ({str(error)[:160]})."
                ) from None
            found.flops[node.name] = counter.get_total_flops()
            labels[node] = follower.step(node, _of(node.args, labels), _of(node.kwargs, labels), values[node])
        found.values[node.name] = values.get(node)
    return found


def _on_meta(network: fx.GraphModule) -> dict[str, nn.Module]:
    names = {str(node.target) for node in network.graph.nodes if node.op == "call_module"}
    return {name: copy.deepcopy(network.get_submodule(name)).to("meta") for name in names}


def _run(layers: Mapping[str, nn.Module], node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_module":
        return layers[str(node.target)](*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _of(value: Any, known: Mapping[fx.Node, Any]) -> Any:
    return fx.node.map_arg(value, lambda node: known[node])


def kind_of(node: fx.Node) -> str:
    """The name of a function or method, without what says that it works in place."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    name = name.rstrip("_") if not name.startswith("_") else name
    return name[1:] if name in ("iadd", "isub", "imul", "itruediv") else name


class _Follower:
    def __init__(self, network: fx.GraphModule, found: Labelled) -> None:
        self.network, self.found = network, found

    def pin_all(self, value: Any, reason: str) -> None:
        for each in _tensors(value):
            self.found.pin(each, reason)

    def step(self, node: fx.Node, args: Any, kwargs: Any, output: Any) -> Any:
        """The numbers of a node's output."""
        if not _tensors(output):
            if args and isinstance(args[0], Tensor) and (node.target is getattr or node.target == "size"):
                self.found.asked[node.name] = args[0]
            return None
        if node.op == "call_module":
            return self._layer(node, args, output)
        kind = kind_of(node)
        if node.target is getattr:
            known = isinstance(args[0], Tensor) and args[1] in ("data", "T", "mT")
            return getattr(args[0], args[1]) if known else self._unknown(node, args, kwargs, output)
        if kind in MOVES:
            return self._move(node, args, kwargs, output, kind)
        if kind in ELEMENTWISE:
            return self._meet(_tensors((args, kwargs)), output)
        if kind == "pad" or kind in SPATIAL:
            return self._pad(node, args, kwargs, output) if kind == "pad" else self._spatial(node, args, output)
        if kind in ("matmul", "bmm"):
            return self._product(node, args[0], args[1], output)
        if kind == "scaled_dot_product_attention" and len(_tensors((args, kwargs))) == 3:
            return self._attention(node, _tensors((args, kwargs)), output)
        if kind in ("softmax", "log_softmax"):
            return self._softmax(node, args[0], _softmax_dim(node), output)
        return self._unknown(node, args, kwargs, output)

    # Layers -------------------------------------------------------------------------------------------------------

    def _layer(self, node: fx.Node, args: Any, output: Any) -> Any:
        layer, path = self.network.get_submodule(str(node.target)), str(node.target)
        if isinstance(layer, LooseParameter | LooseConstant):
            return self._loose(path, layer)
        (numbers, *more) = _tensors(args)
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
            return self._move(node, args, {}, output, "layer", layer)
        if isinstance(layer, _ELEMENTWISE_LAYERS) or isinstance(layer, nn.PReLU):
            return numbers
        if isinstance(layer, _SPATIAL_LAYERS):
            return self._spatial(node, args, output)
        if isinstance(layer, nn.Softmax | nn.LogSoftmax):
            return self._softmax(node, numbers, layer.dim, output)
        self.pin_all(args, f"{type(layer).__name__} ({path}) reads it, which is left whole")
        return _zeros(output)

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

    # Functions ----------------------------------------------------------------------------------------------------

    def _move(
        self, node: fx.Node, args: Any, kwargs: Any, output: Any, kind: str, layer: nn.Module | None = None
    ) -> Any:
        if kind == "getitem" and isinstance(args[0], tuple | list):
            return args[0][node.args[1]]
        moved_args = _filled(node.args, args, self._ints)
        moved_kwargs = _filled(node.kwargs, kwargs, self._ints)
        try:
            moved = layer(*moved_args) if layer is not None else _call(node, moved_args, moved_kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return self._unknown(node, args, kwargs, output)
        if kind in ("to", "float"):
            moved = args[0]
        outputs = _tensors(moved)
        if kind == "getitem":
            self._part_of(args[0], node.args[1])
        if kind in ("chunk", "split"):
            dim = _dim(node, args[0].dim(), 2)
            longest = {each.shape[dim] for each in outputs}
            if len(longest) == 1:  # pieces of equal length stay so where they are the same channels
                self.found.equal.append((torch.stack([each.flatten() for each in outputs]), "pieces of a tensor"))
        self.found.shapes[node.name] = outputs
        return moved

    def _part_of(self, numbers: Tensor, index: Any) -> None:
        """Positions that are picked by their number must all stay."""
        keys = index if isinstance(index, tuple) else (index,)
        if any(key is None for key in keys):
            return
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = (*keys[:at], *[slice(None)] * (numbers.dim() - len(keys) + 1), *keys[at + 1 :])
        for dim, key in enumerate(keys[: numbers.dim()]):
            if isinstance(key, slice) and (key.start, key.stop) == (None, None) and key.step in (None, 1):
                continue
            if _varies(numbers, dim):
                rows = numbers.movedim(dim, 0).flatten(1)
                self.found.equal.append((rows, "positions of it are picked by their number"))

    def _meet(self, numbers: Sequence[Tensor], output: Tensor) -> Tensor:
        """Element by element, with broadcasting."""
        shape = output.shape
        whole = torch.zeros(shape, dtype=torch.int64)
        spread = [each.expand(shape) for each in numbers]
        for each in spread:
            whole = torch.where(whole == NONE, each, whole)
        varying = [dim for dim in range(len(shape)) if _varies(whole, dim)]
        for each, wide in zip(numbers, spread, strict=True):
            lengths = [1] * (len(shape) - each.dim()) + list(each.shape)
            broadcast = any(lengths[dim] == 1 < shape[dim] for dim in varying)
            if broadcast and bool((each > PINNED).any()) and bool((wide != whole).any()):
                self.found.pin(each, "it is one for all channels of another tensor")
            elif any(lengths[dim] > 1 for dim in varying) and bool(((wide == NONE) & (whole != NONE)).any()):
                self.found.pin(whole[(wide == NONE)], "it is added to what is no channel of a layer, such as the input")
                self.found.tie(wide, whole)
            else:
                self.found.tie(wide, whole)
        return whole

    def _spatial(self, node: fx.Node, args: Any, output: Any) -> Any:
        """What looks at places within a channel, or makes one number of them."""
        numbers = _tensors(args)[0]
        if not isinstance(output, Tensor):
            return self._unknown(node, args, {}, output)
        if output.dim() == numbers.dim():
            changed = [d for d in range(numbers.dim()) if output.shape[d] != numbers.shape[d]]
            looked = sorted({*changed, *range(2, numbers.dim())}) if kind_of(node) not in _REDUCTIONS else changed
            if any(_varies(numbers, dim) for dim in looked):
                return self._unknown(node, args, {}, output)
            for dim in looked:
                numbers = numbers.narrow(dim, 0, 1)
            return numbers.expand(output.shape)
        kept = _reduced(node, numbers, output)
        return self._unknown(node, args, {}, output) if kept is None else kept

    def _pad(self, node: fx.Node, args: Any, kwargs: Any, output: Tensor) -> Any:
        numbers = args[0]
        amounts = node.args[1] if len(node.args) > 1 else node.kwargs.get("pad")
        if not isinstance(amounts, tuple | list) or not all(isinstance(each, int) for each in amounts):
            return self._unknown(node, args, kwargs, output)
        if len(amounts) <= 2 * (numbers.dim() - 2) and not any(_varies(numbers, d) for d in range(2, numbers.dim())):
            return self._spatial(node, args, output)
        return nn.functional.pad(numbers, list(amounts))  # more channels: those that are new are none

    def _product(self, node: fx.Node, one: Any, other: Any, output: Tensor) -> Any:
        if not isinstance(one, Tensor) or not isinstance(other, Tensor) or min(one.dim(), other.dim()) < 2:
            return self._unknown(node, (one, other), {}, output)
        batch = output.shape[:-2]
        return self._matrices(node, [each.expand(*batch, *each.shape[-2:]) for each in (one, other)], output)

    def _attention(self, node: fx.Node, three: Sequence[Tensor], output: Tensor) -> Tensor:
        made = self._matrices(node, three, output)
        query, key, value = three
        return value.narrow(-2, 0, 1).expand(output.shape) if not _varies(value, value.dim() - 2) else made

    def _matrices(self, node: fx.Node, parts: Sequence[Tensor], output: Tensor) -> Tensor:
        """All that a matrix is made of goes together: a head."""
        batch = output.shape[:-2]
        together = torch.cat([each.reshape(*batch, -1) for each in parts], -1).reshape(batch.numel(), -1)
        for row in together:
            self.found.tie_all(row)
            if bool((row == NONE).any()):
                self.found.pin(row, "it is multiplied with what is no channel")
        heads = together.amax(1)
        self.found.heads[node.name] = heads
        return heads.view(*batch, 1, 1).expand(output.shape)

    def _softmax(self, node: fx.Node, numbers: Tensor, dim: int | None, output: Tensor) -> Any:
        if dim is None or _varies(numbers, dim % numbers.dim()):
            return self._unknown(node, (numbers,), {}, output)
        return numbers

    def _unknown(self, node: fx.Node, args: Any, kwargs: Any, output: Any) -> Any:
        self.pin_all((args, kwargs), f"'{kind_of(node)}' ({node.name}) is not known to leave channels apart")
        return _zeros(output)

    def _ints(self, node: fx.Node) -> Any:
        return self.found.values[node.name]


_REDUCTIONS = ("mean", "sum", "amax", "amin")


def _reduced(node: fx.Node, numbers: Tensor, output: Tensor) -> Tensor | None:
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    dims = (dims,) if isinstance(dims, int) else dims
    if kind_of(node) not in _REDUCTIONS or not isinstance(dims, tuple | list):
        return None
    gone = sorted({int(dim) % numbers.dim() for dim in dims if isinstance(dim, int)}, reverse=True)
    if any(_varies(numbers, dim) for dim in gone):
        return None
    for dim in gone:
        numbers = numbers.select(dim, 0)
    return numbers if numbers.shape == output.shape else None


def _softmax_dim(node: fx.Node) -> int | None:
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    return dim if isinstance(dim, int) else None


def _dim(node: fx.Node, dims: int, place: int) -> int:
    dim = node.kwargs.get("dim", node.args[place] if len(node.args) > place else 0)
    return (dim if isinstance(dim, int) else 0) % dims


def _varies(numbers: Tensor, dim: int) -> bool:
    return numbers.shape[dim] > 1 and bool((numbers != numbers.narrow(dim, 0, 1)).any())


def _call(node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    target: Callable[..., Any] = node.target  # type: ignore[assignment]
    return target(*args, **kwargs)


def _filled(plain: Any, numbers: Any, ints: Callable[[fx.Node], Any]) -> Any:
    """Arguments with numbers for tensors, and the values of what is no tensor."""
    if isinstance(plain, fx.Node):
        return numbers if numbers is not None else ints(plain)
    if isinstance(plain, tuple | list):
        return type(plain)(_filled(a, b, ints) for a, b in zip(plain, numbers, strict=True))
    if isinstance(plain, dict):
        return {name: _filled(value, numbers[name], ints) for name, value in plain.items()}
    if isinstance(plain, slice):
        return slice(*(_filled(getattr(plain, n), getattr(numbers, n), ints) for n in ("start", "stop", "step")))
    return plain


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [each for part in value for each in _tensors(part)]
    if isinstance(value, dict):
        return _tensors(list(value.values()))
    return []


def _zeros(output: Any) -> Any:
    if isinstance(output, Tensor):
        return torch.zeros(output.shape, dtype=torch.int64)
    if isinstance(output, tuple | list):
        return tuple(_zeros(each) for each in output)
    return None


__all__ = ["CONVOLUTIONS", "NONE", "NORMS", "PINNED", "Labelled", "follow", "kind_of"]
