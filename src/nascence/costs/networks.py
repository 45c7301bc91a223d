"""Networks of a space at one size, counted or measured one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.costs.counting import count_flops, params
from nascence.costs.groups import reference
from nascence.costs.inputs import counting_device
from nascence.costs.latency import LatencyMeasurement, latency_ms, threads_set_to, time_ms
from nascence.costs.latency_table import LatencyTable
from nascence.costs.memory import trace_memory
from nascence.costs.terms import Terms
from nascence.spaces import Size, Space
from nascence.spaces.stacks import Piece
from nascence.tasks.base import Signature


@dataclass(frozen=True)
class Networks:
    """A space at a network size, for the inputs of a task; ``threads`` is for measuring latency.

    ``latency_table``: where latencies of parts are looked up instead of being measured.
    """

    space: Space
    network: Size
    signature: Signature
    threads: int | None = None
    latency_table: LatencyTable | None = None
    _counts: dict[Architecture, dict[str, float]] = field(default_factory=dict, repr=False, compare=False)
    _pieces: dict[Piece, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)
    _latencies: dict[Piece, float] = field(default_factory=dict, repr=False, compare=False)

    def build(self, architecture: Architecture) -> nn.Module:
        """The network, freshly initialised."""
        return self.space.build(architecture, network=self.network, signature=self.signature)

    def count(self, name: str, architecture: Architecture) -> float:
        """``params``, ``flops`` or ``memory_mib``, of images from the shapes of modules alone, without weights. Of
        networks in pieces also ``latency_ms``: the sum of the pieces' own, each measured once."""
        known = self._counts.setdefault(architecture, {})
        if name not in known and self.terms is not None and name in self.terms:
            known[name] = self.terms.cost(name, architecture)
        if name not in known:
            pieces = self.space.pieces(architecture, self.network, self.signature)
            if name == "latency_ms":
                assert pieces is not None
                known[name] = sum(self._piece_ms(piece) for piece in pieces)
                return known[name]
            if name != "memory_mib" and pieces is not None:
                counted = self._pieces.get
                counts = [counted(piece) or self._count_piece(piece) for piece in pieces]
                known["params"], known["flops"] = (float(sum(column)) for column in zip(*counts, strict=True))
                return known[name]
            with torch.random.fork_rng(devices=[]), counting_device(self.signature):
                module = self.space.assemble(architecture, self.network, self.signature)
            if name == "memory_mib":
                known[name] = trace_memory(module, self.signature)
            else:
                known |= {"params": float(params(module)), "flops": float(count_flops(module, self.signature))}
        return known[name]

    @cached_property
    def terms(self) -> Terms | None:
        """Costs from tables over a few choices, where the space has such."""
        terms = self.space.cost_terms(self.network, self.signature)
        return None if terms is None else Terms(self.space, terms)

    @property
    def in_pieces(self) -> bool:
        """Whether networks are counted piece by piece: quickly, and because their costs are no sum over choices."""
        return self.space.pieces(reference(self.space), self.network, self.signature) is not None

    def _count_piece(self, piece: Piece) -> tuple[int, int]:
        """Its parameters and FLOPs, kept."""
        with torch.device("meta"):
            module = piece.build()
        self._pieces[piece] = params(module), count_flops(module, piece.input_shape)
        return self._pieces[piece]

    def _piece_ms(self, piece: Piece) -> float:
        if piece not in self._latencies:
            with torch.random.fork_rng(devices=[]):
                module = piece.build().eval()
            x_BCHW = torch.rand(1, *piece.input_shape, generator=torch.Generator().manual_seed(0))
            with threads_set_to(self.threads), torch.inference_mode():
                # other work on the machine only ever adds time
                self._latencies[piece] = sorted(time_ms(lambda: module(x_BCHW), 9, 2))[2]
        return self._latencies[piece]

    def measure(self, architecture: Architecture, repeats: int = 30, warm_up: int = 5) -> LatencyMeasurement:
        """The network's latency on this machine, of one image or graph."""
        network = self.build(architecture)
        return latency_ms(network, self.signature, threads=self.threads, repeats=repeats, warm_up=warm_up)

    def cost(self, name: str, architecture: Architecture) -> float:
        """``params``, ``flops``, ``memory_mib``, or the measured ``latency_ms``."""
        return self.measure(architecture).median_ms if name == "latency_ms" else self.count(name, architecture)


__all__ = ["Networks"]
