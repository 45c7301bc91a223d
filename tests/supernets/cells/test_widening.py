import pytest
import torch

from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.supernets.cells.widening import widen

CONFIGS = {
    "nas-bench-201": NetworkConfig(channels=8, depth=1, affine=False),
    "darts": NetworkConfig(channels=8, depth=3, affine=True),
}


def pair(name, before=4, after=2):
    space = get_space(name)
    narrow, wide = (CellSupernet(space, CONFIGS[name], num_classes=4, seed=k, partial=k) for k in (before, after))
    return space, narrow, wide


def mixing(space, seed=0):
    random = generator(seed, "mixing")
    shape = (len(space.shape.edges), len(space.operations))
    return {kind: torch.randn(shape, generator=random).softmax(1) for kind in space.kinds}


@pytest.mark.parametrize("name", CONFIGS)
def test_old_channels_stay_and_new_ones_are_copies(name):
    space, narrow, wide = pair(name)
    momentum = [torch.randn(p.shape, generator=generator(at)) for at, p in enumerate(narrow.parameters())]
    momentum[0] = None
    moved = widen(narrow, wide, momentum, seed=1)
    old, new = dict(narrow.named_parameters()), dict(wide.named_parameters())
    assert old.keys() == new.keys()
    grown = 0
    for at, (key, value) in enumerate(new.items()):
        if at == 0:
            assert moved[at] is None
        else:
            assert moved[at].shape == value.shape
        if value.shape == old[key].shape:
            assert torch.equal(value, old[key])
            continue
        grown += 1
        copies = wide.get_submodule(key.rpartition(".")[0]).copies
        one, two = old[key].unflatten(0, (copies, -1)), value.unflatten(0, (copies, -1))
        inside = two[:, : one.shape[1]]
        inside = inside[:, :, : one.shape[2]] if one.dim() > 2 else inside
        assert torch.equal(inside, one), "the old channels keep their place"
        assert set(value.unique().tolist()) == set(old[key].unique().tolist()), "nothing but copies"
        before, after = momentum[at].unflatten(0, (copies, -1)), moved[at].unflatten(0, (copies, -1))
        assert set(after.unique().tolist()) == set(before.unique().tolist())
        # the same draw moves weights and momentum
        source = [[row.tolist() for row in one[0].flatten(1)] if one.dim() == 5 and one.shape[2] == 1 else None][0]
        if source is not None:
            for channel in range(two.shape[1]):
                origin = source.index(two[0, channel].flatten().tolist())
                assert torch.equal(after[0, channel], before[0, origin])
    assert grown > 10
    assert wide(torch.randn(4, 3, 16, 16, generator=generator(0)), mixing(space)).isfinite().all()


@pytest.mark.parametrize("name", CONFIGS)
def test_it_follows_its_seed_and_leaves_global_randomness_alone(name):
    state = torch.get_rng_state()
    results = []
    for seed in (1, 1, 2):
        _, narrow, wide = pair(name)
        widen(narrow, wide, [None] * len(list(narrow.parameters())), seed)
        results.append(torch.cat([p.detach().flatten() for p in wide.parameters()]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_running_statistics_follow_their_channels():
    name = "darts"
    space, narrow, wide = pair(name)
    narrow.train()
    narrow(torch.randn(4, 3, 16, 16, generator=generator(0)), mixing(space))
    widen(narrow, wide, [None] * len(list(narrow.parameters())), 1)
    old, grown = dict(narrow.named_buffers()), 0
    for key, value in wide.named_buffers():
        grown += value.shape != old[key].shape
        assert set(value.flatten().tolist()) == set(old[key].flatten().tolist())
    assert grown > 10


def test_published_parameter_counts_of_drnas():
    """C = 36, 20 cells, 7 operations: 2,221,750 with 1/6 of the channels, 2,986,462 with 1/4."""
    space, config = get_space("darts"), NetworkConfig(channels=36, depth=20, affine=False)
    for partial, count in ((6, 2_221_750), (4, 2_986_462)):
        supernet = CellSupernet(space, config, partial=partial)
        assert sum(p.numel() for p in supernet.parameters()) == count


def test_published_parameter_count_of_pc_darts():
    supernet = CellSupernet(get_space("darts"), NetworkConfig(channels=16, depth=8, affine=False), partial=4)
    assert sum(p.numel() for p in supernet.parameters()) == 299_578
