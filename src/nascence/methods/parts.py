"""Settings that several methods have in parts, each declared once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nascence.declaring import Settings, setting
from nascence.errors import SettingError, UnknownNameError
from nascence.methods.predicting import MEASURED
from nascence.objectives import Objective, TaskLoss
from nascence.objectives.onnx_teacher import OnnxTeacher
from nascence.objectives.prices import Cost, Form
from nascence.schedules import Constant
from nascence.spaces import Size, Space
from nascence.strategies.descent.settings import ShrunkImages
from nascence.supernets.cells.sharing import Sharing


@dataclass(frozen=True, kw_only=True)
class Temperature(Settings):
    """Of what is drawn or chosen softly: from ``start`` to ``end``, along the method's own curve."""

    start: float = setting(10.0, "Of the samples, at the beginning.", at_least=1e-6, alias="temperature")
    end: float = setting(0.1, "Of the samples, at the end.", at_least=1e-6, alias="final_temperature")


@dataclass(frozen=True, kw_only=True)
class Epochs(Settings):
    """How long a supernet is trained."""

    epochs: int = setting(50, "Of the search.", at_least=1)
    warmup_epochs: int = setting(
        0, "At the beginning of each stage, in which the weights alone are trained.", at_least=0
    )


@dataclass(frozen=True, kw_only=True)
class Resized(Settings):
    """Another size than a named one of the space."""

    channels: int | None = setting(None, "Of the first stage, none for what the space's size has.", at_least=1)
    depth: int | None = setting(None, "Cells, or what the space counts, none for what its size has.", at_least=1)

    def sized(self, space: Space, network: Size) -> Size:
        """``network``, a size of ``space``, with the channels and the depth that are set. Raises :class:`SettingError`
        where sizes of the space have no such field."""
        return space.resized(network, channels=self.channels, depth=self.depth)


@dataclass(frozen=True, kw_only=True)
class Excluding(Settings):
    """Which operations take part."""

    exclude: str = setting("", "Operations that take no part, separated by commas.")

    def left_out(self, known: Sequence[str]) -> tuple[str, ...]:
        """Their names, all among ``known`` but for ``none``: presets leave it out, and not every space has it. Raises
        :class:`UnknownNameError`."""
        names = tuple(dict.fromkeys(name.strip() for name in self.exclude.split(",") if name.strip()))
        for name in names:
            if name not in (*known, "none"):
                raise UnknownNameError("operation to exclude", name, known)
        return names


@dataclass(frozen=True, kw_only=True)
class Probing(ShrunkImages):
    """What networks are looked at with, at initialisation."""

    images: int = setting(32, "Images of a batch.", at_least=2)
    initialisation: str = setting("default", "Of weights, by its name in nascence.initialisation.")


@dataclass(frozen=True, kw_only=True)
class SearchNetwork(Resized, Excluding):
    """The supernet that a gradient method trains."""

    size: Literal["search", "search-small"] = setting("search", "Of the supernet, by its name in the space.")
    partial_channels: int = setting(
        1, "1/K of the channels go through the operations, where there are no stages; 1 sends all.", at_least=1
    )
    module_sharing: Sharing = setting(
        "none",
        "What the operations of an edge have in common runs once (TopoNAS): partial for operations that differ in "
        "kernel sizes, floating for blocks that serve longer and shorter ones.",
    )
    all_operations: bool = setting(
        True, "Also operations that no architecture of the space can have (none on darts) take part."
    )


@dataclass(frozen=True, kw_only=True)
class LatencyTerm(Settings):
    """A predicted latency beside the architecture's loss."""

    weight: float = setting(
        0.0,
        "Of the predicted latency beside the architecture's loss, in units of that of random architectures.",
        at_least=0,
        alias="latency_weight",
    )
    target: float | None = setting(
        None,
        "In ms; then latency has a price only while what would be found is slower, in units of the target.",
        at_least=1e-6,
        alias="latency_target",
    )
    networks: str = setting(
        "",
        "Measured networks to learn the prediction from: a file that nascence measure --networks wrote, a table of "
        "one's own, or the name of a benchmark's; without any, latencies of parts are added up.",
        alias="latencies",
    )
    column: str = setting(MEASURED, "Of that table, in ms.", alias="latency_column")
    codes: Literal["sampled", "soft", "calibrated"] = setting(
        "sampled",
        "What the prediction is of: sampled architectures, the mixing weights (soft), or those with a prediction that "
        "has learned mixtures (calibrated).",
        alias="latency_codes",
    )
    draws: int = setting(4, "Architectures that are sampled in a step.", at_least=1, alias="latency_draws")

    def __post_init__(self) -> None:
        if Path(self.networks).is_file():  # so that it means the same from any folder
            object.__setattr__(self, "networks", os.path.realpath(self.networks))
        sampled = self.codes == "sampled"
        weighed = ("latency_weight", self.weight > 0)
        learned = ("latencies", bool(self.networks))
        drawn = ("latency_codes=sampled", sampled) if self.networks else learned
        for name, given, (needed, there) in (
            ("latencies", self.networks, weighed),
            ("latency_target", self.target, weighed),
            ("latency_column", self.column != MEASURED, learned),
            ("latency_codes", not sampled, learned),
            ("latency_draws", self.draws != 4, drawn),
        ):
            if given and not there:
                raise SettingError(f"{name} is of no use without {needed}.")


