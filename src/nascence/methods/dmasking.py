"""DMaskingNAS: widths and resolutions by masks at the memory of one network, with a price on what the network costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.methods.base import at_least
from nascence.methods.gradient import GradientMethod
from nascence.objectives.expected_cost import Form
from nascence.relaxations import Options, Relaxation, SoftGumbel
from nascence.relaxations.soft_gumbel import Draws, WarmUp
from nascence.schedules import Exponential
from nascence.spaces.relaxable import RelaxableSpace

_LAPTOP: dict[str, Any] = {
    "size": "search-small",
    "epochs": 40,
    "warmup_epochs": 24,
    "epoch_images": 12800,
    "batch_size": 64,
    "image_size": 16,
    "warm_up": "single",
    "temperature": 2.0,
    "final_temperature": 0.3,
    "architecture_learning_rate": 0.05,
    "cost_form": "distance",
    "cost_weight": 0.05,
}
"""Weights see single widths first, as long as it takes until widths make a difference; then the cost is held at the
budget, with a weight that leaves the task's loss a say (its slope in a width is small, and Adam does not mind)."""


_OWN: dict[str, Any] = {
    **{name: value for name, value in _LAPTOP.items() if name != "image_size"},
    "epochs": 12,
    "warmup_epochs": 4,
    "epoch_images": 5000,
    "learning_rate": 0.02,
}
"""For networks of one's own, whose weights are trained already: fewer epochs, smaller steps, images as they are."""


@final
@dataclass(frozen=True, kw_only=True)
class DMasking(GradientMethod):
    """DMaskingNAS (Wan et al., FBNetV2, CVPR 2020, arXiv 2004.05565).

    ``temperature``, ``final_temperature``: of the Gumbel-softmax, by the same factor every epoch. ``draws``: soft, as
    published, so that masks are sums of masks, or hard: one option of every choice, with the gradient of the soft
    draw. ``warm_up``: what the weights see before the architecture moves: drawn as later, uniform, or single: one
    option of every choice, all with the same chance.
    """

    name: ClassVar[str] = "dmasking"
    title: ClassVar[str] = "DMaskingNAS: widths and resolutions by masks, at the memory of one network"
    paper: ClassVar[str] = "arXiv 2004.05565"
    caveat: ClassVar[str] = (
        "The search code of FBNetV2 was never released: the alternation, the form of the cost term, its weight and how "
        "residuals and widths go together are reconstructions."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": _LAPTOP,
        "laptop-darts": {**_LAPTOP, "epochs": 20, "warmup_epochs": 12, "epoch_images": 5000},
        "laptop-own": _OWN,
        "laptop-fbnetv2": {
            **_LAPTOP,
            "draws": "hard",
            "image_size": 32,
            "epochs": 20,
            "warmup_epochs": 10,
            "epoch_images": 6400,
        },
    }

    epochs: int = 90
    warmup_epochs: int = 10
    batch_size: int = 192
    alternate: Literal["step", "epoch"] = "epoch"
    weights_share: float = 0.8
    learning_rate: float = 0.1
    final_learning_rate: float = 0.0
    weight_decay: float = 1e-4
    architecture_learning_rate: float = 0.01
    architecture_betas: tuple[float, float] = (0.9, 0.999)
    architecture_weight_decay: float = 5e-4
    cost_weight: float = 0.1
    cost_form: Form = "log"
    temperature: float = 5.0
    final_temperature: float = 0.087
    draws: Draws = "soft"
    warm_up: WarmUp = "drawn"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1e-3, temperature=self.temperature, final_temperature=self.final_temperature)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        schedule = Exponential(self.temperature, self.final_temperature, reach=False)
        return SoftGumbel(space, options, schedule, draws=self.draws, warm_up=self.warm_up, seed=seed)
