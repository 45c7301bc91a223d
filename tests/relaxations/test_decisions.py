import pytest
import torch

from nascence.costs import Budget
from nascence.relaxations.decisions import Decisions
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def decisions(space):
    return Decisions(space, tuple(o for o in space.operations if space is NB201 or o != "none"))


def random_logits(space, seed=0, spread=1.0):
    random = generator(seed, "logits")
    return {name: spread * torch.randn(v.shape, generator=random) for name, v in decisions(space).zeros().items()}


def checker(space, budget=None):
    return (budget or Budget()).bind(space, NetworkConfig(channels=4, depth=2))


def test_one_logit_for_every_option():
    assert {name: tuple(v.shape) for name, v in decisions(NB201).zeros().items()} == {"cell": (6, 5)}
    shapes = {name: tuple(v.shape) for name, v in decisions(DARTS).zeros().items()}
    assert shapes["normal"] == shapes["reduce"] == (14, 7)
    sizes = [shapes[f"{kind}/{node}/inputs"] for kind in ("normal", "reduce") for node in range(2, 6)]
    assert sizes == [(1,), (3,), (6,), (10,)] * 2
    assert len(shapes) == 10


def test_edge_sets_are_the_options_of_the_spaces_own_choices():
    choices = {choice.name: choice.options for choice in DARTS.choices}
    for name, sets in decisions(DARTS).edge_sets().items():
        sources = ["+".join(str(DARTS.shape.edges[at][0]) for at in edges) for edges in sets]
        assert tuple(sources) == choices[name]
    assert decisions(NB201).edge_sets() == {}


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_a_hard_sample_is_one_hot_to_the_bit(space):
    logits = {name: value.requires_grad_() for name, value in random_logits(space).items()}
    for seed in range(20):
        weights = decisions(space).straight_through(logits, generator(seed))
        picked = {}
        for kind, value in weights.items():
            assert set(value.unique().tolist()) == {0.0, 1.0}
            picked[kind] = {at: space.operations[o] for at, o in value.nonzero().tolist()}
        architecture = space.from_edge_operations(picked)
        for kind, value in space.one_hot(architecture).items():
            assert torch.equal(weights[kind], value)


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_hard_samples_have_the_gradient_of_soft_ones(space):
    values = []
    for hard in (True, False):
        logits = {name: value.requires_grad_() for name, value in random_logits(space).items()}
        weights = decisions(space).straight_through(logits, generator(3), temperature=0.7, hard=hard)
        direction = {kind: torch.linspace(-1, 1, w.numel()).view_as(w) for kind, w in weights.items()}
        if hard and space is DARTS:  # products of two decisions differ in their factors' values
            continue
        loss = sum((w * direction[kind]).sum() for kind, w in weights.items())
        values.append(torch.autograd.grad(loss, list(logits.values())))
    assert all(any((g != 0).any() for g in gradients) for gradients in values)
    if space is NB201:
        for one, two in zip(*values, strict=True):
            torch.testing.assert_close(one, two)


def test_marginals_of_samples_match_softmax():
    logits = {"cell": random_logits(NB201)["cell"]}
    random, counts = generator(0), torch.zeros(6, 5)
    draws = 4000
    for _ in range(draws):
        counts += decisions(NB201).straight_through(logits, random)["cell"]
    expected = logits["cell"].softmax(-1)
    sigma = (expected * (1 - expected) / draws).sqrt()
    assert ((counts / draws - expected).abs() < 5 * sigma).all()


def test_marginals_of_kept_edges_match_softmax():
    logits = random_logits(DARTS)
    random, counts = generator(0), torch.zeros(14)
    draws = 500
    for _ in range(draws):
        counts += decisions(DARTS).straight_through(logits, random)["reduce"].sum(1)
    expected = torch.zeros(14)
    for name, sets in decisions(DARTS).edge_sets().items():
        if name.startswith("reduce"):
            for probability, edges in zip(logits[name].softmax(0), sets, strict=True):
                expected[list(edges)] += probability
    sigma = (expected * (1 - expected) / draws).sqrt()
    assert ((counts / draws - expected).abs() <= 5 * sigma + 1e-6).all()
    assert counts[:2].tolist() == [draws, draws], "node 2 keeps both of its edges"


