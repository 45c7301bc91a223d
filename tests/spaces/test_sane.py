"""SANE's space: its size and texts, and the checks of a supernet against the networks it stands for."""

import pytest
import torch

from nascence.errors import ArchitectureError, SettingError
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.sane import GraphSize, Sane
from nascence.supernets.inheriting import inherited_state
from nascence.testing.toy_graph import toy_graph_task

SPACE = get_space("sane")
TASK = toy_graph_task()
BATCH = TASK.part("train").whole()
SIZE = GraphSize(channels=16)


def test_size():
    assert SPACE.size == 11**3 * 2**2 * 3 == 15_972
    assert get_space("sane-2").size == 11**2 * 2 * 3
    assert get_space("sane-1").size == 33
    assert [group.shape for group in SPACE.groups] == [(3, 11), (2, 2), (1, 3)]


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_texts_round_trip(depth):
    space = Sane(depth)
    draws = generator(0, "texts")
    for _ in range(20):
        architecture = space.sample(draws)
        assert space.parse(space.format(architecture)) == architecture


def test_references_are_known_by_name():
    assert str(SPACE.parse("gcn-jk")) == "gcn,gcn,gcn|skip,skip|l_concat"
    assert set(SPACE.references) == {"gcn-jk", "gat-jk", "sage-jk", "gin-jk"}
    with pytest.raises(ArchitectureError, match="gcn-jk, gat-jk, sage-jk, gin-jk"):
        SPACE.parse("gcn")
    with pytest.raises(ArchitectureError, match="no option"):
        SPACE.parse("gcn,gcn,gnc|skip,skip|l_concat")


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="multiple of heads"):
        GraphSize(channels=12)
    with pytest.raises(SettingError, match="below 1"):
        GraphSize(dropout=1.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"linear": True, "norm": True, "residual": True, "activation": "relu"}])
def test_supernet_at_one_hot_weights_is_the_network(seed, options):
    size = GraphSize(channels=16, **options)
    architecture = SPACE.sample(generator(seed, "test"))
    supernet = SPACE.supernet(size, TASK.signature, seed=1).eval()
    network = SPACE.assemble(architecture, size, TASK.signature).eval()
    network.load_state_dict(inherited_state(supernet, SPACE.one_hot(architecture), network))
    torch.testing.assert_close(
        network(*BATCH.inputs), supernet(*BATCH.inputs, weights=SPACE.one_hot(architecture)), rtol=1e-5, atol=1e-6
    )


def test_every_row_gets_a_gradient():
    """Also those of the later layers, which a bug in the authors' code leaves out."""
    supernet = SPACE.supernet(SIZE, TASK.signature)
    logits = {group.name: torch.zeros(group.shape, requires_grad=True) for group in SPACE.groups}
    weights = {name: value.softmax(1) for name, value in logits.items()}
    TASK.loss(supernet(*BATCH.inputs, weights=weights), BATCH).backward()
    for name, value in logits.items():
        assert bool((value.grad.abs().sum(1) > 0).all()), name
    aggregator = logits["aggregator"].grad
    assert bool((aggregator != 0).all()), "and every aggregator of every layer"


def test_layers_share_no_weights():
    supernet = SPACE.supernet(SIZE, TASK.signature)
    first, second = (list(block.parameters()) for block in list(supernet.network.blocks)[:2])
    assert not {id(p) for p in first} & {id(p) for p in second}
    assert any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_layer_that_is_not_skipped_to_the_fusion_still_feeds_the_next():
    architecture = SPACE.parse("gcn,gcn,gcn|none,none|l_concat")
    network = SPACE.assemble(architecture, SIZE, TASK.signature).eval()
    out = network(*BATCH.inputs)
    with torch.no_grad():
        network.blocks[0].aggregator.lin.weight.zero_()
    assert not torch.allclose(out, network(*BATCH.inputs))


def test_weights_of_a_supernet_follow_from_its_seed():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = SPACE.supernet(SIZE, TASK.signature, seed=1)
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    torch.manual_seed(6)
    same, other = (SPACE.supernet(SIZE, TASK.signature, seed=seed) for seed in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
