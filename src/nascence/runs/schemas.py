"""What the files of a run directory must look like, as far as anything relies on it. More than this may stand in them.

Every entry may be missing, since a run grows and earlier versions wrote less; what is there is of the right type and
size. Who needs an entry asks for it by name (:meth:`nascence.runs.RunDirectory.require`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, Field, RootModel, model_validator

from nascence.schema import Amount, Count, FileEntry, Name, Text


class Network(FileEntry):
    channels: Annotated[int, Field(ge=1, le=16_384)] | None = None
    depth: Annotated[int, Field(ge=1, le=1_000)] | None = None
    stages: Annotated[int, Field(ge=1, le=64)] | None = None


Shape = Annotated[list[Annotated[int, Field(ge=1, le=2**29)]], Field(min_length=1, max_length=4)]
"""Of an image, or features, nodes and edges of a graph."""


class SignatureEntry(FileEntry):
    domain: Name
    features: Count
    outputs: Count
    size: Annotated[list[Count], Field(min_length=2, max_length=2)]
    dense: bool
    scale: Amount


class Loading(FileEntry):
    task: Name
    settings: dict[Name, Any]


class TaskEntry(FileEntry):
    kind: Name | None = None
    signature: SignatureEntry | None = None
    class_names: Annotated[list[Text], Field(min_length=1)] | None = None
    input_shape: Shape | None = None
    train_images: Count | None = None
    test_images: Count | None = None
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = None


class TuningEntry(FileEntry):
    trials: Annotated[int, Field(ge=1)]


class TunedEntry(FileEntry):
    settings: dict[str, Any]
    trial: Count
    values: dict[Name, Any]
    validation: float | None
    network: Network


class ComputeEntry(FileEntry):
    device: Name | None = None
    precision: Name | None = None
    name: Name | None = None
    processes: Amount | None = None


class TrainingEntry(FileEntry):
    compute: ComputeEntry | None = None
    tuning: TuningEntry | None = None
    tuned: TunedEntry | None = None
    preset: Name | None = None
    seed: int | None = None
    threads: Amount | None = None
    settings: dict[str, Any] | None = None


class Config(FileEntry):
    kind: Name | None = None
    method: Name | None = None
    preset: Name | None = None
    settings: dict[str, Any] | None = None
    space: Name | None = None
    data: Text | None = None
    data_dir: Text | None = None
    image_size: Amount | None = None
    loading: Loading | None = None
    seed: int | None = None
    budget: dict[Name, float | None] | None = None
    network: Network | None = None
    threads: Amount | None = None
    compute: ComputeEntry | None = None
    task: TaskEntry | None = None
    training: TrainingEntry | None = None
    architecture: Text | None = None
    latency_table: dict[str, Any] | None = None


class TableValues(FileEntry):
    source: Name | None = None
    note: Text | None = None
    values: dict[Name, float]


class PredictionEntry(FileEntry):
    ms: float
    source: Annotated[Name, Field(alias="from")]
    held_out: Count | None = None
    error: dict[Name, float | None] | None = None


class FrontPlace(FileEntry):
    size: Count
    index: Count | None = None


class ArchitectureFile(FileEntry):
    """``architecture.json``."""

    space: Name | None = None
    architecture: Text | None = None
    choices: dict[Name, Text] | None = None
    method: Name | None = None
    settings: dict[str, Any] | None = None
    seed: int | None = None
    data: Text | None = None
    network: Network | None = None
    index: Count | None = None
    params: Annotated[float, Field(ge=0)] | None = None
    flops: Annotated[float, Field(ge=0)] | None = None
    latency_ms: Annotated[float, Field(ge=0)] | None = None
    search_seconds: Annotated[float, Field(ge=0)] | None = None
    loading: Loading | None = None
    input_shape: Shape | None = None
    class_names: Annotated[list[Text], Field(min_length=1)] | None = None
    collapse: Text | None = None
    caveat: Text | None = None
    table: TableValues | None = None
    predicted_latency: PredictionEntry | None = None
    front: FrontPlace | None = None
    ensemble: FrontPlace | None = None


class TuningResult(FileEntry):
    trials: Count
    best_trial: Count
    values: dict[Name, Any]
    validation: float | None


class Unconnected(FileEntry):
    """A network that looks at every node alone."""

    value: float
    params: Count


class Metrics(FileEntry):
    """``metrics.json``."""

    tuning: TuningResult | None = None
    without_edges: Unconnected | None = None

    accuracy: float | None = None
    loss: float | None = None
    per_class: dict[Text, float | None] | None = None
    confusion: list[list[Count]] | None = None
    class_names: Annotated[list[Text], Field(min_length=1)] | None = None
    test_images: Count | None = None
    epochs: Count | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    images_per_second: Annotated[float, Field(ge=0)] | None = None
    params: Annotated[float, Field(ge=0)] | None = None
    flops: Annotated[float, Field(ge=0)] | None = None
    nll: float | None = None
    ece: Annotated[float, Field(ge=0, le=100)] | None = None
    disagreement: Annotated[float, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _square(self) -> Metrics:
        if self.confusion is not None and any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("the confusion of K classes has K rows of K counts")
        return self


class FrontObjective(FileEntry):
    name: Name
    unit: Name
    description: Text


class FrontRow(FileEntry):
    index: Count
    space: Name | None = None
    architecture: Text
    choices: dict[Name, Text] | None = None
    values: dict[Name, float]
    params: Annotated[float, Field(ge=0)]
    flops: Annotated[float, Field(ge=0)]


class FrontFile(FileEntry):
    """``front.json``."""

    objectives: Annotated[list[FrontObjective], Field(min_length=1)]
    knee: Count
    front: Annotated[list[FrontRow], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> FrontFile:
        names = [objective.name for objective in self.objectives]
        if self.knee >= len(self.front):
            raise ValueError(f"the knee is one of {len(self.front)} networks")
        for place, row in enumerate(self.front):
            if row.index != place or any(name not in row.values for name in names):
                raise ValueError(f"network {place} has its place as index, and a value of {', '.join(names)}")
        return self


class Member(FileEntry):
    index: Count
    space: Name | None = None
    architecture: Text
    choices: dict[Name, Text] | None = None
    params: Annotated[float, Field(ge=0)]
    flops: Annotated[float, Field(ge=0)]


class FoundFile(FileEntry):
    """``found.json``: the networks of an ensemble."""

    form: Name
    pick: Count
    members: Annotated[list[Member], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> FoundFile:
        if self.pick >= len(self.members) or any(row.index != at for at, row in enumerate(self.members)):
            raise ValueError(f"each of {len(self.members)} members has its place as index, and the pick is one of them")
        return self


class ExportLatency(FileEntry):
    runtime: Name
    batch_size: Count
    threads: Count
    milliseconds: Annotated[float, Field(ge=0)]


class Export(FileEntry):
    format: Name | None = None
    path: Name | None = None
    batch_sizes: list[Count] | None = None
    max_difference: float | None = None
    output_scale: float | None = None
    latencies: list[ExportLatency] | None = None


class Exports(RootModel[dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")], Export]]):
    """``exports.json``: by format."""


class AttackRow(FileEntry):
    attack: Name
    eps: Annotated[float, Field(ge=0, lt=1)]
    accuracy: Annotated[float, Field(ge=0, le=100)]
    error: Annotated[float, Field(ge=0)]
    images: Count
    radius: Name | None = None


class MaskingEntry(FileEntry):
    signs: list[Text]


class Attacks(FileEntry):
    """``attacks.json``."""

    attacks: list[AttackRow]
    masking: MaskingEntry | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None


class Examples(FileEntry):
    """``examples.json``: pixels of a few images, one byte each, in base64."""

    shape: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=4, max_length=4)]
    pixels: Annotated[str, Field(max_length=2**20)]

    @model_validator(mode="after")
    def _whole(self) -> Examples:
        count = math.prod(self.shape)
        if len(self.pixels) != 4 * -(-count // 3) or self.shape[1] not in (1, 3):
            raise ValueError("there is one byte a pixel of images of one or three channels")
        return self


class CloudPoint(FileEntry):
    architecture: Text
    params: Annotated[float, Field(ge=0)]
    flops: Annotated[float, Field(ge=0)]
    scores: dict[Name, float | None] | None = None


class Cloud(FileEntry):
    """``random_cloud.json``."""

    seed: int | None = None
    draws: Count | None = None
    found: CloudPoint
    points: list[CloudPoint]
    note: Text | None = None


class Trajectory(FileEntry):
    """``trajectory.json``."""

    source: Name
    column: Name
    epochs: list[Count]
    values: list[float]

    @model_validator(mode="after")
    def _pairs(self) -> Trajectory:
        if len(self.epochs) != len(self.values):
            raise ValueError("there is one value an epoch")
        return self


class Event(FileEntry):
    """A line of ``events.jsonl`` or ``training.jsonl``."""

    weights: dict[Name, list[list[float | None]]] | None = None
    remaining: dict[Name, dict[Name, list[Name]]] | None = None
    evaluated: list[dict[str, Any]] | None = None
    reevaluated: list[dict[str, Any]] | None = None
    architecture: Text | None = None
    warning: Text | None = None
    epoch: Count | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None


SCHEMAS: dict[str, type[BaseModel]] = {
    "config.json": Config,
    "architecture.json": ArchitectureFile,
    "metrics.json": Metrics,
    "front.json": FrontFile,
    "exports.json": Exports,
    "attacks.json": Attacks,
    "found.json": FoundFile,
    "random_cloud.json": Cloud,
    "trajectory.json": Trajectory,
    "examples.json": Examples,
}

__all__ = ["SCHEMAS", "Config", "Event"]
