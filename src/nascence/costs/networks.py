"""Networks of a space at one size, counted or measured one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.costs.counting import count_flops, params
from nascence.costs.groups import reference
from nascence.costs.inputs import counting_device, random_inputs
from nascence.costs.kept import CALM, CALMER, Floats, Kept, KeptLatencies
from nascence.costs.latency import LatencyMeasurement
from nascence.costs.latency_table import LatencyTable
from nascence.costs.memory import trace_memory
from nascence.costs.quiet import ON_THIS_MACHINE, QuietTimes
from nascence.costs.runtimes import Runtime, get_runtime, usual_runtime
from nascence.costs.terms import Terms
from nascence.costs.timing import Call, Clock, Passes, Quiet, take_turns
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import Size, Space
from nascence.spaces.stacks import Piece
from nascence.tasks.base import Signature
from nascence.version import __version__

_LOOK_SECONDS = 0.2
_LOOKS = (20, 400)
"""The least and most passes of a look at how busy the machine is, of about so many seconds."""


@dataclass(frozen=True)
class Networks:
    """A space at a network size, for the inputs of a task. ``threads`` and ``runtime`` (its name; empty for what is
    usual) are for measuring latency, on ``clock``.

    ``latency_table``: where latencies of parts are looked up instead of being measured. ``noise``: of what was measured
    so far, what other work disturbed. ``quiet``: how quick the reference network ever was; None for what is known of
    this machine, with a ``clock`` of one's own for nothing that lasts. ``kept``: where measurements of parts stay for
    whoever asks next, by default likewise; ``anew``: they are measured all the same.
    """

    space: Space
    network: Size
    signature: Signature
    threads: int | None = None
    latency_table: LatencyTable | None = None
    runtime_name: str = ""
    clock: Clock | None = None
    noise: list[str] = field(default_factory=list, repr=False, compare=False)
    _counts: dict[Architecture, dict[str, float]] = field(default_factory=dict, repr=False, compare=False)
    _pieces: dict[Piece, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)
    _latencies: dict[Piece, float] = field(default_factory=dict, repr=False, compare=False)
    _calls: dict[str, Call] = field(default_factory=dict, repr=False, compare=False)
    _now: dict[str, float] = field(default_factory=dict, repr=False, compare=False)
    quiet: QuietTimes | None = field(default=None, repr=False, compare=False)
    kept: KeptLatencies | None = field(default=None, repr=False, compare=False)
    anew: bool = field(default=False, repr=False, compare=False)
    _unrest: list[Passes] = field(default_factory=list, repr=False, compare=False)

    @property
    def runtime(self) -> Runtime:
        """What networks are measured in. Raises :class:`nascence.errors.UnknownNameError`."""
        return get_runtime(self.runtime_name or usual_runtime(self.signature))

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
            (passes,) = self.times([(module, random_inputs(piece.input_shape, 1))], repeats=9, warm_up=2)
            # other work on the machine only ever adds time
            self._latencies[piece] = max(sorted(passes.ms)[2] - self.start_ms(), 0.0)
        return self._latencies[piece]

    def start_ms(self) -> float:
        """What a call takes before it computes anything; 0 where operations are called directly."""
        if self.runtime.copies == 1:
            return 0.0
        if "start" not in self._calls:
            with self.runtime.ready(self.threads) as threads:
                self._calls["start"] = self.runtime.call(nn.Identity(), (torch.zeros(1),), threads)
        with self.runtime.ready(self.threads) as threads:
            reference, quiet = self._reference(threads)
            (passes,) = take_turns(
                [self._calls["start"]],
                reference=reference,
                quiet=quiet,
                repeats=50,
                warm_up=10,
                alone=threads == 1,
                clock=self.clock,
            )
        return sorted(passes.ms)[len(passes.ms) // 4]

    def times(
        self,
        modules: Sequence[tuple[nn.Module, Sequence[Tensor]]],
        *,
        repeats: int,
        warm_up: int,
        turn: int = 5,
        shipped: bool = False,
    ) -> list[Passes]:
        """Passes of modules on inputs in :attr:`runtime`, in turns with the space's reference network."""
        runtime = self.runtime
        with runtime.ready(self.threads) as threads:
            calls = [runtime.call(module.eval(), inputs, threads, shipped=shipped) for module, inputs in modules]
            found = self._turns(calls, threads, repeats=repeats, warm_up=warm_up, turn=turn)
        self.noise.extend(passes.disturbed for passes in found if passes.disturbed)
        self._unrest.extend(found)
        return found

    def calmest(
        self, name: str, shapes: Sequence[tuple[int, ...]], measure: Callable[[], Sequence[Floats]]
    ) -> list[Floats]:
        """The milliseconds that ``measure`` gives, arrays of these ``shapes``, or those that it gave at an earlier and
        calmer moment on this machine. ``name``: of what is measured.

        Ways: nothing is kept (a clock of one's own), or nothing is there yet: measured and kept; a calm measurement is
        there, or one that is about as calm as the machine is now: that one; else measured, and the calmer one counts.
        """
        store = self.kept or (KeptLatencies() if self.clock is None else None)
        if store is None:
            return list(measure())
        threads = self.threads or torch.get_num_threads()
        what = f"{name}; Nascence {__version__}; {self._reference_name(threads)}"
        known = store.read(what)
        if known is not None and [array.shape for array in known.arrays] != list(shapes):
            known = None  # somebody else wrote it
        if known is not None and not self.anew:
            unrest = known.unrest(self._least(threads))
            if unrest <= CALM or unrest <= self._unrest_now(threads) + CALMER:
                self.noise.extend(known.disturbed)
                return known.scaled(self._least(threads))
        noise, passes = len(self.noise), len(self._unrest)
        arrays = tuple(np.asarray(array, dtype=np.float64) for array in measure())
        seen, told = self._unrest[passes:], tuple(dict.fromkeys(self.noise[noise:]))
        least = self._least(threads)
        if not seen or not math.isfinite(least):
            return list(arrays)
        calm = (fmean(each.interrupted for each in seen), fmean(each.slowdown for each in seen))
        found = Kept(arrays, *calm, least, told)
        if known is not None and known.unrest(least) < found.unrest(least):
            return list(arrays) if self.anew else known.scaled(least)
        store.write(what, found)
        return list(arrays)

    def _unrest_now(self, threads: int) -> float:
        """How busy the machine is, by the reference network alone."""
        if "unrest" not in self._now:
            with self.runtime.ready(self.threads) as ready:
                reference, quiet = self._reference(ready)
                began = time.perf_counter()
                reference()
                repeats = int(np.clip(_LOOK_SECONDS / (time.perf_counter() - began), *_LOOKS))
                options: dict[str, Any] = {"repeats": repeats, "warm_up": 3, "turn": 2, "tries": 1}
                (passes,) = take_turns(
                    [reference], reference=reference, quiet=quiet, alone=threads == 1, clock=self.clock, **options
                )
            self._now["unrest"] = passes.unrest
        return self._now["unrest"]

    def _least(self, threads: int) -> float:
        """The quickest milliseconds of the reference that were ever seen; infinity where nothing is known."""
        return self._quiet_times().least(self._reference_name(threads), math.inf)

    def _turns(self, calls: Sequence[Call], threads: int, **counts: int) -> list[Passes]:
        """Passes of ``calls`` in turns with the reference network; ``counts`` as :func:`take_turns` has them."""
        reference, quiet = self._reference(threads)
        return take_turns(calls, reference=reference, quiet=quiet, alone=threads == 1, clock=self.clock, **counts)

    def _reference(self, threads: int) -> tuple[Call, Quiet]:
        """A pass of one and the same random network, and how quick it ever was."""
        architecture = self.space.sample(generator(0, "latency reference"))
        if "reference" not in self._calls:
            module = self.build(architecture).eval()
            self._calls["reference"] = self.runtime.call(module, random_inputs(self.signature, 1), threads)
        return self._calls["reference"], partial(self._quiet_times().least, self._reference_name(threads))

    def _reference_name(self, threads: int) -> str:
        """All that its time depends on."""
        architecture = self.space.sample(generator(0, "latency reference"))
        return (
            f"{self.runtime.device()}; {self.runtime.name}, {threads} threads; {self.space.name} "
            f"{self.space.format(architecture)}; {self.network}; {self.signature}"
        )

    def _quiet_times(self) -> QuietTimes:
        return self.quiet or (ON_THIS_MACHINE if self.clock is None else QuietTimes(lambda: None))

    def measure(
        self, architecture: Architecture, repeats: int = 30, warm_up: int = 5, *, shipped: bool = False
    ) -> LatencyMeasurement:
        """The network's latency on this machine in :attr:`runtime`, of one image or graph. ``shipped``: of the very
        file that is exported in the end."""
        return self.measure_all([architecture], repeats, warm_up, shipped=shipped)[0]

    def measure_all(
        self,
        architectures: Sequence[Architecture],
        repeats: int = 30,
        warm_up: int = 5,
        *,
        turn: int = 5,
        shipped: bool = False,
    ) -> list[LatencyMeasurement]:
        """:meth:`measure` of several in turns of so many passes. Raises :class:`SettingError` on counts below one."""
        for name, value, least in (("repeats", repeats, 1), ("warm_up", warm_up, 0)):
            if value < least:
                raise SettingError(f"{name} must be at least {least}, not {value}.")
        inputs = random_inputs(self.signature, 1)
        modules = [(self.build(architecture), inputs) for architecture in architectures]
        found = self.times(modules, repeats=repeats, warm_up=warm_up, turn=turn, shipped=shipped)
        return [self._measured(passes, warm_up) for passes in found]

    def measure_beside_reference(
        self, architecture: Architecture, repeats: int = 30, warm_up: int = 5
    ) -> tuple[LatencyMeasurement, LatencyMeasurement]:
        """(of the reference network, of the architecture's), in turns."""
        with self.runtime.ready(self.threads) as threads:
            call = self.runtime.call(self.build(architecture).eval(), random_inputs(self.signature, 1), threads)
            reference, _ = self._reference(threads)
            beside, found = self._turns([reference, call], threads, repeats=repeats, warm_up=warm_up)
        return self._measured(beside, warm_up), self._measured(found, warm_up)

    def _measured(self, passes: Passes, warm_up: int) -> LatencyMeasurement:
        threads = self.threads or torch.get_num_threads()
        about: dict[str, Any] = {"threads": threads, "device": self.runtime.device(), "runtime": self.runtime.name}
        return LatencyMeasurement.of(passes, batch=1, warm_up=warm_up, **about)


__all__ = ["Networks"]
