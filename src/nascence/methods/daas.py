"""DAAS: an architecture and an augmentation policy, searched together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.errors import SettingError
from nascence.methods.base import Problem, at_least
from nascence.methods.gradient import LAPTOP, LAPTOP_DARTS, GradientMethod
from nascence.relaxations import FixedArchitecture, GumbelSoftmax, Options, Relaxation
from nascence.schedules import Linear
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.descent.players import Player
from nascence.strategies.descent.policy import PolicyPlayer

_LAPTOP = {**LAPTOP, "exclude": "none"}


@final
@dataclass(frozen=True, kw_only=True)
class DAAS(GradientMethod):
    """DAAS (Wang, Chu, Yan & Yang, arXiv 2109.15273): single-path Gumbel-softmax for the architecture, score-function
    gradients for the policy.

    ``temperature``, ``final_temperature``: of the Gumbel samples. ``architecture``: searched, or fixed, so that the
    policy is searched alone. ``fixed``: the text of the architecture in that case. ``chunks``: parts of a batch, one of
    them left as it is, the others by a sub-policy each. ``policy_learning_rate``: of Adam on the policy.
    ``policy_entropy``: weight of its entropy, falling to 0. ``policy_wait``: share of the search before the policy
    moves. ``least_chance``: that a step is applied with. ``sub_policies``: of the policy that is found.
    """

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

    warmup_epochs: int = 5
    first: Literal["architecture", "weights"] = "weights"
    all_operations: bool = False
    temperature: float = 10.0
    final_temperature: float = 0.1
    architecture: Literal["searched", "fixed"] = "searched"
    fixed: str = ""
    chunks: int = 8
    policy_learning_rate: float = 5e-3
    policy_entropy: float = 1e-3
    policy_wait: float = 0.2
    least_chance: float = 0.35
    sub_policies: int = 25

    def __post_init__(self) -> None:
        at_least(1e-6, temperature=self.temperature, final_temperature=self.final_temperature)
        at_least(2, chunks=self.chunks)
        at_least(1, sub_policies=self.sub_policies)
        at_least(0, policy_learning_rate=self.policy_learning_rate, policy_entropy=self.policy_entropy)
        for name in ("policy_wait", "least_chance"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"The setting {name} is a share of 0 to 1, not {getattr(self, name)}.")
        if (self.architecture == "fixed") != bool(self.fixed):
            raise SettingError("A fixed architecture needs both: --set architecture=fixed --set fixed=TEXT.")
        super().__post_init__()

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        if self.architecture == "fixed":
            return FixedArchitecture(space, space.parse(self.fixed))
        temperature = Linear(self.temperature, self.final_temperature, reach=True)
        return GumbelSoftmax(space, options, temperature, seed=seed)

    def players(self, problem: Problem, space: RelaxableSpace) -> tuple[Player, ...]:
        player = PolicyPlayer(
            chunks=self.chunks,
            learning_rate=self.policy_learning_rate,
            entropy=Linear(self.policy_entropy, 0.0),
            wait=self.policy_wait,
            least=self.least_chance,
            sub_policies=self.sub_policies,
            seed=problem.seed,
        )
        return (player,)


__all__ = ["DAAS"]
