"""E2RNAS: weights that learn under attack, and cells both accurate and small, neither weighed against the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.attacks import Attack
from nascence.attacks.eps import check_eps
from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.objectives import ExpectedParameters, Objective
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.schedules import Constant
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.descent.adversary import Adversary
from nascence.strategies.descent.combination import Combination, Sum
from nascence.strategies.descent.mgda import MGDA
from nascence.strategies.descent.players import Player


@final
@dataclass(frozen=True, kw_only=True)
class E2RNAS(GradientMethod):
    """E2RNAS (Yue, Lin, Huang & Zhang, arXiv 2011.09820; Yue, Lin, Zhang & Liang, IJCNN 2022)."""

    name: ClassVar[str] = "e2rnas"
    title: ClassVar[str] = "E2RNAS: adversarially trained supernet, accuracy and size by multiple-gradient descent"
    paper: ClassVar[str] = "arXiv 2011.09820"
    caveat: ClassVar[str] = (
        "The paper's tables could not be read and its code counts parameters about 14 times; here they are counted "
        "right, gradients are normalised before they are combined, and both are reconstructions."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP, "order": 1, "least_params": 1.0, "exclude": "none"},
        "laptop-darts": {**LAPTOP_DARTS, "order": 1, "least_params": 1.0},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"architecture.order": 2}

    attack: Literal["single", "pgd", "none"] = setting(
        "single", "What weights are trained under: one step from a random point (the paper's), pgd, or none."
    )
    eps: float = setting(2 / 255, "Radius of the attack, of a pixel's range 0 to 1.")
    attack_steps: int = setting(5, "Of pgd.", at_least=1)
    least_params: float = setting(
        1e6 / 1_831_168,  # the paper's L by what its code counts for uniform weights
        "The bound L, in units of the expected parameters under uniform weights; being smaller is worth nothing.",
        at_least=0,
    )
    size_weight: float = setting(1.0, "0 leaves the number of parameters out.", at_least=0)
    combine: Literal["mgda", "sum"] = setting(
        "mgda", "Of both objectives: multiple-gradient descent, or the plain sum, the size with its weight."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.combine == "mgda" and self.size_weight not in (0, 1):
            raise SettingError("mgda normalises gradients, so that a size_weight means nothing; it takes combine=sum.")
        check_eps("eps", self.eps)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)

    def objectives(self) -> tuple[Objective, ...]:
        if not self.size_weight:
            return super().objectives()
        return (*super().objectives(), ExpectedParameters(Constant(self.size_weight), self.least_params))

    def combination(self) -> Combination:
        return MGDA() if self.combine == "mgda" else Sum()

    def players(self, problem: Problem, space: RelaxableSpace) -> tuple[Player, ...]:
        if self.attack == "none":
            return ()
        problem.task.box()  # what has no pixels is refused before the search
        single, several = FGSM(step=1.25, start="late"), PGD(steps=self.attack_steps)
        attack: Attack = single if self.attack == "single" else several
        return (Adversary(attack, self.eps),)


__all__ = ["E2RNAS"]
