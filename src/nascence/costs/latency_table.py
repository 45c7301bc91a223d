"""Latencies of a space's parts in a file, to be looked up instead of measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nascence.configuration import from_json, to_json
from nascence.costs.latency import device_name
from nascence.errors import NascenceError, SettingError
from nascence.spaces import NetworkConfig

FORMAT = 1


@final
@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """What each part of a space's networks adds to the milliseconds of a forward pass of PyTorch at batch 1.

    ``constant``: of what all networks have. ``parts``: cell spaces: per kind of cell a list [E][O]; others: per choice
    a list [options]. ``device``, ``threads``, ``input_shape`` (C, H, W), ``num_classes``, ``network``: what it was
    measured on. The error of adding up: ``checked`` networks, drawn at random and not used for the table, with the
    median and the 90 % quantile of |predicted - measured| / measured.
    """

    space: str
    network: NetworkConfig
    input_shape: tuple[int, int, int]
    num_classes: int
    device: str
    threads: int
    constant: float
    parts: Mapping[str, Any]
    checked: int
    median_error: float
    error_90: float

    def check(
        self,
        space: str,
        network: NetworkConfig,
        input_shape: tuple[int, int, int],
        num_classes: int,
        threads: int | None,
    ) -> None:
        """Raise :class:`SettingError` when the table was measured on something else."""
        asked: dict[str, tuple[object, object]] = {
            "space": (self.space, space),
            "device": (self.device, device_name()),
            "network size": (_size(self.network), _size(network)),
            "input shape": (_shape(self.input_shape), _shape(input_shape)),
            "number of classes": (self.num_classes, num_classes),
            "number of threads": (self.threads, threads or self.threads),
        }
        for what, (own, wanted) in asked.items():
            if own != wanted:
                raise SettingError(
                    f"This latency table is of the {what} '{own}', not of '{wanted}'; measure another one with: "
                    f"nascence measure --space {space} --out FILE.json"
                )

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON, with units."""
        values = {**vars(self), "network": to_json(self.network), "input_shape": list(self.input_shape)}
        return {"format": FORMAT, "unit": "ms", "batch": 1, "runtime": "PyTorch", **values, "parts": dict(self.parts)}

    @classmethod
    def from_json(cls, value: Any, source: str = "The latency table") -> LatencyTable:
        """The inverse of :meth:`to_json`. Raises :class:`SettingError`, naming ``source``."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise SettingError(f"{source} is no latency table; make one with: nascence measure --out FILE.json")
        try:
            names = set(cls.__dataclass_fields__)
            values = {name: own for name, own in value.items() if name in names}
            network, shape = from_json(NetworkConfig, values.pop("network")), tuple(values.pop("input_shape"))
            return cls(network=network, input_shape=shape, **values)
        except (TypeError, KeyError, NascenceError):
            raise SettingError(
                f"{source} is damaged; measure it again with: nascence measure --out FILE.json"
            ) from None

    @classmethod
    def load(cls, path: str | Path) -> LatencyTable:
        """Raises :class:`SettingError` when there is no such file or it is no table."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingError(f"Cannot read the latency table {path}: {error.strerror or error}.") from None
        except ValueError:
            raise SettingError(f"{path} is no latency table: it is not valid JSON.") from None
        return cls.from_json(value, str(path))


def _size(network: NetworkConfig) -> str:
    return ", ".join(f"{name} {value}" for name, value in to_json(network).items() if name != "auxiliary")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


__all__ = ["LatencyTable"]
