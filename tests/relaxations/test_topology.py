"""Distributions over sets of incoming edges: sizes, weights, the derived cell, and the most probable architecture."""

import itertools
import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import BudgetError, SettingError
from nascence.relaxations.topology import Topology, grouped_softmax
from nascence.relaxations.validity import is_valid
from nascence.seeding import generator
from nascence.spaces import CellShape, NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing.toy import toy_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
SMALL = {
    "nas-bench-201": NetworkConfig(channels=4, depth=1, stages=2),
    "darts": NetworkConfig(channels=2, depth=2, stem_channels=4),
}


def random_logits(topology, seed=0, scale=1.0):
    return {
        name: scale * torch.randn(value.shape, generator=generator(seed, name), dtype=torch.float64)
        for name, value in topology.zeros().items()
    }


def operation_scores(space, seed=0):
    shape = (len(space.shape.edges), len(space.operations))
    return {kind: torch.randn(shape, generator=generator(seed, kind), dtype=torch.float64) for kind in space.kinds}


def unlimited(space, **limits):
    return Budget(**limits).bind(space, SMALL[space.name], input_shape=(3, 8, 8), num_classes=3)


@pytest.mark.parametrize(
    ("space", "empty", "counts"),
    [
        (DARTS, False, [1, 3, 6, 10] * 2),
        (DARTS, True, [1, 3, 6, 10] * 2),
        (NB201, False, [1, 3, 7]),
        (NB201, True, [2, 4, 8]),
    ],
)
def test_numbers_of_sets(space, empty, counts):
    topology = Topology(space, empty)
    assert [len(sets) for sets in topology.sets.values()] == counts
    assert [len(value) for value in topology.zeros().values()] == counts
    for sets in topology.sets.values():
        assert len(set(sets)) == len(sets)


def test_without_none_nothing_can_be_dropped(monkeypatch):
    toy = toy_space()
    assert [len(sets) for sets in Topology(toy, True).sets.values()] == [2, 4]
    monkeypatch.setattr(type(toy), "operations", ("skip_connect", "nor_conv_1x1"))
    assert list(Topology(toy, True).sets.values()) == [((0,),), ((1, 2),)]


def test_variables_are_named_as_the_spaces_own_choices():
    topology = Topology(DARTS)
    for name, sets in topology.sets.items():
        (choice,) = [choice for choice in DARTS.choices if choice.name == name]
        sources = ["+".join(str(DARTS.shape.edges[at][0]) for at in kept) for kept in sets]
        assert tuple(sources) == choice.options


def test_a_node_of_too_many_edges_is_refused(monkeypatch):
    toy = toy_space()
    monkeypatch.setattr(type(toy), "shape", CellShape(inputs=1, nodes=12, output="last"))
    with pytest.raises(SettingError, match="Node 11 of toy has 11 incoming edges"):
        _ = Topology(toy).sets


@pytest.mark.parametrize("space", [DARTS, NB201])
@pytest.mark.parametrize("temperature", [0.02, 1.0, 10.0])
def test_edge_weights_of_a_node_sum_to_the_expected_number_of_edges(space, temperature):
    topology = Topology(space)
    q = topology.probabilities(random_logits(topology), temperature)
    plain, averaged = topology.edge_weights(q), topology.edge_weights(q, average=True)
    for name, sets in topology.sets.items():
        kind, node, _ = name.split("/")
        edges = space.shape.edges_into(int(node))
        expected = sum(float(p) * len(kept) for p, kept in zip(q[name], sets, strict=True))
        assert float(plain[kind][edges].sum()) == pytest.approx(expected)
        assert float(averaged[kind][edges].sum()) == pytest.approx(1)
        if space is DARTS:
            assert expected == pytest.approx(2)
        for at in edges:  # the definition, term by term
            held = [(float(p), kept) for p, kept in zip(q[name], sets, strict=True) if at in kept]
            assert float(plain[kind][at]) == pytest.approx(sum(p for p, _ in held), abs=1e-12)
            assert float(averaged[kind][at]) == pytest.approx(sum(p / len(kept) for p, kept in held), abs=1e-12)


