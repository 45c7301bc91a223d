"""Latencies of a space's parts in a file, to be looked up instead of measured again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from nascence.configuration import from_json, to_json
from nascence.costs.runtimes import MODULE, RUNTIMES, Runtime
from nascence.errors import NascenceError, SettingError, UnknownNameError
from nascence.reading import check, parse_json, read_bytes, without_checksum
from nascence.schema import Amount, Count, FileEntry, Name
from nascence.seeding import generator
from nascence.spaces import Size, get_space
from nascence.tasks.base import Signature

if TYPE_CHECKING:
    from nascence.costs.model import CostModel

Floats = NDArray[np.float64]
Milliseconds = Annotated[float, Field(ge=-1e9, le=1e9)]

FORMAT = 1
_TOGETHER = 10
"""Networks that are measured in turns."""


class _Table(FileEntry):
    """The file, as far as it is looked into."""

    space: Name
    network: dict[Name, Any]
    input_shape: Annotated[list[Amount], Field(min_length=1, max_length=4)]
    num_classes: Amount
    device: Name
    threads: Amount
    constant: Milliseconds
    parts: dict[Name, list[Milliseconds] | list[list[Milliseconds]]]
    checked: Count = 0
    median_error: float | None = None
    error_90: float | None = None
    rank_correlation: float | None = None
    runtime: Name = MODULE
    spread: float | None = None
    disturbed: list[Name] = []


@final
@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """What each part of a space's networks adds to the milliseconds of a forward pass in ``runtime`` at batch 1.

    ``constant``: of what all networks have. ``parts``: cell spaces: per kind of cell a list [E][O]; others: per choice
    a list [options]. ``device``, ``threads``, ``input_shape`` (of :class:`nascence.tasks.base.Signature`),
    ``num_classes`` (outputs), ``network``: what it was measured on. The error of adding up: ``checked`` networks, drawn
    at random and not used for the table, with the median and the 90 % quantile of |predicted - measured| / measured,
    and Spearman's correlation between the two (None where all are equal, or none was checked). ``spread``: the median,
    over these networks, of the inter-quartile range of a network's passes as a part of their median. ``disturbed``:
    what other work did to measurements, each once, even when they were repeated.
    """

    space: str
    network: Size
    input_shape: tuple[int, ...]
    num_classes: int
    device: str
    threads: int
    constant: float
    parts: Mapping[str, Any]
    checked: int = 0
    median_error: float | None = None
    error_90: float | None = None
    rank_correlation: float | None = None
    runtime: str = MODULE
    spread: float | None = None
    disturbed: tuple[str, ...] = ()

    def check(self, space: str, network: Size, signature: Signature, threads: int | None, runtime: Runtime) -> None:
        """Raise :class:`SettingError` when the table was measured on something else."""
        asked: dict[str, tuple[object, object]] = {
            "space": (self.space, space),
            "runtime": (self.runtime, runtime.name),
            "device": (self.device, runtime.device()),
            "network size": (_size(self.network), _size(network)),
            "input shape": (_shape(self.input_shape), _shape(signature.input_shape)),
            "number of classes": (self.num_classes, signature.outputs),
            "number of threads": (self.threads, threads or self.threads),
        }
        for what, (own, wanted) in asked.items():
            if own != wanted:
                raise SettingError(
                    f"This latency table is of the {what} '{own}', not of '{wanted}'; measure another one with: "
                    f"nascence measure --space {space} --runtime {runtime.name} --out FILE.json"
                )

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON, with units."""
        values = {**vars(self), "network": to_json(self.network), "input_shape": list(self.input_shape)}
        own = {"parts": dict(self.parts), "disturbed": list(self.disturbed)}
        return {"format": FORMAT, "unit": "ms", "batch": 1, **values, **own}

    @classmethod
    def from_json(cls, value: Any, source: str = "The latency table") -> LatencyTable:
        """The inverse of :meth:`to_json`. Raises :class:`SettingError`, naming ``source``."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise SettingError(f"{source} is no latency table; make one with: nascence measure --out FILE.json")
        try:
            check(value, _Table, source, SettingError)
            names = set(cls.__dataclass_fields__)
            values = {name: own for name, own in value.items() if name in names}
            values["runtime"] = MODULE if values.get("runtime") in (None, "PyTorch") else values["runtime"]  # as of old
            if values["runtime"] not in RUNTIMES.names():
                raise UnknownNameError("runtime", values["runtime"], RUNTIMES.names())
            values["disturbed"] = tuple(map(str, values.get("disturbed", ())))
            network: Size = from_json(get_space(values["space"]).size_class, values.pop("network"))
            return cls(network=network, input_shape=tuple(values.pop("input_shape")), **values)
        except (TypeError, KeyError, NascenceError):
            raise SettingError(
                f"{source} is damaged; measure it again with: nascence measure --out FILE.json"
            ) from None

    @classmethod
    def measure(cls, model: CostModel, checks: int = 50, seed: int = 0) -> LatencyTable:
        """The parts of ``model``'s networks on this machine, and the error of adding them up on ``checks`` random
        networks. Raises :class:`SettingError` when ``checks`` is below 1."""
        if checks < 1:
            raise SettingError(f"The number of networks to check the table on must be at least 1, not {checks}.")
        table = cls.of(model)
        drawn = [model.space.sample(generator(seed, "latency table", at)) for at in range(checks)]
        measured = [
            one
            for start in range(0, checks, _TOGETHER)
            for one in model.networks.measure_all(drawn[start : start + _TOGETHER])
        ]
        predicted_N = np.array([model.predicted_latency_ms(architecture) for architecture in drawn])
        measured_N = np.array([one.median_ms for one in measured])
        errors = np.abs(predicted_N - measured_N) / measured_N
        return replace(
            table,
            checked=checks,
            median_error=float(np.median(errors)),
            error_90=float(np.quantile(errors, 0.9)),
            rank_correlation=_rank_correlation(predicted_N, measured_N),
            spread=float(np.median([one.iqr_ms / one.median_ms for one in measured])),
            disturbed=tuple(dict.fromkeys(model.networks.noise)),
        )

    @classmethod
    def of(cls, model: CostModel) -> LatencyTable:
        """What ``model`` predicts from, measured unless it was already; the error of adding up is not known."""
        networks = model.networks
        constant, parts = model.latency_parts()
        return cls(
            space=model.space.name,
            network=networks.network,
            input_shape=networks.signature.input_shape,
            num_classes=networks.signature.outputs,
            device=networks.runtime.device(),
            threads=networks.threads or torch.get_num_threads(),
            constant=constant,
            parts=parts,
            runtime=networks.runtime.name,
            disturbed=tuple(dict.fromkeys(networks.noise)),
        )

    def part(self, name: str, *shape: int) -> Floats:
        """The numbers of a part. Raises :class:`SettingError` when they are not of the ``shape`` that the space has."""
        try:
            found = np.array(self.parts[name], dtype=np.float64)
        except (KeyError, ValueError):
            found = np.empty(0)
        if found.shape != shape:
            raise SettingError(
                f"The latency table does not fit {self.space}: of '{name}' it needs {_shape(shape)} numbers; measure it"
                f" again with: nascence measure --space {self.space} --out FILE.json"
            )
        return found

    @classmethod
    def load(cls, path: str | Path) -> LatencyTable:
        """Raises :class:`SettingError` when there is no such file or it is no table."""
        content = read_bytes(path, SettingError, what="the latency table", pipe=True)
        try:
            value = without_checksum(parse_json(content))
        except ValueError as reason:
            raise SettingError(f"{path} is no latency table: {reason}.") from None
        return cls.from_json(value, str(path))


def _rank_correlation(one: Floats, two: Floats) -> float | None:
    from scipy.stats import spearmanr

    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    return float(spearmanr(one, two).statistic)


def _size(network: Size) -> str:
    return ", ".join(f"{name} {value}" for name, value in to_json(network).items() if name != "auxiliary")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


__all__ = ["LatencyTable"]
