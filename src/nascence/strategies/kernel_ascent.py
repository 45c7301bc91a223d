"""One step of gradient ascent on the estimated kernel trace (NASI, Shu et al., ICLR 2022, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.engine.forked import ParallelFunction
from nascence.errors import NascenceError, SettingError
from nascence.relaxations.decisions import Decisions, RowDecisions
from nascence.strategies.base import Strategy

TraceGradient = Callable[[dict[str, Tensor], int], tuple[Tensor, dict[str, Tensor]]]
"""(logits, step) -> s of the sampled architecture, and ds / dlogits."""


@final
class KernelAscent(Strategy):
    """T independent gradients of R(A) = s(A) - mu * max(0, s(A) - nu) at the uniform distribution, averaged after
    division by their running largest norm, then one step: the result is the most probable architecture after it.

    ``nu``: a constant, or None for the running mean of the s seen so far (before the present one), with ``nu_start`` as
    one earlier observation if it is given; the paper's rule for its adaptive variant is in an appendix that we could
    not read, so this is a reconstruction. One step is one gradient.

    Raises :class:`SettingError` when ``steps`` is below 1, :class:`BudgetError` when nothing is within the budget.
    """

    def __init__(
        self,
        decisions: Decisions | RowDecisions,
        gradient: TraceGradient,
        *,
        steps: int,
        mu: float,
        nu: float | None,
        nu_start: float | None,
        budget: BudgetChecker,
    ) -> None:
        if steps < 1:
            raise SettingError(f"Kernel ascent needs at least 1 step, got {steps}.")
        self.decisions = decisions
        self.gradients = ParallelFunction[int, tuple[Tensor, dict[str, Tensor]]](
            lambda step: gradient(decisions.zeros(), step)
        )
        self.total_steps = steps
        self.mu, self.nu, self.nu_start = mu, nu, nu_start
        self.budget = budget
        budget.best(decisions.scores(decisions.zeros()))  # a budget that nothing meets is refused before the search
        self.sum = self.decisions.zeros()
        self.largest_norm = 0.0
        self.traces: list[float] = []
        self._ahead: dict[int, tuple[Tensor, dict[str, Tensor]]] = {}

    def threshold(self) -> float:
        """nu at the present step; infinite for the first adaptive step without a start value."""
        if self.nu is not None:
            return self.nu
        seen = self.traces if self.nu_start is None else [self.nu_start, *self.traces]
        return sum(seen) / len(seen) if seen else float("inf")

    def advance(self) -> dict[str, Any]:
        trace, gradient = self._next()
        if not bool(torch.isfinite(trace)):
            raise NascenceError(f"The kernel's trace is not finite at step {self.steps_done + 1}; try other settings.")
        nu = self.threshold()
        above = float(trace) > nu
        factor = 1 - self.mu if above else 1.0
        gradient = {name: factor * value for name, value in gradient.items()}
        norm = float(torch.cat([value.flatten() for value in gradient.values()]).norm())
        self.largest_norm = max(self.largest_norm, norm)
        if self.largest_norm > 0:
            for name, value in gradient.items():
                self.sum[name] += value / self.largest_norm
        self.traces.append(float(trace))
        self.steps_done += 1
        # without a threshold yet there is nothing to report it against
        return {"trace": float(trace), "nu": nu if nu != float("inf") else None, "above": above, "gradient_norm": norm}

    def _next(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The present step's gradient. All are taken at the same point: as many at once as there are threads."""
        if self.steps_done not in self._ahead:
            steps = range(self.steps_done, min(self.steps_done + torch.get_num_threads(), self.total_steps))
            self._ahead = dict(zip(steps, self.gradients(steps), strict=True))
            if steps.stop == self.total_steps:
                self.gradients.close()
        return self._ahead.pop(self.steps_done)

    def logits(self) -> dict[str, Tensor]:
        """alpha*: the uniform distribution's zeros plus the averaged step, of norm at most 1."""
        return {name: value / max(self.steps_done, 1) for name, value in self.sum.items()}

    def derive(self) -> Architecture:
        assert self.done
        return self.budget.best(self.decisions.scores(self.logits()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "sum": {name: value.clone() for name, value in self.sum.items()},
            "largest_norm": self.largest_norm,
            "traces": list(self.traces),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.sum = {name: value.clone() for name, value in state["sum"].items()}
        self.largest_norm = state["largest_norm"]
        self.traces = list(state["traces"])
        self._ahead = {}
