"""Operations first, topology second: weights of both stages, what is kept, and the toy of the two informative edges."""

import pytest
import torch
from torch import nn

from nascence.costs import Budget
from nascence.relaxations import DecoupledTopology
from nascence.relaxations.dots import groups_of
from nascence.schedules import Exponential, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
LATER = Moment(1, 2, stage=1)


def relaxation(space, seed=0, spread=1.0, **settings):
    made = DecoupledTopology(space, space.operations, seed=seed, scale=spread, **settings)
    made.begin(Moment(0, 2))
    return made


def unlimited(space):
    return Budget().bind(space, NetworkConfig(channels=2, depth=2), input_shape=(3, 8, 8), num_classes=3)


def fill(made, seed=0):
    """Random numbers for the second stage's parameters."""
    with torch.no_grad():
        for name, value in made.parameters.items():
            value.copy_(torch.randn(value.shape, generator=generator(seed, name)))


def test_groups_are_what_has_parameters_and_what_has_not():
    assert groups_of(DARTS.operations) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert groups_of(NB201.operations) == ((0, 1, 4), (2, 3))
    assert groups_of(("sep_conv_3x3",)) == ((0,),)


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_the_first_stage_mixes_each_group_by_itself(space):
    made = relaxation(space)
    for kind, weights in made.sample(generator(0)).items():
        for group in made.groups:
            torch.testing.assert_close(weights[:, group], made.parameters[kind][:, group].softmax(1))
    assert set(made.parameters) == set(space.kinds)
    assert made.observed() == {}


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_the_second_stage_keeps_the_best_of_each_group_and_weighs_edges(space):
    made = relaxation(space, balance=0.5)
    first = {kind: value.detach().clone() for kind, value in made.parameters.items()}
    made.begin(LATER)
    fill(made)
    made.temperature = 0.7
    q = made.distributions()
    gates = made.topology.edge_weights(q, average=space is NB201)
    for kind, weights in made.sample(generator(0)).items():
        best = [torch.tensor(group)[first[kind][:, list(group)].argmax(1)] for group in made.groups]
        shares = (made.parameters[f"{kind}/balance"] / (0.5 * 0.7)).softmax(1)
        for at in range(len(weights)):
            assert set(weights[at].nonzero().flatten().tolist()) == {int(column[at]) for column in best}
            for group, column in enumerate(best):
                expected = gates[kind][at] * shares[at, group]
                torch.testing.assert_close(weights[at, int(column[at])], expected)
    assert set(made.parameters) == {f"{kind}/balance" for kind in space.kinds} | set(made.topology.sets)
    assert all(made.optimizer_options(name) == {"betas": (0.9, 0.999)} for name in made.parameters)
    torch.testing.assert_close(made.mean(), {k: v.detach() for k, v in made.sample(generator(1)).items()})


def test_edge_weights_start_uniform_and_add_up_to_two():
    made = relaxation(DARTS)
    made.begin(LATER)
    for weights in made.sample(generator(0)).values():
        totals = weights.sum(1)
        for node in range(2, 6):
            edges = DARTS.shape.edges_into(node)
            torch.testing.assert_close(totals[edges], torch.full((node,), 2 / node))


def test_temperatures():
    """10 r^n with r = (.02 / 10)^(1 / 19): 10, 1.95 after 5 epochs, .38, .074, .02; 1 while the architecture waits."""
    made = relaxation(DARTS, temperature=Exponential(10.0, 0.02, over="stage"))
    found = []
    for epoch in (0, 5, 10, 15, 19):
        made.begin(Moment(50 + epoch, 70, stage=2, stage_epoch=epoch, stage_epochs=20))
        found.append(made.temperature)
    assert found == pytest.approx([10, 1.949, 0.380, 0.0740, 0.02], rel=2e-3)
    assert found[1] / found[0] == pytest.approx(0.7210**5, rel=1e-3)
    made.begin(Moment(40, 70, stage=1, stage_epoch=10, stage_epochs=20, frozen=True))
    assert made.temperature == 1


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda s: s.name)
def test_derivation_is_the_best_set_and_the_larger_balance_but_none(space):
    made = relaxation(space, seed=3)
    made.begin(LATER)
    fill(made, seed=4)
    chosen = space.edge_operations(made.derive(unlimited(space)))
    none = space.operations.index("none")
    for name, sets in made.topology.sets.items():
        kind, node, _ = name.split("/")
        best = sets[int(made.parameters[name].argmax())]
        for at in space.shape.edges_into(int(node)):
            if at not in best:
                assert chosen[kind].get(at, "none") == "none"
                continue
            both = made.kept[kind][at].tolist()
            order = made.parameters[f"{kind}/balance"][at].argsort(descending=True).tolist()
            wanted = next(both[place] for place in order if both[place] != none)
            assert chosen[kind][at] == space.operations[wanted]


