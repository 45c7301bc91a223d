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
from nascence.costs.latency import threads_set_to, time_ms
from nascence.costs.networks import Networks
from nascence.errors import SettingError, UnknownNameError
from nascence.operations import NormConfig, build_operation
from nascence.seeding import generator
from nascence.spaces import CellSpace
from nascence.spaces.cells import Edge

_REPEATS, _WARM_UP = 25, 3
_FITTED, _FIT_REPEATS = 10, 9
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
        if looked_up is not None:
            shape = len(self.space.shape.edges), len(self.space.operations)
            return looked_up.constant, np.array([looked_up.part(kind, *shape) for kind in self.space.kinds])
        with threads_set_to(self.networks.threads), torch.inference_mode():
            table = self._table(_Clock([place for _, _, place in self._frame[1]], self.space.operations))
        flat = table.ravel()
        sums = [flat[positions].sum(axis=1) for positions in self.operations]
        fixed = float(flat[self._fixed].sum())
        ends = [combine(self.space, self.groups, [int(pick(part)) for part in sums]) for pick in (np.argmin, np.argmax)]
        samples = [self.space.sample(generator(at, "latency-fit")) for at in range(_FITTED - len(ends))]
        raw, measured = [], []
        for architecture in ends + samples:
            parts = zip(sums, self.groups, strict=True)
            raw.append(fixed + float(sum(part[group.position(architecture)] for part, group in parts)))
            measured.append(self.networks.measure(architecture, repeats=_FIT_REPEATS, warm_up=2).median_ms)
        constant, stretch = _line(np.array(raw), np.array(measured))
        return constant, stretch * table

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
    """Milliseconds of every operation in every place, with the addition that follows it.

    All are timed in turns, once a round, so that other work on the machine disturbs all alike, and nobody finds the
    cache as it left it. As other work only ever adds time, a low quantile is steadier than the median.
    """

    def __init__(self, places: Sequence[_Place], operations: Sequence[str]) -> None:
        keys = dict.fromkeys(itertools.product(places, operations))
        calls = {key: _call(*key) for key in keys}
        times: dict[tuple[_Place, str], list[float]] = {key: [] for key in keys}
        for at in range(_WARM_UP + _REPEATS):
            for key, call in calls.items():
                (taken,) = time_ms(call, 1, 0)
                if at >= _WARM_UP:
                    times[key].append(taken)
        self._times = {key: float(np.quantile(values, 0.25)) for key, values in times.items()}

    def __call__(self, place: _Place, operation: str) -> float:
        return self._times[place, operation]


def _call(place: _Place, operation: str) -> Callable[[], object]:
    with torch.random.fork_rng(devices=[]):
        module = place.build(operation).eval()
    x_BCHW = torch.rand(1, *place.input_shape, generator=torch.Generator().manual_seed(0))
    node = torch.zeros_like(module(x_BCHW))
    return lambda: node + module(x_BCHW)


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
