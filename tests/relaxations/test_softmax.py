import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.relaxations import Softmax, participants
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
SPACES = pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)


def relaxation(space, seed=0, scale=1.0, everything=True):
    return Softmax(space, participants(space, everything), seed=seed, scale=scale)


def best(space, scores):
    return Budget().bind(space, NetworkConfig(channels=4, depth=2), threads=1).best(scores)


def test_participants():
    assert participants(NB201)["cell"] == NB201.operations
    assert participants(DARTS)["normal"] == DARTS.operations[1:], "none is no option of darts"
    assert participants(DARTS, everything=True)["reduce"] == DARTS.operations
    assert participants(NB201, excluded=["none", "skip_connect"])["cell"] == NB201.operations[2:]


@SPACES
def test_rows_are_the_softmax_in_the_columns_of_the_space(space):
    for everything in (True, False):
        made = relaxation(space, everything=everything)
        for kind, weights in made.sample(generator(0)).items():
            columns = [space.operations.index(name) for name in made.options[kind]]
            torch.testing.assert_close(weights[:, columns], made.parameters[kind].softmax(1))
            assert torch.equal(weights.detach(), made.mean()[kind])
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
            others = [at for at in range(len(space.operations)) if at not in columns]
            assert (weights[:, others] == 0).all()


def test_it_starts_small_and_by_its_seed_alone():
    state = torch.get_rng_state()
    one, same, other = (Softmax(NB201, NB201.operations, seed=seed).parameters["cell"] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 3e-4 < float(one.detach().std()) < 3e-3


def test_the_derivative_by_hand():
    made = relaxation(NB201)
    leaf = made.parameters["cell"]
    weights = made.sample(generator(0))["cell"]
    (gradient,) = torch.autograd.grad(weights[2, 3], leaf)
    w = leaf.detach()[2].softmax(0)
    expected = torch.zeros_like(leaf)
    expected[2] = w[3] * (torch.eye(5)[3] - w)
    torch.testing.assert_close(gradient, expected)


def test_nas_bench_201_takes_the_best_of_every_edge_none_included():
    made = relaxation(NB201)
    with torch.no_grad():
        made.parameters["cell"][2, 0] = 9.0
    chosen = best(NB201, made.scores()).answers
    assert chosen == tuple(NB201.operations[at] for at in made.parameters["cell"].argmax(1).tolist())
    assert chosen[2] == "none"


def test_darts_takes_the_two_edges_with_the_largest_weight_of_an_operation_other_than_none():
    for seed in range(5):
        made = relaxation(DARTS, seed=seed)
        chosen = DARTS.edge_operations(best(DARTS, made.scores()))
        for kind, edges in chosen.items():
            weights = made.mean()[kind][:, 1:]
            for node in range(2, 6):
                into = DARTS.shape.edges_into(node)
                strength, operation = weights[into].max(1)
                kept = sorted(into[at] for at in strength.topk(2).indices.tolist())
                assert kept == [at for at in into if at in edges]
                for at in kept:
                    assert edges[at] == DARTS.operations[1 + int(operation[into.index(at)])]


@SPACES
def test_dropping_operations(space):
    made = relaxation(space, everything=False)
    before = {kind: value.detach().clone() for kind, value in made.parameters.items()}
    leaves = made.parameters
    made.keep(3)
    for kind, weights in made.sample(generator(0)).items():
        assert ((weights != 0).sum(1) == 3).all()
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
        top = before[kind].topk(3, dim=1).indices
        assert made.kept[kind].gather(1, top).all()
        assert made.parameters[kind] is leaves[kind], "the optimizer keeps hold of it"
        assert (made.parameters[kind][~made.kept[kind]] == 0).all()
        assert (made.logits()[kind].isfinite().sum(1) == 3).all()
        assert (made.scores()[kind].isfinite().sum(1) == 3).all()
        weights.sum().backward()
    made.keep(2)
    assert all((value.sum(1) == 2).all() for value in made.kept.values())
    again = relaxation(space, seed=5, everything=False)
    again.load_state_dict(made.state_dict())
    assert all(torch.equal(w, again.mean()[kind]) for kind, w in made.mean().items())
    assert best(space, again.scores()) == best(space, made.scores())


def test_an_operation_that_was_dropped_stays_dropped():
    made = relaxation(NB201)
    made.keep(2)
    before = made.kept["cell"].clone()
    with torch.no_grad():
        made.parameters["cell"].sub_(100.0)
        made.parameters["cell"][~before] = 50.0
    made.keep(2)
    assert torch.equal(made.kept["cell"], before)


@pytest.mark.parametrize("count", [0, 6, -1])
def test_a_number_of_operations_that_cannot_be_kept(count):
    with pytest.raises(SettingError, match="1 to 5 operations"):
        relaxation(NB201).keep(count)


@SPACES
def test_the_derivation_is_within_a_budget(space):
    size = NetworkConfig(channels=4, depth=2)
    low, high = Budget().bind(space, size, threads=1).model.range("params")
    budget = Budget(max_params=low + 0.1 * (high - low)).bind(space, size, threads=1)
    made = relaxation(space)
    assert budget.allows(budget.best(made.scores()))
