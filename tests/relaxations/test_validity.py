"""The penalty on invalid topologies: what counts as valid, where it is silent, and that descending it repairs."""

import itertools

import pytest
import torch

from nascence.relaxations.topology import Topology
from nascence.relaxations.validity import invalidity, is_valid
from nascence.seeding import generator
from nascence.spaces import CellShape, get_space
from nascence.testing.toy import toy_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
OPEN = CellShape(inputs=2, nodes=4, output="last")


@pytest.fixture
def open_darts(monkeypatch):
    """Two inputs and four nodes as in darts, but any set of edges into a node."""
    toy = toy_space()
    monkeypatch.setattr(type(toy), "shape", OPEN)
    return Topology(toy, empty=True)


def reached(shape, kept):
    alive = set(range(shape.inputs))
    for source, target in shape.edges:  # sorted by target
        if (source, target) in kept and source in alive:
            alive.add(target)
    return alive


def obviously_valid(shape, kept, output):
    """The words of the docstring, on a graph."""
    inner = range(shape.inputs, shape.inputs + shape.nodes)
    fed = {node for node in inner if any(target == node for _, target in kept)}
    read = {source for source, _ in kept}
    last = inner[-1]
    if output == "concat":
        return fed == set(inner)
    if output == "last":
        used = read | {last}
        return all((node in fed) == (node in used) for node in inner) and last in reached(shape, kept)
    leaves = [node for node in inner if node not in read]
    return all(node in fed for node in inner if node in read) and any(n in reached(shape, kept) for n in leaves)


def topologies(topology):
    return [dict(zip(topology.sets, sets, strict=True)) for sets in itertools.product(*topology.sets.values())]


@pytest.mark.parametrize("output", ["last", "concat", "leaves"])
def test_validity_is_that_of_the_graph(output):
    topology = Topology(NB201, empty=True)
    for kept in topologies(topology):
        edges = {NB201.shape.edges[at] for sets in kept.values() for at in sets}
        assert is_valid(topology, kept, output) == obviously_valid(NB201.shape, edges, output)


def test_classes_of_nas_bench_201():
    """15 valid, 32 that reach the output past a dangling node, 17 that do not (counted from the table's cells)."""
    topology = Topology(NB201, empty=True)
    valid, connected = 0, 0
    for kept in topologies(topology):
        edges = {NB201.shape.edges[at] for sets in kept.values() for at in sets}
        valid += is_valid(topology, kept)
        connected += 3 in reached(NB201.shape, edges)
    assert (valid, connected - valid, 64 - connected) == (15, 32, 17)


def test_chains_and_the_cells_of_darts_are_free(open_darts):
    chain = {f"cell/{node}/inputs": (OPEN.edges.index((node - 1, node)),) for node in range(2, 6)}
    assert is_valid(open_darts, chain)
    assert is_valid(open_darts, chain, "leaves")
    pairs = Topology(DARTS)
    for seed in range(5):  # in the space of pairs every node has inputs: nothing to punish, whatever the logits
        q = pairs.probabilities(
            {n: 3 * torch.randn(v.shape, generator=generator(seed, n)) for n, v in pairs.zeros().items()}
        )
        assert float(invalidity(pairs, q)) == 0


def surely(topology, kept, confidence=6.0):
    logits = {
        name: torch.tensor([confidence * (sets[at] == kept[name]) for at in range(len(sets))]).double()
        for name, sets in topology.sets.items()
    }
    return {name: value.requires_grad_() for name, value in logits.items()}