def test_leading_dimensions_are_kept():
    topology = Topology(DARTS)
    logits = {name: torch.randn(5, len(value)) for name, value in topology.zeros().items()}
    weights = topology.edge_weights(topology.probabilities(logits))
    assert weights["normal"].shape == (5, 14)
    third = topology.edge_weights(topology.probabilities({name: value[3] for name, value in logits.items()}))
    torch.testing.assert_close(weights["reduce"][3], third["reduce"])


def test_the_largest_set_does_not_depend_on_the_temperature_but_the_weights_do():
    topology = Topology(DARTS)
    logits = random_logits(topology)
    hot, cold = (topology.probabilities(logits, temperature) for temperature in (10.0, 0.1))
    assert all(hot[name].argmax() == cold[name].argmax() for name in hot)
    assert not torch.allclose(topology.edge_weights(hot)["normal"], topology.edge_weights(cold)["normal"], atol=0.05)


def test_only_one_set_leaves_nothing_to_learn():
    topology = Topology(DARTS)
    logits = {name: value.requires_grad_() for name, value in random_logits(topology).items()}
    weights = topology.edge_weights(topology.probabilities(logits))
    (weights["normal"] * torch.arange(14)).sum().backward()
    assert float(logits["normal/2/inputs"].grad.abs().max()) == 0
    assert float(logits["normal/3/inputs"].grad.abs().max()) > 0


@pytest.mark.parametrize("name", ["nas-bench-201", "darts"])
def test_with_one_hot_distributions_the_supernet_computes_the_derived_cell(name):
    space = get_space(name)
    topology = Topology(space)
    architecture = topology.derive(
        {key: value.log_softmax(-1) for key, value in random_logits(topology).items()},
        operation_scores(space),
        unlimited(space),
    )
    kept = {}
    for key, sets in topology.sets.items():
        kind, node, _ = key.split("/")
        chosen = space.edge_operations(architecture)[kind]
        on = tuple(at for at in space.shape.edges_into(int(node)) if chosen.get(at, "none") != "none")
        assert on in sets
        kept[key] = on
    gates = topology.edge_weights(topology.one_hot(kept))
    best = {kind: value.clone() for kind, value in operation_scores(space).items()}
    weights = {}
    for kind, value in best.items():
        value[:, space.operations.index("none")] = -torch.inf
        picked = torch.nn.functional.one_hot(value.argmax(1), len(space.operations))
        weights[kind] = (picked * gates[kind][:, None]).float()
    supernet = CellSupernet(space, SMALL[name], num_classes=3)
    x = torch.randn(4, 3, 8, 8, generator=generator(0, "x"))
    torch.testing.assert_close(supernet(x, weights), supernet(x, space.one_hot(architecture)), rtol=0, atol=0)


def brute_force(topology, log_q, operations, allowed, valid=lambda kept: True):
    """The best of all architectures of a space that keeps all its edges, by trying every one."""
    space = topology.space
    scores = {kind: value.clone() for kind, value in operations.items()}
    none = space.operations.index("none")
    for value in scores.values():
        value[:, none] = -torch.inf
        value -= value.amax(1, keepdim=True)
        value[:, none] = 0
    best = None
    for architecture in space.enumerate():
        chosen = space.edge_operations(architecture)
        kept = {
            name: tuple(
                at for at in space.shape.edges_into(int(name.split("/")[1])) if chosen[name.split("/")[0]][at] != "none"
            )
            for name in topology.sets
        }
        if any(kept[name] not in sets for name, sets in topology.sets.items()) or not valid(kept):
            continue
        if not allowed(architecture):
            continue
        total = sum(float(log_q[name][sets.index(kept[name])]) for name, sets in topology.sets.items())
        total += topology._sum(scores, architecture)
        if best is None or total > best[0]:
            best = total, architecture
    return best[1]


