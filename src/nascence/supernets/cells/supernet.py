"""The supernet of a cell space."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from nascence.errors import SettingError
from nascence.initialisation import initialise
from nascence.operations import NormConfig, Zero, build_operation
from nascence.operations.drop_block import DropBlock
from nascence.schedules import Constant, Moment, Schedule
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.supernets.base import Supernet
from nascence.supernets.cells.fused import FusedReLU, channels_last, fuse, is_fused, last_norm, positions
from nascence.supernets.cells.shape import CellShape, Edge, Fill
from nascence.supernets.cells.sharing import SharedOperations, Sharing, share_modules
from nascence.supernets.groups import ChoiceGroup, MixingWeights, on_cpu


class StackedCells(Protocol):
    """What the supernet needs of a space of cells."""

    operations: tuple[str, ...]

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]: ...

    @property
    def stack(self) -> Callable[..., nn.Module]: ...


@final
class MixedCell(nn.Module):
    """A cell with every operation on every edge: node j = sum_{i < j} sum_o w[(i, j), o] * op_o^(i,j)(node i).

    The operations of all edges with one source are fused (:mod:`nascence.supernets.cells.fused`). A weight of exactly
    zero that needs no gradient costs nothing: its operation is not run.

    ``mixing`` [E, O], or [M, E, O] with inputs [M * N, C, H, W]: the first N belong to the first of M networks, etc.
    ``sparse``: a weight of exactly zero costs nothing even where it needs a gradient, which is then zero.

    ``partial`` K above 1: partial channels (Xu et al., PC-DARTS, ICLR 2020, section 3.1). The first C / K channels of a
    node go through the operations; the others pass by, times the sum of the edge's weights (max-pooled where the edge
    has stride 2); then the channels are shuffled in K groups. Both are linear, so it is done once a node.

    ``sharing``: what the operations of an edge have in common runs once (:mod:`nascence.supernets.cells.sharing`); then
    there is one network only, no M of them side by side.
    """

    def __init__(
        self,
        shape: CellShape,
        kind: str,
        channels: int,
        norm: NormConfig,
        fill: Fill,
        preprocess: Sequence[nn.Module] = (),
        reduction: bool = False,
        partial: int = 1,
        sharing: Sharing = "none",
    ) -> None:
        super().__init__()
        if channels % partial:
            raise SettingError(f"A cell of {channels} channels cannot send 1/{partial} of them through its operations.")
        self.kind = kind
        self.shape = shape
        self.partial = partial
        self.mixed_channels = channels // partial
        self.preprocess = nn.ModuleList(preprocess)
        self.sources = nn.ModuleList()
        self.zeros = nn.ModuleList()
        self.columns: list[list[list[int]]] = []
        """Per source and module, which operations it computes."""
        prices: dict[int, list[int]] = {}
        for source in range(shape.inputs + shape.nodes - 1):
            stride = 2 if reduction and source < shape.inputs else 1
            at = self._edges_from(source)
            candidates = fill(Edge(kind, at[0], self.mixed_channels, stride, norm))
            assert isinstance(candidates, nn.ModuleList)
            sizes = [sum(p.numel() for p in each.parameters()) for each in candidates]
            prices |= dict.fromkeys(at, sizes)
            carriers = share_modules([fuse(candidate, len(at)) for candidate in candidates], sharing)
            self.sources.append(nn.ModuleList(module for _, module in carriers))
            self.columns.append([list(columns) for columns, _ in carriers])
            self.zeros.append(Zero(self.mixed_channels, stride))
        self.params_EO = torch.tensor([prices[at] for at in range(len(shape.edges))], dtype=torch.float64)
        """Of each operation on each edge, were it alone."""
        self.mixing: Tensor | None = None
        self.known: Tensor | None = None
        """The same on the CPU, None where nobody knows."""
        self.sparse = False

    def _edges_from(self, source: int) -> list[int]:
        return [at for at, edge in enumerate(self.shape.edges) if edge[0] == source]

    def forward(self, *inputs_BCHW: Tensor) -> Tensor:
        assert self.mixing is not None, "a supernet is called with mixing weights"
        states: list[Tensor | None] = list(inputs_BCHW)
        if self.preprocess:
            states = [module(x) for module, x in zip(self.preprocess, inputs_BCHW, strict=True)]
        used = self._used()
        if self.mixing.dim() == 2 and bool((used.all(0) | ~used.any(0)).all()):
            return self._forward_dense([x for x in states if x is not None], self.mixing, used.any(0).tolist())
        states += [None] * self.shape.nodes
        passing: list[Tensor | None] = [None] * len(states)
        for source in range(len(states)):
            x_BCHW = states[source]
            assert x_BCHW is not None, "every node has an edge from every earlier one"
            if self.partial > 1 and source >= self.shape.inputs:
                x_BCHW = states[source] = self._complete(x_BCHW, passing[source])
            if source < len(self.sources):
                self._leave(source, x_BCHW[:, : self.mixed_channels], states, used)
                if self.partial > 1:
                    self._pass_by(source, x_BCHW[:, self.mixed_channels :], passing)
        assert all(state is not None for state in states)
        inner = [state for state in states[self.shape.inputs :] if state is not None]
        return torch.cat(inner, dim=1) if self.shape.output == "concat" else inner[-1]

    def _used(self) -> Tensor:
        """Booleans [E, O]: which operations run on which edges."""
        assert self.mixing is not None
        if self.mixing.requires_grad and not self.sparse:
            return torch.ones(self.mixing.shape[-2:], dtype=torch.bool)
        known = self.mixing.detach().cpu() if self.known is None else self.known
        return (known != 0).reshape(-1, *known.shape[-2:]).any(0)

    def _forward_dense(self, states: list[Tensor], mixing: Tensor, used: list[bool]) -> Tensor:
        """Where an operation runs on all edges or on none: the sums of all nodes that are not complete yet lie side by
        side in one tensor, as the fused operations of one source give them, and no part of it is ever copied out."""
        shape, channels = self.shape, self.mixed_channels
        sums: Tensor | None = None
        beside: list[Tensor | None] = [None] * (shape.inputs + shape.nodes)
        for source, candidates in enumerate(self.sources):
            if source >= shape.inputs:
                assert sums is not None
                last = channels_last(sums)
                complete, sums = sums.split([channels, sums.shape[1] - channels], dim=1)
                if last:
                    complete = complete.contiguous(memory_format=torch.channels_last)
                states.append(self._complete(complete, beside[source]))
            x_BCHW = states[source][:, :channels] if self.partial > 1 else states[source]
            edges = self._edges_from(source)
            places = positions(edges, mixing.device)
            assert isinstance(candidates, nn.ModuleList)
            for columns, operation in zip(self.columns[source], candidates, strict=True):
                if not any(used[at] for at in columns) or isinstance(operation, Zero):
                    continue
                if isinstance(operation, SharedOperations):
                    _activate(operation, None, None)
                    out = operation(x_BCHW, mixing[places][:, positions(columns, mixing.device)])
                    sums = out if sums is None else sums + out
                else:
                    sums = self._add_dense(sums, operation, x_BCHW, mixing[places, columns[0]])
            if sums is None:
                sums = self.zeros[source](x_BCHW).repeat(1, len(edges), 1, 1)
            if self.partial > 1:
                self._pass_by(source, states[source][:, channels:], beside)
        assert sums is not None
        states.append(self._complete(sums, beside[-1]))
        inner = states[shape.inputs :]
        return torch.cat(inner, dim=1) if shape.output == "concat" else inner[-1]

    def _complete(self, mixed_BCHW: Tensor, beside_BCHW: Tensor | None) -> Tensor:
        """A node from what went through operations and what passed by."""
        if beside_BCHW is None:
            return mixed_BCHW
        return shuffle_channels(torch.cat([mixed_BCHW, beside_BCHW], dim=1), self.partial)

    @staticmethod
    def _add_dense(sums: Tensor | None, operation: nn.Module, x_BCHW: Tensor, factors_T: Tensor) -> Tensor:
        """sums [B, T * C, H, W] plus each edge's factor times the operation."""
        _activate(operation, None, None)
        norm = last_norm(operation)
        if norm is not None:
            norm.scale = factors_T
            out = operation(x_BCHW)
            norm.scale = None
            return out if sums is None else sums + out
        out = operation(x_BCHW)
        edges, fused = len(factors_T), is_fused(operation)
        if channels_last(x_BCHW):  # the same with channels at the end, so that memory is walked in order
            out = out.movedim(1, -1)
            out = out.unflatten(-1, (edges, -1)) if fused else out[..., None, :]
            added = scaled_sum(
                None if sums is None else sums.movedim(1, -1).unflatten(-1, (edges, -1)), out, factors_T[:, None]
            )
            return added.flatten(-2).movedim(-1, 1)
        out = out.unflatten(1, (edges, -1)) if fused else out[:, None]
        factors = factors_T.view(-1, 1, 1, 1)
        return scaled_sum(None if sums is None else sums.unflatten(1, (edges, -1)), out, factors).flatten(1, 2)

    def _leave(self, source: int, x_BCHW: Tensor, states: list[Tensor | None], used: Tensor) -> None:
        """Add what the edges from ``source`` carry to the nodes they enter."""
        assert self.mixing is not None
        candidates = self.sources[source]
        assert isinstance(candidates, nn.ModuleList)
        edges = self._edges_from(source)
        targets = [self.shape.edges[at][1] for at in edges]
        device = self.mixing.device
        mixing, used = self.mixing[..., positions(edges, device), :], used[edges]
        choosy = self.sparse or not mixing.requires_grad
        for columns, operation in zip(self.columns[source], candidates, strict=True):
            at = columns[0]
            active = used[:, columns].any(1).nonzero().flatten().tolist()
            if not active or isinstance(operation, Zero):
                continue
            # which of the networks side by side have the operation on which active edge
            runs = mixing[:, positions(active, device), at] != 0 if choosy and mixing.dim() == 3 else None
            _activate(operation, None if len(active) == len(edges) else active, runs)
            if isinstance(operation, SharedOperations):
                assert mixing.dim() == 2, "shared modules know one network at a time"
                out = operation(x_BCHW, mixing[positions(active, device)][:, positions(columns, device)])
                for part, edge in zip(out.chunk(len(active), dim=1), active, strict=True):
                    before = states[targets[edge]]
                    states[targets[edge]] = part if before is None else before + part
                continue
            out = operation(x_BCHW)
            parts = out.chunk(len(active), dim=1) if is_fused(operation) else [out] * len(active)
            for part, edge in zip(parts, active, strict=True):
                factor = mixing[..., edge, at]
                states[targets[edge]] = add_scaled(states[targets[edge]], part, factor)
        for target in targets:
            if states[target] is None:
                states[target] = self.zeros[source](x_BCHW)

    def _pass_by(self, source: int, x_BCHW: Tensor, passing: list[Tensor | None]) -> None:
        """The channels that take no part in the operations of the edges from ``source``."""
        assert self.mixing is not None
        zero = self.zeros[source]
        assert isinstance(zero, Zero)
        if zero.stride > 1:
            x_BCHW = nn.functional.max_pool2d(x_BCHW, zero.stride, zero.stride, ceil_mode=True)
        for at in self._edges_from(source):
            target = self.shape.edges[at][1]
            passing[target] = add_scaled(passing[target], x_BCHW, self.mixing[..., at, :].sum(-1))