def test_a_step_feeds_a_used_node_or_uses_a_fed_one(open_darts):
    at = OPEN.edges.index
    unused = {
        "cell/2/inputs": (at((0, 2)),),  # has an input, and nobody reads it
        "cell/3/inputs": (at((1, 3)),),
        "cell/4/inputs": (at((3, 4)),),
        "cell/5/inputs": (at((4, 5)),),
    }
    unfed = {**unused, "cell/2/inputs": (), "cell/3/inputs": (at((2, 3)),)}
    for kept, output in ((unused, "last"), (unfed, "last"), (unfed, "leaves")):
        logits = surely(open_darts, kept)
        before = open_darts.probabilities(logits)
        penalty = invalidity(open_darts, before, output)
        assert penalty.item() > 0.5
        assert not is_valid(open_darts, kept, output)
        penalty.backward()
        moved = {name: value.detach() - value.grad for name, value in logits.items() if value.grad is not None}
        after = open_darts.probabilities({**{n: v.detach() for n, v in logits.items()}, **moved})
        fed = [1 - q["cell/2/inputs"][open_darts.sets["cell/2/inputs"].index(())].item() for q in (before, after)]
        used = []
        for q in (before, after):
            gamma = open_darts.edge_weights(q)["cell"].detach()
            used.append(1 - float(torch.stack([1 - gamma[at((2, k))] for k in (3, 4, 5)]).prod()))
        narrowed = abs(fed[1] - used[1]) < abs(fed[0] - used[0])
        assert narrowed
    assert is_valid(open_darts, unused, "leaves")  # a node that nobody reads is an output there


def test_passive_means_no_gradient_at_all():
    topology = Topology(NB201, empty=True)
    everything = {name: sets[-1] for name, sets in topology.sets.items()}
    logits = surely(topology, everything)
    penalty = invalidity(topology, topology.probabilities(logits))
    assert penalty.item() == 0
    penalty.backward()
    assert all(float(value.grad.abs().max()) == 0 for value in logits.values() if value.grad is not None)
    assert any(value.grad is not None for value in logits.values())


def test_an_empty_node_is_judged_by_the_empty_set_not_by_its_edges():
    """Two sets of one edge each, half and half: the node surely has an input, though each edge is half there."""
    topology = Topology(NB201, empty=True)
    q = topology.one_hot({name: sets[-1] for name, sets in topology.sets.items()})
    halves = torch.tensor([0.0, 0.5, 0.5, 0.0]).double()
    value = invalidity(topology, {**q, "cell/2/inputs": halves})
    assert float(value) == 0  # with 1 - (1 - .5)^2 = .75 it would be 1 - .75 - .1


@pytest.mark.parametrize(("output", "share"), [("leaves", 0.65), ("last", 0.27)])
def test_descending_the_penalty_alone_repairs_every_topology(open_darts, output, share):
    """100 starts, beta ~ N(0, 1), Adam .03, 500 steps, T 5 -> .1: shares of valid argmax before, all of them after."""
    logits = {
        name: torch.randn(100, len(value), generator=generator(0, name), dtype=torch.float64).requires_grad_()
        for name, value in open_darts.zeros().items()
    }

    def valid():
        kept = {name: value.argmax(-1) for name, value in logits.items()}
        one = {name: torch.nn.functional.one_hot(at, len(open_darts.sets[name])).double() for name, at in kept.items()}
        return float((invalidity(open_darts, one, output) == 0).double().mean())

    assert valid() == pytest.approx(share, abs=0.15)
    optimiser = torch.optim.Adam(list(logits.values()), lr=0.03)
    for step in range(500):
        temperature = 5 * (0.1 / 5) ** (step / 499)
        penalty = invalidity(open_darts, open_darts.probabilities(logits, temperature), output)
        optimiser.zero_grad()
        penalty.sum().backward()
        optimiser.step()
    assert valid() == 1
    assert float(invalidity(open_darts, open_darts.probabilities(logits, 0.1), output).max().detach()) == 0


def test_kinds_of_cell_add_up():
    topology = Topology(DARTS)
    q = topology.probabilities(topology.zeros())
    assert float(invalidity(topology, q, "last")) == pytest.approx(2 * float(_one_kind(topology, q)), abs=1e-6)


def _one_kind(topology, q):
    from nascence.relaxations.validity import _of_kind

    return _of_kind(topology, "normal", q, topology.edge_weights(q)["normal"], "last", 0.1, 0.9)