def test_a_first_stage_derives_as_darts_does():
    made = relaxation(DARTS, seed=1)
    assert made.derive(unlimited(DARTS)) == unlimited(DARTS).best(made.scores())


def test_a_budget_may_bring_back_what_was_dropped():
    made = relaxation(NB201, seed=5)
    with torch.no_grad():
        made.parameters["cell"][:, :2] -= 50  # pooling and convolutions are kept
    made.begin(LATER)
    model = unlimited(NB201).model
    low, high = model.range("flops")
    tight = Budget(max_flops=low + 0.02 * (high - low)).bind(
        NB201, NetworkConfig(channels=2, depth=2), input_shape=(3, 8, 8), num_classes=3
    )
    assert tight.allows(made.derive(tight))


def test_state_goes_from_either_stage_into_a_fresh_object():
    for stage in (0, 1):
        made = relaxation(DARTS, seed=1)
        made.begin(Moment(stage, 2, stage=stage))
        fill(made, seed=2)
        other = relaxation(DARTS, seed=9)
        other.load_state_dict(made.state_dict())
        other.begin(Moment(stage, 2, stage=stage))
        assert list(other.parameters) == list(made.parameters)
        for name, value in made.parameters.items():
            assert torch.equal(value, other.parameters[name])
        for kind, value in made.sample(generator(0)).items():
            assert torch.equal(value, other.sample(generator(0))[kind])


def test_annealed_topology_finds_the_informative_pair():
    """Node 5 of a darts cell; only the edges from 1 and 3 carry the label, the others noise. 200 steps of the last
    phase put more than 0.9 of q there. The ranking by operation weights fails when a noisy edge's skip grew first."""
    made = DecoupledTopology(DARTS, DARTS.operations, Exponential(10.0, 0.02, over="stage"), scale=1e-3)
    node = DARTS.shape.edges_into(5)
    with torch.no_grad():
        for at in (node[0], node[2]):  # the skips of two noisy edges
            made.parameters["normal"][at, 3] = 3.0
    made.begin(Moment(0, 3))
    by_weight = DARTS.edge_operations(made.derive(unlimited(DARTS)))["normal"]
    assert {at for at in node if at in by_weight} == {node[0], node[2]}
    made.begin(LATER)
    labels = torch.randint(2, (256,), generator=generator(0, "labels"))
    signal = (2.0 * labels - 1)[:, None] * torch.ones(1, 4)
    noise = torch.randn(3, 256, 4, generator=generator(0, "noise"))
    inputs = torch.stack([noise[0], signal + 0.3 * noise[1], noise[1], signal + 0.3 * noise[2], noise[2]], dim=1)
    head = nn.Linear(4, 2)
    with torch.no_grad():
        head.weight.copy_(torch.randn(2, 4, generator=generator(0, "head")) * 0.1)
        head.bias.zero_()
    beta = made.parameters["normal/5/inputs"]
    adam = torch.optim.Adam([beta], 3e-2, betas=(0.9, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(head.parameters(), 0.025, momentum=0.9)
    for step in range(200):
        made.begin(Moment(50 + step // 10, 70, stage=2, stage_epoch=step // 10, stage_epochs=20))
        gates = made.topology.edge_weights(made.distributions())["normal"][node]
        loss = nn.functional.cross_entropy(head((gates[:, None] * inputs).sum(1)), labels)
        adam.zero_grad()
        sgd.zero_grad()
        loss.backward()
        adam.step()
        sgd.step()
    q = made.distributions()["normal/5/inputs"]
    assert float(q[made.topology.sets["normal/5/inputs"].index((node[1], node[3]))].detach()) > 0.9
