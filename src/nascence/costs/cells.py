"""What each operation costs in each place of a cell space's network, without building any architecture."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nascence.costs.counting import count_flops, params
from nascence.costs.groups import cell_groups, combine
from nascence.costs.networks import Networks
from nascence.errors import SettingError, UnknownNameError
from nascence.operations import NormConfig, build_operation
from nascence.seeding import generator
from nascence.spaces import CellSpace
from nascence.spaces.cells import Edge

_REPEATS, _WARM_UP = 25, 3
_LEAST_MS = 1e-4
_FITTED, _FIT_REPEATS, _MOST_FIT_REPEATS, _FIT_MS = 10, 9, 60, 60.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Place:
    """What an operation's cost depends on: its build arguments and its input [C, H, W]."""

    channels: int
    stride: int
    norm: NormConfig
    input_shape: tuple[int, ...]

    def build(self, operation: str) -> nn.Module:
        return build_operation(operation, self.channels, self.channels, self.stride, self.norm)


class _Probe(nn.Module):
    """Stands on an edge, notes the input's shape, and costs nothing."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self.edge = edge
        self.zero = build_operation("none", edge.channels, edge.channels, edge.stride, edge.norm)
        self.input_shape: tuple[int, ...] = ()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        self.input_shape = tuple(x_BCHW.shape[1:])
        return self.zero(x_BCHW)

    @property
    def place(self) -> _Place:
        return _Place(self.edge.channels, self.edge.stride, self.edge.norm, self.input_shape)


class CellPricing:
    """Prices of a cell space: every network costs a constant (stem, reductions, preprocessing, classifier) plus, for
    each kept edge, the entry of its operation in a table [kinds, E, O].

    Exact for ``params`` and ``flops``. ``latency_ms`` is measured per distinct operation and place; constant and
    stretch of the sum are fitted to ten measured networks: of the lowest and the highest sum, and eight random ones.
    """

    def __init__(self, space: CellSpace, networks: Networks) -> None:
        self.space = space
        self.networks = networks
        self.groups, self.operations, self._fixed = cell_groups(space)
        self._tables: dict[str, tuple[float, Floats]] = {}

    def prices(self, name: str) -> list[Floats]:
        """Per group the cost [N] of its combinations; the constant is in the first group."""
        constant, table = self.table(name)
        flat = table.ravel()
        prices = [flat[positions].sum(axis=1) for positions in self.operations]
        prices[0] = prices[0] + (constant + flat[self._fixed].sum())
        return prices

    def table(self, name: str) -> tuple[float, Floats]:
        """The constant and the entries [kinds, E, O], each summed over all cells of the kind."""
        if name not in self._tables:
            self._tables[name] = {"params": self._params, "flops": self._flops, "latency_ms": self._latency}[name]()
        return self._tables[name]

    def flatten(self, values: Mapping[str, Tensor], missing: float) -> Floats:
        """Values [E, O] per kind of cell as one array [kinds x E x O] in the order of :attr:`operations`; ``missing``
        for kinds that are not there. Raises :class:`SettingError` on an unknown kind or a wrong shape."""
        shape = (len(self.space.shape.edges), len(self.space.operations))
        for kind in values:
            if kind not in self.space.kinds:
                raise UnknownNameError("kind of cell", kind, self.space.kinds)
        parts = [
            as_array(values[kind], shape, kind) if kind in values else np.full(shape, missing)
            for kind in self.space.kinds
        ]
        return np.stack(parts).ravel()

    def _params(self) -> tuple[float, Floats]:
        frame, _ = self._frame
        return float(params(frame)), self._table(lambda place, operation: params(_on_meta(place, operation)))

    def _flops(self) -> tuple[float, Floats]:
        frame, _ = self._frame
        table = self._table(lambda place, operation: count_flops(_on_meta(place, operation), place.input_shape))
        return float(count_flops(frame, self.networks.signature)), table

    def _latency(self) -> tuple[float, Floats]:
        looked_up = self.networks.latency_table
        shape = len(self.space.shape.edges), len(self.space.operations)
        if looked_up is not None:
            return looked_up.constant, np.array([looked_up.part(kind, *shape) for kind in self.space.kinds])
        constant, table = self.networks.calmest(
            "operations in their places", [(), (len(self.space.kinds), *shape)], self._measured
        )
        return float(constant), table

    def _measured(self) -> list[Floats]:
        """The constant and the table, measured now."""
        table = self._table(_Clock([place for _, _, place in self._frame[1]], self.space.operations, self.networks))
        flat = table.ravel()
        sums = [flat[positions].sum(axis=1) for positions in self.operations]
        fixed = float(flat[self._fixed].sum())
        ends = [combine(self.space, self.groups, [int(pick(part)) for part in sums]) for pick in (np.argmin, np.argmax)]
        samples = [self.space.sample(generator(at, "latency-fit")) for at in range(_FITTED - len(ends))]
        raw = []
        for architecture in ends + samples:
            parts = zip(sums, self.groups, strict=True)
            raw.append(fixed + float(sum(part[group.position(architecture)] for part, group in parts)))
        # a busy machine changes within milliseconds: quick networks are asked in more of its moments
        repeats = int(np.clip(_FIT_MS / max(float(np.median(raw)), _LEAST_MS), _FIT_REPEATS, _MOST_FIT_REPEATS))
        measured = self.networks.measure_all(ends + samples, repeats=repeats, warm_up=2, turn=1)
        constant, stretch = _line(np.array(raw), np.array([each.median_ms for each in measured]))
        return [np.array(constant), stretch * table]

    @cached_property
    def _frame(self) -> tuple[nn.Module, list[tuple[int, int, _Place]]]:
        """The network with nothing on its edges, on the meta device, and the (kind, edge, place) of every operation."""
        probes: list[_Probe] = []

        def fill(edge: Edge) -> nn.Module:
            probes.append(_Probe(edge))
            return probes[-1]

        with torch.device("meta"):
            networks = self.networks
            signature = networks.signature
            frame = self.space.stack(fill, networks.network, signature.features, signature.outputs)
        count_flops(frame, signature)
        return frame, [(self.space.kinds.index(probe.edge.kind), probe.edge.at, probe.place) for probe in probes]

    def _table(self, cost: Callable[[_Place, str], float]) -> Floats:
        known: dict[tuple[_Place, str], float] = {}
        table = np.zeros((len(self.space.kinds), len(self.space.shape.edges), len(self.space.operations)))
        for kind, at, place in self._frame[1]:
            for number, operation in enumerate(self.space.operations):
                key = (place, operation)
                if key not in known:
                    known[key] = float(cost(place, operation))
                table[kind, at, number] += known[key]
        return table


def as_array(values: Tensor, shape: tuple[int, ...], what: str) -> Floats:
    """Values of an expected shape as an array. Raises :class:`SettingError`."""
    if tuple(values.shape) != shape:
        raise SettingError(f"Expected values of shape {list(shape)} for '{what}', got {list(values.shape)}.")
    return values.detach().to("cpu", torch.float64).numpy()


def _on_meta(place: _Place, operation: str) -> nn.Module:
    with torch.device("meta"):
        return place.build(operation)


class _Clock:
    """Milliseconds of every operation in every place, with the addition that follows it, in the networks' runtime.

    All are timed in turns, once a turn, so that other work on the machine disturbs all alike, and nobody finds the
    cache as it left it. As other work only ever adds time, a low quantile is steadier than the median. Where a call
    takes a while before it computes anything, several copies of an operation share it, and it is taken away.
    """

    def __init__(self, places: Sequence[_Place], operations: Sequence[str], networks: Networks) -> None:
        keys = list(dict.fromkeys(itertools.product(places, operations)))
        copies = networks.runtime.copies
        modules = [_copies(place, operation, copies) for place, operation in keys]
        found = networks.times(modules, repeats=_REPEATS, warm_up=_WARM_UP, turn=1)
        start = networks.start_ms()
        self._times = {
            key: max(float(np.quantile(passes.ms, 0.25)) - start, _LEAST_MS) / copies
            for key, passes in zip(keys, found, strict=True)
        }

    def __call__(self, place: _Place, operation: str) -> float:
        return self._times[place, operation]


class _Chain(nn.Module):
    """Operations that keep the shape, one after the other, each followed by an addition."""

    def __init__(self, operations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for operation in self.operations:
            x_BCHW = x_BCHW + operation(x_BCHW)
        return x_BCHW


class _Sum(nn.Module):
    """Operations side by side, each with an input of its own, and their sum with what a node has already."""

    def __init__(self, operations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)

    def forward(self, node_BCHW: Tensor, *inputs: Tensor) -> Tensor:
        for operation, x_BCHW in zip(self.operations, inputs, strict=True):
            node_BCHW = node_BCHW + operation(x_BCHW)
        return node_BCHW


def _copies(place: _Place, operation: str, copies: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A module with so many copies of an operation, and what it is called with."""
    with torch.random.fork_rng(devices=[]):
        modules = [place.build(operation).eval() for _ in range(copies)]
    inputs = [torch.rand(1, *place.input_shape, generator=torch.Generator().manual_seed(at)) for at in range(copies)]
    with torch.no_grad():
        node = torch.zeros_like(modules[0](inputs[0]))
    if copies > 1 and node.shape == inputs[0].shape:
        return _Chain(modules), (inputs[0],)
    return _Sum(modules), (node, *inputs)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Constant >= 0 and slope > 0 of a line through points, by the medians of Theil (1950) and Sen (1968): single
    disturbed measurements do not move it."""
    first, second = np.triu_indices(len(x), 1)
    apart = x[first] != x[second]
    slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
    slope = float(np.median(slopes)) if len(slopes) else 1.0
    slope = slope if slope > 0 else 1.0
    return max(float(np.median(y - slope * x)), 0.0), slope


__all__ = ["CellPricing", "as_array"]
