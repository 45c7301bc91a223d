import math

import pytest
import torch

from nascence.seeding import generator
from nascence.strategies.svgd import draw, kernel, log_density, stein_direction, svgd_rd


def alpha(seed=0, rows=6, options=5):
    return {"cell": torch.randn(rows, options, generator=generator(seed, "alpha"))}


def test_draws_follow_the_probabilities():
    logits = {"a": torch.tensor([[0.0, math.log(3.0), -torch.inf]])}
    draws = generator(0)
    counts = sum(draw(logits, draws)["a"] for _ in range(2000))[0] / 2000
    torch.testing.assert_close(counts, torch.tensor([0.25, 0.75, 0.0]), atol=0.04, rtol=0)


def test_the_density_is_the_mixture_written_out():
    logits = alpha(rows=2, options=3)
    x = torch.randn(1, 2, 3, generator=generator(1), dtype=torch.float64)
    total = 0.0
    for row in range(2):
        p = logits["cell"][row].double().softmax(0)
        mixture = 0.0
        for option in range(3):
            corner = torch.eye(3, dtype=torch.float64)[option]
            normal = torch.distributions.Normal(corner, 0.4).log_prob(x[0, row]).sum().exp()
            mixture += float(p[option] * normal)
        total += math.log(mixture)
    assert float(log_density({"cell": x}, logits, 0.4)) == pytest.approx(total, rel=1e-6)


def test_gradients_of_density_and_tilt_against_finite_differences():
    logits = alpha(rows=2, options=3)
    x = torch.randn(4, 6, generator=generator(2), dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    h, delta = 0.7, 1.3

    def tilted(points):
        k, _ = kernel(points, h)
        return log_density({"cell": points.unflatten(1, (2, 3))}, logits, 0.5), k

    density, _ = tilted(leaf)
    (scores,) = torch.autograd.grad(density.sum(), leaf)
    step = 1e-6
    for at in range(4):
        for d in range(6):
            up, down = x.clone(), x.clone()
            up[at, d] += step
            down[at, d] -= step
            slope = (tilted(up)[0][at] - tilted(down)[0][at]) / (2 * step)
            assert float(slope) == pytest.approx(float(scores[at, d]), rel=1e-6, abs=1e-6)
    found = stein_direction(x, scores, delta, h)
    expected = torch.zeros_like(x)
    k, _ = kernel(x, h)
    for i in range(4):
        for j in range(4):
            push = sum(-2 / h * (x[j] - x[m]) * k[j, m] for m in range(4))
            expected[i] += k[j, i] * (scores[j] - 2 * delta * push) - 2 / h * (x[j] - x[i]) * k[j, i]
    torch.testing.assert_close(found, expected / 4, rtol=1e-10, atol=1e-12)


def test_particles_reproduce_a_normal():
    """One row of one option: the density is a single normal around 1; without diversity, mean and variance come out."""
    x = torch.linspace(-1, 2, 40, dtype=torch.float64)[:, None]
    for _ in range(1500):
        scores = (1.0 - x) / 0.5**2
        x = x + 0.05 * stein_direction(x, scores, 0.0)
    assert float(x.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(x.std()) == pytest.approx(0.5, rel=0.1)


def test_one_particle_climbs_to_a_mode_whatever_the_diversity():
    logits = alpha(3)
    found = [svgd_rd(logits, 1, delta, generator(5), steps=150)[0]["cell"] for delta in (-1.0, 0.0, 5.0)]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[1], found[2])


def spread(several):
    picks = torch.stack([each["cell"].argmax(-1) for each in several])
    count = len(several)
    return float((picks[:, None] != picks[None]).sum() / (count * (count - 1)))


def test_more_diversity_means_farther_apart_and_less_likely():
    """The dossier's table: five particles over six rows of five options, sigma 0.5; means over seeds. Independent
    draws, whose means are exact here, are hardly farther apart than particles of diversity 5, and less likely."""
    apart, likely = [], []
    for delta in (-2.0, -0.5, 0.0, 5.0):
        distances, densities = [], []
        for seed in range(4):
            logits = alpha(seed)
            found = svgd_rd(logits, 5, delta, generator(seed, "particles"), steps=200, momentum=0.0)
            log_p = logits["cell"].log_softmax(-1)
            distances.append(spread(found))
            densities.append(float(torch.stack([(each["cell"] * log_p).sum() for each in found]).mean()))
        apart.append(sum(distances) / 4)
        likely.append(sum(densities) / 4)
    assert apart == sorted(apart)
    assert likely == sorted(likely, reverse=True)
    assert apart[0] < 1 < 3 < apart[3]
    p = torch.stack([alpha(seed)["cell"].double().softmax(-1) for seed in range(4)])
    drawn_apart = float((1 - p.square().sum(-1)).sum(-1).mean())
    drawn_likely = float((p * p.log()).sum((-2, -1)).mean())
    assert apart[3] > drawn_apart - 0.25
    assert likely[3] > drawn_likely + 0.3


def test_options_that_a_row_cannot_have_are_never_found():
    logits = {"a": torch.tensor([[0.0, 0.0, -torch.inf]] * 3)}
    for each in svgd_rd(logits, 4, 2.0, generator(0), steps=30):
        assert (each["a"][:, 2] == 0).all()
        assert (each["a"].sum(-1) == 1).all()
