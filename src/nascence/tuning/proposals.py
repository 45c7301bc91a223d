"""What to try next, from what has been tried: Optuna's TPE (Bergstra et al., NeurIPS 2011) as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascence.errors import MissingExtraError
from nascence.seeding import derive_seed
from nascence.spaces.ranges import LogUniform, Range

STARTUP = 10
"""Trials that are drawn at random before TPE has enough to go by."""


def propose(
    ranges: Mapping[str, Range],
    tried: Sequence[tuple[Mapping[str, Any], float]],
    *,
    larger_is_better: bool = True,
    seed: int = 0,
    startup: int = STARTUP,
) -> dict[str, Any]:
    """A value for every name in ``ranges``, after the trials ``tried``: (values, how good).

    It follows from the arguments alone, so that a tuning that was killed goes on as if it had not been. Trials outside
    the ranges are left out. Raises :class:`MissingExtraError` without Optuna.
    """
    optuna = require_optuna()
    distributions = {name: _distribution(optuna, one) for name, one in ranges.items()}
    sampler = optuna.samplers.TPESampler(seed=derive_seed(seed, "tuning", len(tried)) % 2**32, n_startup_trials=startup)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        direction = "maximize" if larger_is_better else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler)
        for values, value in tried:
            if all(values.get(name) in one for name, one in ranges.items()):
                study.add_trial(
                    optuna.trial.create_trial(
                        params={name: values[name] for name in ranges}, distributions=distributions, value=value
                    )
                )
        return dict(study.ask(distributions).params)
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(optuna: Any, one: Range) -> Any:
    if isinstance(one, LogUniform):
        return optuna.distributions.FloatDistribution(one.low, one.high, log=True)
    return optuna.distributions.CategoricalDistribution(one.values)


def require_optuna() -> Any:
    """The module. Raises :class:`MissingExtraError`."""
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "tuning") from None
    return optuna


__all__ = ["STARTUP", "propose", "require_optuna"]
