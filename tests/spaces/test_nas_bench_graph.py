"""The chains of NAS-Bench-Graph: texts, and the supernet against the networks."""

import pytest
import torch

from nascence.errors import ArchitectureError
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.sane import GraphSize
from nascence.supernets.inheriting import inherited_state
from nascence.testing.toy_graph import toy_graph_task

SPACE = get_space("nas-bench-graph-chains")
TASK = toy_graph_task()
SIZE = GraphSize(channels=16, heads=2)


def test_texts_round_trip():
    everything = list(SPACE.enumerate())
    assert len(everything) == 192
    assert [SPACE.parse(SPACE.format(one)) for one in everything] == everything
    with pytest.raises(ArchitectureError, match=r"gcn,gat,sage\|none"):
        SPACE.parse("gcn,gcn,gcn")


@pytest.mark.parametrize("seed", range(3))
def test_supernet_at_one_hot_weights_is_the_network(seed):
    architecture = SPACE.sample(generator(seed, "test"))
    supernet = SPACE.supernet(SIZE, TASK.signature, seed=1).eval()
    network = SPACE.assemble(architecture, SIZE, TASK.signature).eval()
    network.load_state_dict(inherited_state(supernet, SPACE.one_hot(architecture), network))
    inputs = TASK.whole
    torch.testing.assert_close(network(*inputs), supernet(*inputs, weights=SPACE.one_hot(architecture)))


def test_every_weight_gets_a_gradient():
    supernet, batch = SPACE.supernet(SIZE, TASK.signature), TASK.part("train").whole()
    weights = {g.name: torch.full(g.shape, 1 / g.shape[1]).requires_grad_() for g in SPACE.groups}
    TASK.loss(supernet(*batch.inputs, weights=weights), batch).backward()
    assert all(bool((weight.grad != 0).all()) for weight in weights.values())


def test_a_jump_reaches_the_output():
    network = SPACE.assemble(SPACE.parse("gcn,gcn,gcn|first"), SIZE, TASK.signature).eval()
    with torch.no_grad():
        network.blocks[2].aggregator.lin.weight.zero_()
        out = network(*TASK.whole)
        network.blocks[0].aggregator.lin.weight.zero_()
        assert not torch.allclose(out, network(*TASK.whole))
