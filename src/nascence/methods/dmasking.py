"""DMaskingNAS: widths and resolutions by masks at the memory of one network, with a price on what the network costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import part, setting
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import WIDTHS, WIDTHS_FBNETV2, WIDTHS_OWN
from nascence.relaxations import Options, Relaxation, SoftGumbel
from nascence.relaxations.soft_gumbel import Draws, WarmUp
from nascence.schedules import Exponential
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class DMasking(GradientMethod):
    """DMaskingNAS (Wan et al., FBNetV2, CVPR 2020, arXiv 2004.05565). The temperature of its Gumbel-softmax falls by
    the same factor every epoch."""

    name: ClassVar[str] = "dmasking"
    title: ClassVar[str] = "DMaskingNAS: widths and resolutions by masks, at the memory of one network"
    paper: ClassVar[str] = "arXiv 2004.05565"
    caveat: ClassVar[str] = (
        "The search code of FBNetV2 was never released: the alternation, the form of the cost term, its weight and how "
        "residuals and widths go together are reconstructions."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": WIDTHS,
        "laptop-darts": {**WIDTHS, "epochs": 20, "warmup_epochs": 12, "epoch_images": 5000},
        "laptop-own": WIDTHS_OWN,
        "laptop-fbnetv2": WIDTHS_FBNETV2,
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 90,
        "warmup_epochs": 10,
        "data.batch_size": 192,
        "data.weights_share": 0.8,
        "weights.learning_rate": 0.1,
        "weights.final_learning_rate": 0.0,
        "weights.weight_decay": 1e-4,
        "architecture.alternate": "epoch",
        "architecture.learning_rate": 0.01,
        "architecture.betas": (0.9, 0.999),
        "architecture.weight_decay": 5e-4,
        "price.weight": 0.1,
        "temperature.start": 5.0,
        "temperature.end": 0.087,
    }

    temperature: Temperature = part(Temperature)
    draws: Draws = setting(
        "soft",
        "soft, as published, so that masks are sums of masks, or hard: one option of every choice, with the gradient "
        "of the soft draw.",
    )
    warm_up: WarmUp = setting(
        "drawn",
        "What the weights see before the architecture moves: drawn as later, uniform, or single: one option of every "
        "choice, all with the same chance.",
    )

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        schedule = Exponential(self.temperature.start, self.temperature.end, reach=False)
        return SoftGumbel(space, options, schedule, draws=self.draws, warm_up=self.warm_up, seed=seed)
