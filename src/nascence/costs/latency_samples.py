"""Latencies of random networks in a CSV file that grows row by row, to learn a prediction from."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

import torch

from nascence.architecture import Architecture
from nascence.costs.networks import Networks
from nascence.errors import RunError, SettingError
from nascence.reading import read_bytes
from nascence.seeding import generator
from nascence.spaces import Size, Space
from nascence.tasks.base import Signature
from nascence.writing import open_growing

_SLANTED_EVERY = 5
_INSIDE = ("stages", "stem_channels")  # of a size, not written down: spaces have their own rule
_MEASURED = ("architecture", "latency_ms", "iqr_ms", "reference_ms")


def random_architectures(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    """``count`` different architectures. Four of five are uniformly random; every fifth is drawn with shares of the
    options that are themselves random (a flat Dirichlet distribution, the same for options of the same name), since
    searched architectures repeat some operation more often than chance would.

    Raises :class:`SettingError` when the space has not so many.
    """
    if count > space.size:
        raise SettingError(f"{space.name} has no {count:,} different architectures to measure, but {space.size:,}.")
    found: dict[Architecture, None] = {}
    at = 0
    while len(found) < count:
        random = generator(seed, "latency sample", at)
        found[_slanted(space, random) if at % _SLANTED_EVERY == _SLANTED_EVERY - 1 else space.sample(random)] = None
        at += 1
    return list(found)


def _slanted(space: Space, random: torch.Generator) -> Architecture:
    shares: dict[str, float] = {}
    answers = []
    for choice in space.choices:
        for option in choice.options:
            if option not in shares:
                shares[option] = -float(torch.rand((), generator=random, dtype=torch.float64).clamp_min(1e-12).log())
        weights = torch.tensor([shares[option] for option in choice.options], dtype=torch.float64)
        answers.append(choice.options[int(torch.multinomial(weights, 1, generator=random))])
    return space.architecture(answers)


def measured_on(network: Size, signature: Signature) -> dict[str, int]:
    """What latencies depend on, by the names of the file's columns: numbers of the size and of the signature."""
    shape = ("in_channels", "height", "width") if signature.domain == "images" else ("features", "nodes", "edges")
    sizes = {name: value for name, value in vars(network).items() if type(value) is int and name not in _INSIDE}
    return {**sizes, **dict(zip(shape, signature.input_shape, strict=True)), "num_classes": signature.outputs}


@final
class LatencySamples:
    """The file: one row a network, with its latency, inter-quartile range, the latency of one same reference network
    at the same time, and what they were measured on. A row that was cut off when a measurement ended is dropped.

    Raises :class:`RunError` when the file is something else, or was measured on something else.
    """

    def __init__(self, path: Path, networks: Networks) -> None:
        self.path, self.networks = path, networks
        network, threads = networks.network, networks.threads or torch.get_num_threads()
        self.about = {
            "space": networks.space.name,
            **{name: str(value) for name, value in measured_on(network, networks.signature).items()},
            "batch": "1",
            "threads": str(threads),
            "device": networks.runtime.device(),
        }
        self.texts = self._read() if path.exists() else []

    def _read(self) -> list[str]:
        whole = read_bytes(self.path)
        header = (",".join((*_MEASURED, *self.about)) + "\n").encode()
        if not whole.startswith(header) and not header.startswith(whole):
            raise RunError(f"{self.path} is no file of measured networks; choose another --out, or add --overwrite.")
        complete = whole[: whole.rfind(b"\n") + 1]
        rows = list(csv.DictReader(complete.decode(errors="replace").splitlines()))
        for row in rows:
            self._compare(row)
        if len(complete) < len(whole):
            descriptor = open_growing(self.path, os.O_WRONLY)
            os.ftruncate(descriptor, len(complete))
            os.close(descriptor)
        return [row["architecture"] for row in rows]

    def _compare(self, row: Mapping[str, str]) -> None:
        for name, own in self.about.items():
            if row.get(name) != own:
                raise RunError(
                    f"{self.path} was measured with the {name.replace('_', ' ')} '{row.get(name)}', not '{own}'; "
                    "choose another --out, or add --overwrite."
                )

    def measure(
        self, architectures: Sequence[Architecture], *, repeats: int = 30, warm_up: int = 5
    ) -> Iterator[tuple[Architecture, float]]:
        """Measure those that the file does not have, in the runtime of the networks; yields each with its milliseconds
        after its row was written. The reference, the same random network for every file of the space, is measured again
        beside each, a few passes of either in turn; what other work disturbed is repeated."""
        space, known = self.networks.space, set(self.texts)
        for architecture in architectures:
            text = space.format(architecture)
            if text in known:
                continue
            beside, found = self.networks.measure_beside_reference(architecture, repeats, warm_up)
            self._append([text, f"{found.median_ms:.6g}", f"{found.iqr_ms:.4g}", f"{beside.median_ms:.6g}"])
            self.texts.append(text)
            yield architecture, found.median_ms

    def _append(self, measured: list[str]) -> None:
        new = not self.path.exists() or self.path.stat().st_size == 0
        with open(open_growing(self.path), "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow((*_MEASURED, *self.about))
            writer.writerow((*measured, *self.about.values()))


__all__ = ["LatencySamples", "random_architectures"]