def test_samples_are_the_generators():
    logits = random_logits(DARTS)
    one, same, other = (decisions(DARTS).straight_through(logits, generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[kind], same[kind]) for kind in one)
    assert any(not torch.equal(one[kind], other[kind]) for kind in one)


def test_a_low_temperature_sharpens_soft_samples():
    logits = {"cell": random_logits(NB201)["cell"]}
    soft, sharp, hard = (
        decisions(NB201).straight_through(logits, generator(4), temperature, hard)["cell"]
        for temperature, hard in ((1.0, False), (0.01, False), (1.0, True))
    )
    assert (soft.max(1).values < 1).all()
    assert ((sharp - hard).abs() < (soft - hard).abs() + 1e-6).all()
    torch.testing.assert_close(soft.sum(1), torch.ones(6))


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_mixing_one_hot_decisions_gives_the_architectures_weights(space):
    for seed in range(20):
        architecture = space.sample(generator(seed))
        chosen = space.edge_operations(architecture)
        samples = decisions(space).zeros()
        for kind, edges in chosen.items():
            samples[kind][:, 0] = 1  # edges that are not kept have an operation, too
            for at, name in edges.items():
                samples[kind][at] = 0
                samples[kind][at, decisions(space).allowed.index(name)] = 1
        for name, sets in decisions(space).edge_sets().items():
            kind = name.split("/")[0]
            kept = next(at for at, edges in enumerate(sets) if set(edges) <= set(chosen[kind]))
            samples[name][kept] = 1
        weights = decisions(space).mixing(samples)
        for kind, value in space.one_hot(architecture).items():
            assert torch.equal(weights[kind], value)


def test_an_edge_counts_by_the_probability_that_its_node_keeps_it():
    uniform = {name: value.softmax(-1) for name, value in decisions(DARTS).zeros().items()}
    weights = decisions(DARTS).mixing(uniform)
    for kind in DARTS.kinds:
        for at, (_, target) in enumerate(DARTS.shape.edges):
            assert weights[kind][at].sum() == pytest.approx(2 / target)
        assert (weights[kind][:, DARTS.operations.index("none")] == 0).all()


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_scores_lead_to_the_most_probable_architecture(space):
    for seed in range(5):
        logits = random_logits(space, seed)
        best = checker(space).best(decisions(space).scores(logits))
        chosen = {}
        for kind in space.kinds:
            at = logits[kind].argmax(1).tolist()
            chosen[kind] = {edge: decisions(space).allowed[o] for edge, o in enumerate(at)}
        if space is DARTS:
            # the joint optimum of a node's pair and its operations; with free operations that is pair by pair
            chosen = {kind: {} for kind in space.kinds}
            for name, sets in decisions(space).edge_sets().items():
                kind = name.split("/")[0]
                operations = logits[kind].log_softmax(-1).max(1)
                values = [
                    float(p + operations.values[list(edges)].sum())
                    for p, edges in zip(logits[name].log_softmax(0), sets, strict=True)
                ]
                for edge in sets[values.index(max(values))]:
                    chosen[kind][edge] = decisions(space).allowed[int(operations.indices[edge])]
        assert best == space.from_edge_operations(chosen)


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_a_constant_added_to_a_decision_changes_nothing(space):
    logits = random_logits(space, 7)
    best = checker(space).best(decisions(space).scores(logits))
    for name, value in logits.items():
        moved = {**logits, name: value + 3.5}
        assert checker(space).best(decisions(space).scores(moved)) == best


def test_scores_respect_a_budget():
    logits = random_logits(DARTS, 1)
    free = checker(DARTS).model.params(checker(DARTS).best(decisions(DARTS).scores(logits)))
    low, _ = checker(DARTS).model.range("params")
    limit = (low + free) / 2
    tight = checker(DARTS, Budget(max_params=limit))
    assert tight.allows(tight.best(decisions(DARTS).scores(logits)))


def test_operations_that_are_not_allowed_are_never_chosen():
    only = Decisions(NB201, ("skip_connect", "nor_conv_3x3"))
    scores = only.scores(only.zeros())["cell"]
    assert scores.isneginf().sum(1).tolist() == [3] * 6
    best = checker(NB201).best(only.scores(only.zeros()))
    assert set(best.answers) <= {"skip_connect", "nor_conv_3x3"}
