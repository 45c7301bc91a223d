"""The condition number of the class-summed tangent kernel (TE-NAS)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import setting
from nascence.scores.base import Initialised, OfImages, Probe, Score
from nascence.scores.batch_norm import BatchNormMode
from nascence.scores.ntk import class_summed_kernel, condition_number
from nascence.tasks.augmentation import shrink


@final
@dataclass(frozen=True, kw_only=True)
class NTKCondition(Initialised, OfImages, Score):
    """kappa = lambda_max / lambda_min of K [N, N] on N training images; infinite where K is singular.

    ``batch_norm``: see :mod:`nascence.scores.batch_norm`; values of different modes must not be compared.
    """

    name: ClassVar[str] = "ntk-condition"
    description: ClassVar[str] = "condition number of the class-summed tangent kernel at initialisation"
    source: ClassVar[str] = "TE-NAS, arXiv 2102.11535, section 3.1.1"
    larger_is_better: ClassVar[bool] = False
    worst: ClassVar[float] = math.inf
    because: ClassVar[str] = "it is about the kernel of the gradients of single images"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"images": 32, "initialisation": "default"}

    image_size: int | None = setting(16, "Larger images are averaged down to it, none for no change.", at_least=1)
    batch_norm: BatchNormMode = setting(
        "frozen", "See nascence.scores.batch_norm; values of different modes must not be compared."
    )

    def __call__(self, probe: Probe) -> float:
        network = probe.network("score", initialisation=self.initialisation, batch_norm=self.batch_norm)
        x_BCHW = shrink(probe.images(self.images)[0], self.image_size)
        return float(condition_number(class_summed_kernel(network, network, x_BCHW)))