@dataclass(frozen=True, kw_only=True)
class CostTerm(Settings):
    """An expected cost beside the architecture's loss, in any space."""

    weight: float = setting(
        0.0, "Of the expected cost beside the architecture's loss.", at_least=0, alias="cost_weight"
    )
    of: Cost = setting("flops", "flops, params, or latency_ms (predicted).", alias="cost")
    target: float | None = setting(
        None,
        "To divide the cost by, none for the budget's limit of it, or without one the mean over all networks.",
        at_least=1e-6,
        alias="cost_target",
    )
    form: Form = setting(
        "log",
        "log, always downwards, distance, to the target from both sides, or above, downwards where it is above the "
        "target.",
        alias="cost_form",
    )
    fill: bool = setting(
        False,
        "What the found architecture leaves of the budget goes to the answers that lose least by it.",
        alias="fill",
    )

    def __post_init__(self) -> None:
        if self.target and not self.weight:
            raise SettingError("cost_target is of no use without cost_weight.")


@dataclass(frozen=True, kw_only=True)
class Teaching(Settings):
    """What a network learns from beside the data's own targets, or in their place."""

    file: str = setting("", "An ONNX file to learn from, as nascence export writes it.", alias="teacher")
    weight: float = setting(
        1.0,
        "The teacher's share of the loss; the rest is the true targets'.",
        above=0,
        at_most=1,
        alias="teacher_weight",
    )

    def __post_init__(self) -> None:
        if self.weight != 1 and not self.file:
            raise SettingError("teacher_weight is of no use without teacher.")
        if self.file:
            if not Path(self.file).is_file():
                raise SettingError(f"There is no file {self.file} to be the teacher; expected an ONNX file.")
            object.__setattr__(self, "file", os.path.realpath(self.file))

    def objectives(self) -> tuple[Objective, ...]:
        """The task's loss and the teacher's, or one of them."""
        if not self.file:
            return (TaskLoss(),)
        taught = OnnxTeacher(self.file, Constant(self.weight))
        return (taught,) if self.weight == 1 else (TaskLoss(Constant(1 - self.weight)), taught)


@dataclass(frozen=True, kw_only=True)
class Generations(Settings):
    """An evolution of populations of one size."""

    population: int = setting(20, "Candidates of a generation.", at_least=2)
    generations: int = setting(
        17, "After the first, random one: population x (generations + 1) candidates are made.", at_least=0
    )
    crossover: float = setting(0.9, "The chance that a child has two parents.", at_least=0, at_most=1)


@dataclass(frozen=True, kw_only=True)
class ShortTraining(Resized):
    """What an error of candidates comes from."""

    epochs: int | None = setting(None, "Passes, none for 5, of a supernet 200.", at_least=1)
    images: int | None = setting(5000, "Training images that take part, none for all.", at_least=1)
    holdout: float = setting(0.2, "The part of them that the error is measured on.", above=0, below=1)

    @property
    def passes(self) -> int:
        """Of a short training."""
        return self.epochs or 5


@dataclass(frozen=True, kw_only=True)
class Reevaluation(Settings):
    """A longer training of the best."""

    groups: int | None = setting(
        None,
        "The best of so many groups of networks of like size are trained anew, and the front is of these; none for "
        "half the population, 0 for no such training.",
        at_least=0,
        alias="reevaluated",
    )
    epochs: int | None = setting(
        None,
        "Of that training, none for four times as many as of the short one.",
        at_least=1,
        alias="reevaluation_epochs",
    )

    def count(self, population: int) -> int:
        """Of the groups."""
        return population // 2 if self.groups is None else self.groups

    def passes(self, short: int) -> int:
        """Of that training, where a short one has ``short``."""
        return 4 * short if self.epochs is None else self.epochs


__all__ = [
    "CostTerm",
    "Epochs",
    "Excluding",
    "Generations",
    "LatencyTerm",
    "Probing",
    "Reevaluation",
    "Resized",
    "SearchNetwork",
    "ShortTraining",
    "Teaching",
    "Temperature",
]
