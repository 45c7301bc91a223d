"""Operations and sets of edges together: products, reductions, derivations to valid cells."""

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.objectives import Evaluated
from nascence.objectives.passive_aggressive import EdgeCount, PassiveAggressive
from nascence.relaxations import Dirichlet, ExplicitTopology, GumbelSoftmax, Softmax
from nascence.relaxations.validity import invalidity, is_valid
from nascence.schedules import Constant, Exponential, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.tasks import Batch

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
WITHOUT = {space.name: tuple(name for name in space.operations if name != "none") for space in (NB201, DARTS)}


def relaxation(space, inner=Softmax, seed=0, spread=1.0, **settings):
    made = ExplicitTopology(inner(space, WITHOUT[space.name], seed=seed, scale=spread), **settings)
    with torch.no_grad():
        for name, value in made.parameters.items():
            if name in made.topology.sets:
                value.copy_(spread * torch.randn(value.shape, generator=generator(seed, name)))
    return made


def unlimited(space):
    return Budget().bind(space, NetworkConfig(channels=2, depth=2), input_shape=(3, 8, 8), num_classes=3)


@pytest.mark.parametrize("inner", [Softmax, GumbelSoftmax, Dirichlet])
@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_weights_are_those_of_the_operations_times_the_edges_probability(space, inner):
    made = relaxation(space, inner)
    gates = made.topology.edge_weights(made.distributions())
    plain = made.inner.sample(generator(5))
    for kind, weights in made.sample(generator(5)).items():
        torch.testing.assert_close(weights, plain[kind] * gates[kind][:, None])
        torch.testing.assert_close(weights.sum(1), gates[kind])
        assert float(weights[:, 0].abs().max().detach()) == 0  # none
    (only,) = made.samples(generator(5))
    torch.testing.assert_close(only, made.sample(generator(5)))
    assert not any(value.requires_grad for value in made.mean().values())


def test_with_all_edges_surely_kept_it_is_the_inner_relaxation():
    made = relaxation(NB201, temperature=Constant(0.01))
    with torch.no_grad():
        for name, sets in made.topology.sets.items():
            made.parameters[name].zero_()[len(sets) - 1] = 5.0
    torch.testing.assert_close(made.sample(generator(0))["cell"], made.inner.sample(generator(0))["cell"])
    assert made.derive(unlimited(NB201)) == unlimited(NB201).best(made.inner.scores())


def test_every_parameter_learns_and_has_its_own_rate():
    made = relaxation(NB201, learning_rate=0.07)
    weights = made.sample(generator(0))["cell"]
    gradients = torch.autograd.grad((weights * torch.arange(30.0).view(6, 5)).sum(), list(made.parameters.values()))
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)
    assert made.optimizer_options("cell/2/inputs") == {"lr": 0.07, "weight_decay": 0.0}
    assert made.optimizer_options("cell") == {}


@pytest.mark.parametrize("seed", range(6))
def test_derived_cells_are_valid_and_the_most_probable_of_all_valid_ones(seed):
    made = relaxation(NB201, seed=seed, spread=2.0)
    found = made.derive(unlimited(NB201))
    on = [operation != "none" for operation in found.answers]
    kept = {
        name: tuple(at for at in NB201.shape.edges_into(int(name.split("/")[1])) if on[at])
        for name in made.topology.sets
    }
    assert is_valid(made.topology, kept)
    log_q = made.topology.log_probabilities(made._beta)
    best = next(k for _, k in made.topology._by_probability(log_q) if is_valid(made.topology, k))
    assert kept == best
    for at, operation in enumerate(found.answers):
        if on[at]:
            assert operation == WITHOUT["nas-bench-201"][int(made.parameters["cell"][at].argmax())]


def test_temperature_falls_over_the_search():
    made = relaxation(DARTS, temperature=Exponential(5.0, 0.1))
    seen = []
    for epoch in range(50):
        made.begin(Moment(epoch, 50))
        seen.append(made.observed()["topology_temperature"])
    assert seen[0] == pytest.approx(5)
    assert seen[-1] == pytest.approx(0.1)
    assert seen == sorted(seen, reverse=True)
    assert 0 <= made.observed()["topology_entropy"] < 0.7


def test_state_round_trip():
    made, other = relaxation(DARTS, seed=1), relaxation(DARTS, seed=2)
    leaves = list(other.parameters.values())
    other.load_state_dict(made.state_dict())
    for (name, value), leaf in zip(other.parameters.items(), leaves, strict=True):
        assert value is leaf  # an optimizer keeps hold of it
        assert torch.equal(value, made.parameters[name])


def evaluated(made):
    size = NetworkConfig(channels=2, depth=1, stages=2)
    network = CellSupernet(NB201, size, num_classes=3)
    x, labels = torch.randn(4, 3, 8, 8, generator=generator(0)), torch.arange(4) % 3
    weights = made.sample(generator(0))
    return Evaluated(None, network, made, weights, Batch((x,), labels), network(x, weights), Moment(0, 1))


def test_objectives():
    made = relaxation(NB201, spread=2.0, temperature=Constant(0.3))
    batch = evaluated(made)
    penalty = PassiveAggressive(Constant(1.0)).term(batch)
    torch.testing.assert_close(penalty, invalidity(made.topology, made.distributions()))
    count = EdgeCount(Constant(1.0)).term(batch)
    sizes = {name: torch.tensor([len(kept) for kept in sets]) for name, sets in made.topology.sets.items()}
    expected = sum(float((made.distributions()[name] * size).sum().detach()) for name, size in sizes.items())
    assert count.item() == pytest.approx(expected)
    count.backward()
    assert all(made.parameters[name].grad is not None for name in made.topology.sets)
    with pytest.raises(SettingError, match="passive_aggressive needs a relaxation of the topology"):
        PassiveAggressive(Constant(1.0)).term(evaluated(Softmax(NB201, NB201.operations)))
