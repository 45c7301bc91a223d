"""DOTS: operations in a first stage, which edges to keep in a second one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import part, setting
from nascence.errors import SettingError
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import LAPTOP_5000, LAPTOP_DARTS
from nascence.relaxations import DecoupledTopology, Relaxation
from nascence.schedules import Exponential
from nascence.spaces.cells import cell_space
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.descent.stages import Stage


@final
@dataclass(frozen=True, kw_only=True)
class DOTS(GradientMethod):
    """DOTS (Gu, Wang, Liu, Yang, Wu, Lu & Cheng, CVPR 2021, arXiv 2010.00969).

    Of the four phases, the paper's 70 epochs, two are weights alone and operations by bilevel descent with a softmax
    over each group; then a fresh network of the best operation of each group, its weights alone, and the topology
    together with them on all images. On a space that keeps all edges, a dropped edge is one with ``none``.
    """

    name: ClassVar[str] = "dots"
    title: ClassVar[str] = "DOTS: decoupled search, operations first and the sets of edges second"
    paper: ClassVar[str] = "arXiv 2010.00969"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP_5000, "epochs": 50, "phases": (24, 8, 10, 8), "warmup_epochs": 0},
        "laptop-darts": {**LAPTOP_DARTS, "epochs": 28, "phases": (12, 5, 6, 5), "warmup_epochs": 0},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"epochs": 70, "temperature.end": 0.02}
    DECIDES: ClassVar[Mapping[str, str]] = {
        "stages": "makes its stages and their warm-up from epochs",
        "warmup_epochs": "makes its stages and their warm-up from epochs",
        "edge_normalisation": "learns the edges itself",
    }

    phases: tuple[int, int, int, int] = setting(
        (15, 15, 20, 20),
        "How epochs are divided: weights alone, operations, weights of a fresh network, topology.",
        at_least=1,
    )
    temperature: Temperature = part(Temperature)
    balance: float = setting(
        1e-3,
        "Factor on the temperature for the softmax between an edge's two operations, nearly one-hot from the start.",
        at_least=1e-6,
    )

    def __post_init__(self) -> None:
        if self.epochs < 4:
            raise SettingError(f"The setting epochs must be at least 4 for the four phases of dots, not {self.epochs}.")
        super().__post_init__()

    def make_stages(self) -> tuple[Stage, ...]:
        whole = sum(self.phases)
        ends = [max(at + 1, round(self.epochs * sum(self.phases[: at + 1]) / whole)) for at in range(4)]
        prepare, operations, settle, topology = (end - start for start, end in zip([0, *ends], ends, strict=False))
        partial = self.network.partial_channels
        return (
            Stage(epochs=prepare + operations, warmup=prepare, partial=partial),
            Stage(epochs=settle, warmup=settle, partial=partial, restart=True, level="single"),
            Stage(epochs=topology, partial=partial, level="single"),
        )

    def relaxation(self, space: RelaxableSpace, options: Mapping[str, tuple[str, ...]], seed: int) -> Relaxation:
        cells = cell_space(space, self.name)
        temperature = Exponential(self.temperature.start, self.temperature.end, over="stage")
        return DecoupledTopology(cells, options[cells.kinds[0]], temperature, balance=self.balance, seed=seed)