@pytest.mark.parametrize("seed", range(4))
def test_a_derivation_is_the_best_of_all_architectures(seed):
    toy = toy_space()
    topology = Topology(toy, empty=True)
    log_q = {name: value.log_softmax(-1) for name, value in random_logits(topology, seed).items()}
    operations = operation_scores(toy, seed)
    for limits in ({}, {"max_params": 500}):
        budget = Budget(**limits).bind(toy, NetworkConfig(channels=4), input_shape=(3, 8, 8), num_classes=3)
        for valid in (lambda kept: True, lambda kept: is_valid(topology, kept)):
            found = topology.derive(log_q, operations, budget, valid)
            assert found == brute_force(topology, log_q, operations, budget.allows, valid)
    assert not budget.allows(toy.parse("nor_conv_3x3,nor_conv_3x3,nor_conv_3x3"))


def test_darts_derivation_is_the_best_pair_and_the_best_operation_on_each():
    topology = Topology(DARTS)
    log_q = {name: value.log_softmax(-1) for name, value in random_logits(topology, 3).items()}
    operations = operation_scores(DARTS, 3)
    operations["normal"][:, 0] = 9  # none is never chosen, however probable
    chosen = DARTS.edge_operations(topology.derive(log_q, operations, unlimited(DARTS)))
    for name, sets in topology.sets.items():
        kind, node, _ = name.split("/")
        best = sets[int(log_q[name].argmax())]
        assert tuple(at for at in DARTS.shape.edges_into(int(node)) if at in chosen[kind]) == best
        for at in best:
            assert chosen[kind][at] == DARTS.operations[1 + int(operations[kind][at, 1:].argmax())]


def test_operations_that_are_not_allowed_stay_out():
    topology = Topology(NB201)
    operations = {"cell": torch.full((6, 5), -torch.inf)}
    operations["cell"][:, 2] = -5.0
    found = topology.derive(topology.zeros(), operations, unlimited(NB201))
    assert set(found.answers) <= {"none", "nor_conv_1x1"}


def test_a_budget_out_of_reach_is_refused():
    topology = Topology(NB201)
    with pytest.raises(BudgetError, match="reachable"):
        topology.derive(topology.zeros(), operation_scores(NB201), unlimited(NB201, max_params=10))


def test_topologies_come_by_probability_and_completely():
    topology = Topology(NB201, empty=True)
    log_q = {name: value.log_softmax(-1) for name, value in random_logits(topology).items()}
    found = list(topology._by_probability(log_q))
    totals = [total for total, _ in found]
    assert len(found) == 64
    assert totals == sorted(totals, reverse=True)
    assert {tuple(kept.values()) for _, kept in found} == set(itertools.product(*topology.sets.values()))
    assert math.fsum(math.exp(total) for total in totals) == pytest.approx(1)


def test_entropy_is_a_share():
    topology = Topology(DARTS)
    assert topology.entropy(topology.probabilities(topology.zeros())) == pytest.approx(1)
    sure = topology.one_hot({name: sets[0] for name, sets in topology.sets.items()})
    assert topology.entropy(sure) == 0
    assert 0 < topology.entropy(topology.probabilities(random_logits(topology))) < 1


def test_grouped_softmax_sums_to_one_in_every_group():
    logits = torch.randn(14, 8, dtype=torch.float64)
    groups = ((0, 1, 2, 3), (4, 5, 6, 7))
    weights = grouped_softmax(logits, groups)
    for group in groups:
        torch.testing.assert_close(weights[:, group].sum(1), torch.ones(14, dtype=torch.float64))
        torch.testing.assert_close(weights[:, group], logits[:, group].softmax(1))
    torch.testing.assert_close(grouped_softmax(logits, (tuple(range(8)),)), logits.softmax(1))
    part = grouped_softmax(logits, ((3,), (7, 5)))
    torch.testing.assert_close(part[:, [5, 7]], logits[:, [5, 7]].softmax(1))
    assert bool((part[:, 3] == 1).all())
    assert float(part[:, [0, 1, 2, 4, 6]].abs().sum()) == 0