def _activate(operation: nn.Module, active: list[int] | None, runs: Tensor | None) -> None:
    for module in operation.modules():
        if hasattr(module, "active"):
            module.active = active  # type: ignore[assignment]
        if isinstance(module, FusedReLU):
            module.runs = runs


def scaled_sum(total: Tensor | None, x: Tensor, factor: Tensor) -> Tensor:
    """total + factor * x; no total counts as zero."""
    return x * factor if total is None else torch.addcmul(total, x, factor)


def add_scaled(total: Tensor | None, x_BCHW: Tensor, factor: Tensor) -> Tensor:
    """total + factor * x, with a factor [] or one per group of consecutive inputs [M]; no total counts as zero."""
    if factor.dim() == 0:
        return scaled_sum(total, x_BCHW, factor)
    groups = len(factor)
    factor, x = factor.view(-1, 1, 1, 1, 1), x_BCHW.unflatten(0, (groups, -1))
    return scaled_sum(None if total is None else total.unflatten(0, (groups, -1)), x, factor).flatten(0, 1)


def shuffle_channels(x_BCHW: Tensor, groups: int) -> Tensor:
    """Channel g * n + i of ``groups`` groups of n becomes channel i * groups + g."""
    return x_BCHW.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


@final
class CellSupernet(Supernet):
    """All operations on all edges of all cells of ``space``.

    The same seed gives the same weights; the schemes are those of :mod:`nascence.initialisation`. ``cell`` is called
    like :class:`MixedCell`; ``partial`` and ``sharing`` are its.
    """

    def __init__(
        self,
        space: StackedCells,
        network: Any,
        *,
        in_channels: int = 3,
        num_classes: int = 10,
        initialisation: str = "default",
        seed: int = 0,
        partial: int = 1,
        sharing: Sharing = "none",
        cell: Callable[..., nn.Module] = MixedCell,
    ) -> None:
        super().__init__()
        self.groups = space.groups
        if partial > 1:
            cell = functools.partial(cell, partial=partial)
        if sharing != "none":
            cell = functools.partial(cell, sharing=sharing)

        def fill(edge: Edge) -> nn.ModuleList:
            return nn.ModuleList(
                build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm) for name in space.operations
            )

        with seeded_globally(derive_seed(seed, "construction")):
            self.network = space.stack(fill, network, in_channels, num_classes, cell=cell)
        self.drop_rate: Schedule = Constant(0.0)
        initialise(self.network, initialisation, generator(seed, "weights"))

    def drop_identities(self, rate: Schedule, block: int = 3) -> None:
        """A :class:`DropBlock` after every ``skip_connect``, at a rate that :meth:`prepare` sets.

        Edges with one source share the dropped blocks, as they share the operation.
        """
        self.drop_rate = rate
        operations = self.groups[0].options
        skip = [operations.index("skip_connect")] if "skip_connect" in operations else []
        for cell in self.modules():
            if isinstance(cell, MixedCell):
                for carriers, columns in zip(cell.sources, cell.columns, strict=True):
                    assert isinstance(carriers, nn.ModuleList)
                    if skip in columns:
                        at = columns.index(skip)
                        carriers[at] = nn.Sequential(carriers[at], DropBlock(block))

    def prepare(self, moment: Moment, random: torch.Generator) -> None:
        """Before the forward passes of a step: what is dropped follows from ``random``."""
        for module in self._drop_blocks():
            module.rate, module.generator = self.drop_rate(moment), random

    @contextlib.contextmanager
    def undropped(self) -> Iterator[None]:
        """Inside, nothing is dropped."""
        rates = [module.rate for module in self._drop_blocks()]
        try:
            for module in self._drop_blocks():
                module.rate = 0.0
            yield
        finally:
            for module, rate in zip(self._drop_blocks(), rates, strict=True):
                module.rate = rate

    def _drop_blocks(self) -> list[DropBlock]:
        return [module for module in self.modules() if isinstance(module, DropBlock)]

    def forward(self, x_BCHW: Tensor, weights: MixingWeights, sparse: bool = False) -> Tensor:  # type: ignore[override]
        """Outputs [B, num_classes] under ``weights`` (one entry per kind of cell that the network has).

        ``sparse``: operations of weight zero do not run, and their weight gets no gradient.
        """
        known = on_cpu(weights)
        for module in self.network.modules():
            if isinstance(module, MixedCell):
                module.mixing, module.sparse = weights[module.kind], sparse
                module.known = known[module.kind].detach()
        return self.network(x_BCHW)

    def expected(self, cost: str, weights: MixingWeights) -> Tensor:
        """The mean of ``params`` over architectures drawn edge by edge (weights that do not add up to 1 leave an edge
        out), in double precision: at one-hot weights, what the derived network of this size has. With ``partial`` the
        operations count as they are here, with fewer channels. Raises :class:`SettingError` for other costs."""
        if cost != "params":
            raise SettingError(f"This supernet does not know its expected {cost}.")
        cells = [module for module in self.network.modules() if isinstance(module, MixedCell)]
        rest = sum(p.numel() for p in self.network.parameters())
        rest -= sum(p.numel() for cell in cells for p in cell.sources.parameters())
        parts = [(weights[cell.kind].double() * cell.params_EO.to(weights[cell.kind].device)).sum() for cell in cells]
        return torch.stack(parts).sum() + rest
