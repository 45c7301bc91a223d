"""Latencies under mixing weights: learned from measured networks (Xu et al., "Latency-Aware Differentiable Neural
Architecture Search", arXiv 2001.06392), or the sum over parts.

Of the paper's latency prediction module only the principle could be read: encode the architecture, feed a multi-layer
regressor, train it on measured random architectures. Encoding, layers and training are a reconstruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any, Protocol, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.costs.model import CostModel
from nascence.errors import DataError
from nascence.libraries import import_dynamo
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces import CellSpace


class LatencyPredictor(Protocol):
    """Milliseconds of what mixing weights [E, O] per kind of cell stand for. ``mean_ms``: of random architectures."""

    space: CellSpace
    mean_ms: float

    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        """A scalar, differentiable in the weights."""

    def predict(self, architecture: Architecture) -> float: ...

    def report(self) -> dict[str, Any]:
        """How good it is, for a run's record."""


@final
class SummedLatency:
    """What :meth:`nascence.costs.CostModel.expected` adds up from parts measured on this machine or looked up."""

    def __init__(self, model: CostModel, space: CellSpace, seed: int = 0) -> None:
        self.model, self.space = model, space
        drawn = (space.sample(generator(seed, "summed latency", at)) for at in range(_RANDOM))
        self.mean_ms = fmean(self.predict(architecture) for architecture in drawn)

    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        return self.model.expected("latency_ms", weights)

    def predict(self, architecture: Architecture) -> float:
        return self.model.predicted_latency_ms(architecture)

    def report(self) -> dict[str, Any]:
        return {"from": "a sum over parts"}

    def __str__(self) -> str:
        return "a sum over parts"


FEWEST = 20
"""Measured architectures, below which nothing is fitted."""
NOTHING = "none"
"""The operation that stands for no edge."""
_WIDE = (512, 256, 128)
_NARROW = (64, 64)
_MANY_INPUTS = 64
_FEWEST_STEPS, _EPOCHS, _BATCH = 3000, 100, 256
_LOOKS, _PATIENCE = 40, 10
_RANDOM = 100
_STRENGTHS = (0.0, 0.01, 0.1, 1.0, 10.0)
"""Of the ridge regression's penalty."""
_SMALLEST_MS = 0.5


def code(space: CellSpace, weights: Mapping[str, Tensor]) -> Tensor:
    """Mixing weights [E, O] per kind of cell as one vector [D]: kind after kind, edge after edge, the weights of all
    operations but ``none``. An edge that is not there is all zeros. Differentiable."""
    kept = [at for at, name in enumerate(space.operations) if name != NOTHING]
    return torch.cat([weights[kind][:, kept].flatten() for kind in space.kinds])


@final
@dataclass(frozen=True)
class PredictionError:
    """Of predictions in ms: the mean absolute error, the mean relative error (in percent, of networks that take
    half a millisecond or more), and Spearman's correlation; None where there is none."""

    absolute_ms: float
    relative_percent: float | None
    spearman: float | None

    @classmethod
    def of(cls, predicted_ms: Tensor, measured_ms: Tensor) -> PredictionError:
        """Of predictions [N] of measurements [N]."""
        from scipy.stats import spearmanr

        predicted, measured = (values.detach().double().numpy() for values in (predicted_ms, measured_ms))
        off = np.abs(predicted - measured)
        slow = measured >= _SMALLEST_MS
        varied = len(measured) > 1 and np.ptp(predicted) > 0 and np.ptp(measured) > 0
        return cls(
            float(off.mean()),
            float(100 * (off[slow] / measured[slow]).mean()) if slow.any() else None,
            float(spearmanr(predicted, measured).statistic) if varied else None,
        )

    def __str__(self) -> str:
        parts = [f"{self.absolute_ms:.3g} ms"]
        if self.relative_percent is not None:
            parts.append(f"{self.relative_percent:.1f} %")
        if self.spearman is not None:
            parts.append(f"rank correlation {self.spearman:.3f}")
        return ", ".join(parts)


_UNKNOWN = PredictionError(float("nan"), None, None)


