"""DAAS: an architecture and an augmentation policy, searched together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.declaring import Settings, part, setting
from nascence.errors import SettingError
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.relaxations import FixedArchitecture, GumbelSoftmax, Options, Relaxation
from nascence.schedules import Linear
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.descent.players import Player
from nascence.strategies.descent.policy import PolicyPlayer

_LAPTOP = {**LAPTOP, "exclude": "none"}


@dataclass(frozen=True, kw_only=True)
class PolicySteps(Settings):
    """How the augmentation policy is moved."""

    chunks: int = setting(
        8, "Parts of a batch, one of them left as it is, the others by a sub-policy each.", at_least=2
    )
    learning_rate: float = setting(5e-3, "Of Adam on the policy.", at_least=0, alias="policy_learning_rate")
    entropy: float = setting(1e-3, "Weight of the policy's entropy, falling to 0.", at_least=0, alias="policy_entropy")
    wait: float = setting(
        0.2, "Share of the search before the policy moves.", at_least=0, at_most=1, alias="policy_wait"
    )
    least_chance: float = setting(0.35, "That a step of a policy is applied with.", at_least=0, at_most=1)
    sub_policies: int = setting(25, "Of the policy that is found.", at_least=1)


@final
@dataclass(frozen=True, kw_only=True)
class DAAS(GradientMethod):
    """DAAS (Wang, Chu, Yan & Yang, arXiv 2109.15273): single-path Gumbel-softmax for the architecture, score-function
    gradients for the policy."""

    name: ClassVar[str] = "daas"
    title: ClassVar[str] = "DAAS (reconstruction): architecture and augmentation policy, searched together"
    paper: ClassVar[str] = "arXiv 2109.15273"
    caveat: ClassVar[str] = (
        "daas is a reconstruction: only the paper's abstract could be read; the policy's space, its reward and its "
        "gradient are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": _LAPTOP,
        "laptop-darts": {**LAPTOP_DARTS, "exclude": "none"},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "warmup_epochs": 5,
        "architecture.first": "weights",
        "network.all_operations": False,
    }

    temperature: Temperature = part(Temperature)
    mode: Literal["searched", "fixed"] = setting(
        "searched", "Of the architecture; fixed, and the policy is searched alone.", alias="architecture"
    )
    fixed: str = setting("", "The text of the architecture in that case.")
    policy: PolicySteps = part(PolicySteps)

    def __post_init__(self) -> None:
        if (self.mode == "fixed") != bool(self.fixed):
            raise SettingError("A fixed architecture needs both: --set architecture=fixed --set fixed=TEXT.")
        super().__post_init__()

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        if self.mode == "fixed":
            return FixedArchitecture(space, space.parse(self.fixed))
        temperature = Linear(self.temperature.start, self.temperature.end, reach=True)
        return GumbelSoftmax(space, options, temperature, seed=seed)

    def players(self, problem: Problem, space: RelaxableSpace) -> tuple[Player, ...]:
        player = PolicyPlayer(
            chunks=self.policy.chunks,
            learning_rate=self.policy.learning_rate,
            entropy=Linear(self.policy.entropy, 0.0),
            wait=self.policy.wait,
            least=self.policy.least_chance,
            sub_policies=self.policy.sub_policies,
            seed=problem.seed,
        )
        return (player,)


__all__ = ["DAAS"]
