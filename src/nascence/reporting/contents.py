"""What a run directory holds, as far as it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nascence.architecture import Architecture
from nascence.runs import SEARCH, TRAINING, TUNING, RunDirectory
from nascence.runs.directory import metric_of
from nascence.tasks.base import Signature

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Contents:
    """A run with a found architecture; whatever comes after may be missing (None or empty)."""

    path: Path
    config: Mapping[str, Any]
    record: Mapping[str, Any]
    architecture: Architecture
    events: Sequence[Event]
    training: Sequence[Event]
    metrics: Mapping[str, Any] | None
    exports: Mapping[str, Any]
    cloud: Mapping[str, Any] | None
    trajectory: Mapping[str, Any] | None = None
    front: Mapping[str, Any] | None = None
    attacks: Mapping[str, Any] | None = None
    ensemble: Mapping[str, Any] | None = None
    examples_kept: Mapping[str, Any] | None = None
    tuning: Sequence[Event] = ()

    @classmethod
    def read(cls, path: str | Path) -> Contents:
        """Raises :class:`RunError` where ``path`` is no run or its search is not finished, and
        :class:`nascence.errors.ArchitectureError` where its architecture is corrupt or foreign."""
        run = RunDirectory.open(path)
        run.require_architecture()
        return cls(
            path=run.path,
            config=run.config,
            record=_object(run, "architecture.json") or {},
            architecture=Architecture.load(run.path / "architecture.json"),
            events=run.events(SEARCH),
            training=run.events(TRAINING),
            metrics=_object(run, "metrics.json"),
            exports=_object(run, "exports.json") or {},
            cloud=_object(run, "random_cloud.json"),
            trajectory=_object(run, "trajectory.json"),
            front=_object(run, "front.json"),
            attacks=_object(run, "attacks.json"),
            ensemble=_object(run, "found.json"),
            examples_kept=_object(run, "examples.json"),
            tuning=run.events(TUNING),
        )

    @property
    def metric(self) -> Mapping[str, Any]:
        """``name`` and ``unit`` of what the trained network is measured by."""
        return metric_of(self.metrics or {})

    @property
    def examples(self) -> str:
        """What the data consist of: images, nodes, pictures."""
        return str((self.metrics or {}).get("examples") or "images")

    @property
    def result(self) -> str | None:
        """The trained network's metric with its unit; None where nothing is trained."""
        if not self.metrics:
            return None
        return f"{self.metrics[self.metric['name']]:.2f} {self.metric['unit']}".rstrip()

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, as the data had them."""
        task = self.config.get("task") or {}
        for source in (self.metrics or {}, self.record, task):
            if source.get("class_names"):
                return [str(name) for name in source["class_names"]]
        return []

    @property
    def signature(self) -> Signature | None:
        """Of the networks, where the run says."""
        task = self.config.get("task") or {}
        if "signature" in task:
            return Signature.from_dict(task["signature"])
        shape = self.record.get("input_shape") or task.get("input_shape")
        if shape is None or not self.class_names:
            return None
        return Signature.images((int(shape[0]), int(shape[1]), int(shape[2])), len(self.class_names))

    def canonical_json(self) -> str:
        """The configuration, for reading."""
        return json.dumps(self.config, indent=2, ensure_ascii=False)


def _object(run: RunDirectory, name: str) -> Mapping[str, Any] | None:
    return run.read_json(name) if run.has(name) else None


__all__ = ["Contents", "Event"]