@final
class LatencyRegressor:
    """The latency z . c + b + sigma F(z) in milliseconds, z the :func:`code` of an architecture: what its operations
    add up to, and what a multi-layer perceptron F makes of them together.

    ``coefficients``: c and b [D + 1]. ``mean_ms``: of the architectures it was fitted on. ``networks``: how many were
    measured, of which ``held_out`` were used for nothing but ``error``, and ``linear_error``, that of the sum alone,
    without which an error says little.
    """

    def __init__(
        self, space: CellSpace, coefficients: Tensor, network: nn.Sequential, *, mean_ms: float, deviation_ms: float
    ) -> None:
        self.space, self.network = space, network.requires_grad_(False).eval()
        self.coefficients, self.mean_ms, self.deviation_ms = coefficients, mean_ms, deviation_ms
        self.networks, self.held_out = 0, 0
        self.error = self.linear_error = _UNKNOWN

    def __str__(self) -> str:
        return f"learned from {self.networks} networks of {self.mean_ms:.6g} ms"

    def __call__(self, codes: Tensor) -> Tensor:
        """Milliseconds [...] of codes [..., D], differentiable in them."""
        codes = codes.float()
        return self.linear(codes) + self.network(codes).squeeze(-1) * self.deviation_ms

    def linear(self, codes: Tensor) -> Tensor:
        """The sum alone."""
        return codes @ self.coefficients[:-1].to(codes) + self.coefficients[-1].to(codes)

    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        return self(code(self.space, weights))

    def predict(self, architecture: Architecture) -> float:
        return float(self.expected(self.space.one_hot(architecture)))

    def report(self) -> dict[str, Any]:
        return {
            "from": "measured networks",
            "held_out": self.held_out,
            "error": vars(self.error),
            "linear_error": vars(self.linear_error),
        }

    @classmethod
    def fit(
        cls,
        space: CellSpace,
        architectures: Sequence[Architecture],
        latencies_ms: ArrayLike,
        *,
        mixtures: bool = False,
        seed: int = 0,
    ) -> LatencyRegressor:
        """A regressor of measured architectures, a tenth of which is held out for the errors.

        Another tenth says how strongly the sum's ridge regression is regularised, and when to stop F, which begins at
        zero: mean squared error of what the sum leaves, Adam, a cosine to 0, weight decay 1e-5. ``mixtures``: F also
        sees convex mixtures of four codes, whose latency is the mixture of theirs, so that it is at home at mixing
        weights too.

        Raises :class:`DataError` when there are fewer than :data:`FEWEST`, or a latency is not a positive number.
        """
        measured = torch.from_numpy(np.asarray(latencies_ms, dtype=np.float64).copy())
        if len(architectures) < FEWEST:
            raise DataError(
                f"A latency prediction needs {FEWEST} measured architectures or more, and there are "
                f"{len(architectures)}."
            )
        wrong = (~(measured.isfinite() & (measured > 0))).nonzero()
        if len(wrong):
            at = int(wrong[0])
            raise DataError(
                f"The latency of '{space.format(architectures[at])}' is {float(measured[at])}, no positive number."
            )
        codes = torch.stack([code(space, space.one_hot(architecture)) for architecture in architectures])
        order = torch.randperm(len(codes), generator=generator(seed, "latency", "split"))
        tenth = max(2, len(codes) // 10)
        test, valid, train = order[:tenth], order[tenth : 2 * tenth], order[2 * tenth :]
        coefficients = _ridge(codes, measured, train, valid)
        left = measured - _with_one(codes.double()) @ coefficients
        deviation = float(left[train].std()) or 1.0
        network = _train(codes, (left / deviation).float(), train, valid, mixtures, seed)
        mean = float(measured[train].mean())
        found = cls(space, coefficients.float(), network, mean_ms=mean, deviation_ms=deviation)
        found.networks, found.held_out = len(architectures), tenth
        found.error = PredictionError.of(found(codes[test]), measured[test])
        found.linear_error = PredictionError.of(found.linear(codes[test]), measured[test])
        return found


def _ridge(codes: Tensor, measured: Tensor, train: Tensor, valid: Tensor) -> Tensor:
    """Coefficients and constant [D + 1], in double precision; the constant is not held back."""
    x, centre = _with_one(codes.double()), measured[train].mean()
    y = measured - centre
    held_back = torch.eye(x.shape[1], dtype=x.dtype)
    held_back[-1, -1] = 0
    best, kept = float("inf"), torch.zeros(x.shape[1], dtype=x.dtype)
    for strength in _STRENGTHS:
        normal = x[train].T @ x[train] + strength * held_back
        found = torch.linalg.lstsq(normal, x[train].T @ y[train], driver="gelsd").solution
        error = float((x[valid] @ found - y[valid]).square().mean())
        if error < best:
            best, kept = error, found
    kept[-1] += centre
    return kept


def _with_one(codes: Tensor) -> Tensor:
    return torch.cat([codes, codes.new_ones(len(codes), 1)], dim=1)


def _train(codes: Tensor, target: Tensor, train: Tensor, valid: Tensor, mixtures: bool, seed: int) -> nn.Sequential:
    """The perceptron of the smallest squared error on ``valid``, among those at regular times from the beginning on. It
    ends before its time when none of the last :data:`_PATIENCE` was better."""
    inputs = codes.shape[1]
    widths = [inputs, *(_WIDE if inputs > _MANY_INPUTS else _NARROW)]
    with seeded_globally(derive_seed(seed, "latency", "weights")):
        layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
        network = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
    for parameter in network[-1].parameters():
        nn.init.zeros_(parameter)
    steps = max(_FEWEST_STEPS, _EPOCHS * -(-len(train) // _BATCH))
    import_dynamo()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = generator(seed, "latency", "batches")
    best, kept, since = float("inf"), network.state_dict(), 0
    for step in range(steps + 1):
        if step % (steps // _LOOKS) == 0:
            since += 1
            with torch.no_grad():
                error = float(nn.functional.mse_loss(network(codes[valid]).squeeze(-1), target[valid]))
            if error < best:
                best, since = error, 0
                kept = {name: value.clone() for name, value in network.state_dict().items()}
            if since > _PATIENCE:
                break
        batch = train[torch.randint(len(train), (min(_BATCH, len(train)),), generator=random)]
        z, y = codes[batch], target[batch]
        if mixtures and step % 2:
            z, y = _mixed(z, y, random)
        loss = nn.functional.mse_loss(network(z).squeeze(-1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad()
    network.load_state_dict(kept)
    return network


def _mixed(codes: Tensor, target: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixtures of four codes, with weights from a flat Dirichlet distribution."""
    count = len(codes)
    members = torch.stack([torch.randperm(count, generator=random) for _ in range(4)])
    weights = torch.rand(4, count, generator=random).clamp_min(1e-6).log().neg()
    weights = weights / weights.sum(0)
    return (weights[..., None] * codes[members]).sum(0), (weights * target[members]).sum(0)


__all__ = ["FEWEST", "LatencyPredictor", "LatencyRegressor", "PredictionError", "SummedLatency", "code"]
