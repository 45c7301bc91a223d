"""The fused supernet is the obvious one: in outputs, gradients and statistics."""

import pytest
import torch

from nascence.seeding import generator
from nascence.spaces import CellShape, NetworkConfig, get_space
from nascence.spaces.cells import Edge
from nascence.supernets.cells import CellSupernet, MixedCell
from nascence.supernets.cells.fused import FusedConv2d, use_quick_gradients
from nascence.supernets.cells.supernet import add_scaled
from nascence.testing.reference import ObviousSupernet, per_edge
from nascence.testing.toy import toy_space

SPACES = ["nas-bench-201", "darts"]
SMALL = {
    "nas-bench-201": NetworkConfig(channels=4, depth=1, stages=2),
    "darts": NetworkConfig(channels=2, depth=2, stem_channels=4),
}
FLAGS = [(True, True), (False, True), (False, False), (True, False)]


def pair(name, dtype=torch.float64, affine=True, track=True, seed=0, scheme="kaiming-fan-in"):
    space, small = get_space(name), SMALL[name]
    config = NetworkConfig(
        channels=small.channels,
        depth=small.depth,
        stages=small.stages,
        stem_channels=small.stem_channels,
        affine=affine,
        track_running_stats=track,
    )
    fused = CellSupernet(space, config, num_classes=5, initialisation=scheme, seed=seed).to(dtype)
    with torch.no_grad():  # scales, shifts and statistics that tell one edge from the other
        for at, (key, value) in enumerate(fused.state_dict().items()):
            if value.dim() == 1 and value.is_floating_point():
                noise = torch.rand(value.shape, generator=generator(seed, key, at), dtype=dtype)
                value.copy_(0.5 + noise if "var" in key or "weight" in key else noise - 0.5)
    return space, fused, ObviousSupernet.like(fused, space, config, num_classes=5)


def mixing(space, seed=0, active=1.0, groups=(), dtype=torch.float64):
    random = generator(seed, "mixing")
    shape = (*groups, len(space.shape.edges), len(space.operations))
    weights = {}
    for kind in space.kinds:
        value = torch.rand(shape, generator=random, dtype=dtype) - 0.3
        weights[kind] = value * (torch.rand(shape, generator=random) < active)
    return weights


def images(batch=2, size=8, dtype=torch.float64, seed=0):
    return torch.randn(batch, 3, size, size, generator=generator(seed, "images"), dtype=dtype)


def results(network, x, weights, through_weights):
    """Logits, gradients of the parameters by name, and (where asked) of the mixing weights."""
    weights = {kind: value.clone().requires_grad_(through_weights) for kind, value in weights.items()}
    logits = network(x, weights)
    loss = (logits * torch.linspace(-1, 1, logits.numel(), dtype=x.dtype).view_as(logits)).sum()
    network.zero_grad()
    loss.backward()
    parameters = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in network.named_parameters()}
    return logits.detach(), parameters, {kind: w.grad for kind, w in weights.items() if through_weights}


def assert_equal_networks(fused, obvious, x, weights, tolerance, through_weights):
    one = results(fused, x, weights, through_weights)
    two = results(obvious, x, weights, through_weights)
    assert one[1].keys() != two[1].keys()
    pairs = [(one[0], two[0])]
    split = per_edge(fused, one[1])
    assert split.keys() == two[1].keys()
    pairs += [(split[name], value) for name, value in two[1].items()]
    pairs += [(one[2][kind], value) for kind, value in two[2].items()]
    for a, b in pairs:
        assert (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))
    assert two[0].abs().max() > 1e-3, "not vacuous"
    return one, two


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("through_weights", [True, False])
def test_fused_equals_obvious(space, dtype, tolerance, through_weights):
    space, fused, obvious = pair(space, dtype)
    x = images(dtype=dtype)
    assert_equal_networks(fused, obvious, x, mixing(space, dtype=dtype), tolerance, through_weights)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("affine_track", FLAGS)
def test_fused_equals_obvious_for_all_flags_and_partial_activity(space, affine_track):
    space, fused, obvious = pair(space, affine=affine_track[0], track=affine_track[1])
    for seed, active in enumerate((0.6, 0.3)):
        weights = mixing(space, seed, active)
        assert any((w == 0).any() for w in weights.values())
        assert_equal_networks(fused, obvious, images(seed=seed), weights, 1e-12, through_weights=False)
    ours, theirs = per_edge(fused, fused.state_dict()), obvious.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if "num_batches" not in name:  # a fused layer counts once for all of its edges
            torch.testing.assert_close(ours[name], value, rtol=1e-12, atol=1e-12, msg=name)
    if affine_track[1]:
        before = ObviousSupernet(space, SMALL[space.name], num_classes=5).double()
        assert any("running" in name for name in before.state_dict())


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("track", [True, False])
def test_fused_equals_obvious_in_evaluation(space, track):
    space, fused, obvious = pair(space, track=track)
    fused.eval()
    obvious.eval()
    before = {name: value.clone() for name, value in fused.state_dict().items()}
    assert_equal_networks(fused, obvious, images(), mixing(space), 1e-12, through_weights=True)
    assert_equal_networks(fused, obvious, images(), mixing(space, active=0.5), 1e-12, through_weights=False)
    assert all(torch.equal(value, before[name]) for name, value in fused.state_dict().items())


@pytest.mark.parametrize("space", SPACES)
def test_zero_weights_with_and_without_gradient(space):
    """A weight of zero that needs a gradient gets one; the outputs are the same either way."""
    space, fused, obvious = pair(space)
    weights = mixing(space, active=0.4)
    with_gradient, _ = assert_equal_networks(fused, obvious, images(), weights, 1e-12, through_weights=True)
    without, _ = assert_equal_networks(fused, obvious, images(), weights, 1e-12, through_weights=False)
    torch.testing.assert_close(with_gradient[0], without[0], rtol=1e-12, atol=1e-12)
    none = space.operations.index("none")
    for kind, gradient in with_gradient[2].items():
        others = [o for o in range(len(space.operations)) if o != none]
        assert (gradient[:, none] == 0).all()
        assert (gradient[:, others][weights[kind][:, others] == 0] != 0).any()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("size", [8, 5])
def test_nothing_active_gives_zeros_of_the_right_shape(space, size):
    """Also at odd resolutions, and when only the edges from one node are dead."""
    space, fused, obvious = pair(space)
    weights = {kind: torch.zeros_like(value) for kind, value in mixing(space).items()}
    x = images(size=size)
    logits = fused(x, weights)
    torch.testing.assert_close(logits, obvious(x, weights), rtol=1e-12, atol=1e-12)
    assert logits.isfinite().all()
    for source in range(space.shape.inputs + space.shape.nodes - 1):
        weights = mixing(space)
        for value in weights.values():
            value[[at for at, edge in enumerate(space.shape.edges) if edge[0] == source]] = 0
        torch.testing.assert_close(fused(x, weights), obvious(x, weights), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("space", SPACES)
def test_one_hot_weights_compute_the_derived_network(space):
    """A supernet at an architecture's weights is that architecture's own network, weight for weight."""
    for seed in range(3):
        space, fused, obvious = pair(getattr(space, "name", space))
        architecture = space.sample(generator(seed, "architectures"))
        derived = space.build(architecture, network=SMALL[space.name], num_classes=5).double()
        chosen, names = space.edge_operations(architecture), derived.state_dict().keys()
        state = {}
        values = {name.removeprefix("network."): value for name, value in obvious.state_dict().items()}
        cells = {name: m for name, m in derived.named_modules() if hasattr(m, "edges")}
        assert cells
        for name, value in values.items():
            prefix = next((cell for cell in cells if name.startswith(f"{cell}.operations.")), None)
            if prefix is None:
                state[name] = value
                continue
            _, at, _, operation, rest = name.removeprefix(f"{prefix}.").split(".", 4)
            kept = chosen[cells[prefix].kind]
            if kept.get(int(at)) == space.operations[int(operation)]:
                state[f"{prefix}.operations.{sorted(kept).index(int(at))}.{rest}"] = value
        assert state.keys() == names
        derived.load_state_dict(state)
        weights = {kind: value.double() for kind, value in space.one_hot(architecture).items()}
        for mode in (True, False):
            torch.testing.assert_close(
                fused.train(mode)(images(), weights), derived.train(mode)(images()), rtol=1e-11, atol=1e-11
            )


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("active", [1.0, 0.4])
def test_groups_side_by_side_equal_separate_networks(space, active):
    """In evaluation mode, where inputs do not see each other."""
    space, fused, _ = pair(space)
    fused.eval()
    weights, x = mixing(space, active=active, groups=(3,)), images(6)
    together = fused(x, weights)
    for group in range(3):
        alone = fused(x[2 * group : 2 * group + 2], {kind: value[group] for kind, value in weights.items()})
        torch.testing.assert_close(together[2 * group : 2 * group + 2], alone, rtol=1e-12, atol=1e-12)


def test_add_scaled():
    total, x = images(4, 2), images(4, 2, seed=1)
    factors = torch.tensor([2.0, -3.0], dtype=torch.float64)
    assert torch.equal(add_scaled(None, x, factors[0]), 2 * x)
    torch.testing.assert_close(add_scaled(total, x, factors[1]), total - 3 * x)
    expected = total + torch.cat([2 * x[:2], -3 * x[2:]])
    torch.testing.assert_close(add_scaled(total, x, factors), expected)
    torch.testing.assert_close(add_scaled(None, x, factors), expected - total)


@pytest.mark.parametrize(
    ("space", "config", "count"),
    [
        ("nas-bench-201", NetworkConfig(channels=16, depth=5, affine=False), 1_686_106),
        ("darts", NetworkConfig(channels=16, depth=8, affine=False), 1_930_618),
    ],
)
def test_published_parameter_counts(space, config, count):
    space = get_space(space)
    supernet = CellSupernet(space, config)
    assert sum(p.numel() for p in supernet.parameters()) == count
    obvious = ObviousSupernet.like(supernet, space, config)
    assert sum(p.numel() for p in obvious.parameters()) == count


@pytest.mark.parametrize("space", SPACES)
def test_weights_depend_on_the_seed_alone(space):
    state = torch.get_rng_state()
    one, same, other = (pair(space, seed=seed)[1].state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    convolutions = [name for name, value in one.items() if value.dim() == 4]
    assert convolutions
    assert all(not torch.equal(one[name], other[name]) for name in convolutions)


@pytest.mark.parametrize("scheme", ["kaiming-fan-in", "kaiming-fan-out", "xavier", "standard-normal", "default"])
def test_every_copy_has_the_scale_of_a_layer_of_its_own(scheme):
    """The variance of each edge's kernel is that of the separate module, not that of the wide fused layer."""
    space = get_space("darts")
    config = NetworkConfig(channels=32, depth=2, stem_channels=8)
    fused = CellSupernet(space, config, initialisation=scheme, seed=3)
    values = {name: value for name, value in per_edge(fused, fused.state_dict()).items() if value.dim() == 4}
    for name, weight in values.items():
        fan_in = weight[0].numel()
        depthwise = weight.shape[1] == 1 and ".operations." in name
        fan_out = weight.shape[0] * weight[0, 0].numel()  # as the library counts it, also for grouped kernels
        expected = {
            "kaiming-fan-in": 2 / fan_in,
            "kaiming-fan-out": 2 / fan_out,
            "xavier": 2 / (fan_in + fan_out),
            "standard-normal": 1.0,
            "default": 1 / (3 * fan_in),
        }[scheme]
        if weight.numel() >= 200:
            spread = float(weight.square().mean()) / expected
            assert abs(spread - 1) < 6 * (2 / weight.numel()) ** 0.5, (name, depthwise, spread)
    copies = [value for name, value in values.items() if name.endswith("cells.0.operations.0.operations.4.2.weight")]
    other = [value for name, value in values.items() if name.endswith("cells.0.operations.2.operations.4.2.weight")]
    assert len(copies) == len(other) == 1
    assert not torch.equal(copies[0], other[0])


def test_any_cell_space_can_be_mixed():
    space = toy_space()
    config = space.networks["search"]
    fused = CellSupernet(space, config, seed=1).double()
    obvious = ObviousSupernet.like(fused, space, config)
    assert_equal_networks(fused, obvious, images(), mixing(space), 1e-12, through_weights=True)


def test_a_space_without_the_operation_none_works():
    """Dead edges are zero whether or not zero is a candidate."""
    from torch import nn

    from nascence.operations import NormConfig

    def fill(edge: Edge) -> nn.Module:
        return nn.ModuleList([nn.Identity()])

    cell = MixedCell(CellShape(inputs=1, nodes=2, output="last"), "cell", 3, NormConfig(), fill)
    cell.mixing = torch.zeros(3, 1)
    assert torch.equal(cell(torch.ones(2, 3, 4, 4)), torch.zeros(2, 3, 4, 4))
    cell.mixing = torch.tensor([[2.0], [0.0], [3.0]])
    assert torch.equal(cell(torch.ones(2, 3, 4, 4)), torch.full((2, 3, 4, 4), 6.0))


def test_it_wants_mixing_weights():
    space = get_space("nas-bench-201")
    supernet = CellSupernet(space, SMALL["nas-bench-201"])
    with pytest.raises(KeyError):
        supernet(torch.zeros(2, 3, 8, 8), {})


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("affine_track", FLAGS)
def test_channels_last_equals_obvious(space, affine_track):
    """Another layout in memory, the same numbers; what comes out is laid out alike."""
    space, fused, obvious = pair(space, affine=affine_track[0], track=affine_track[1])
    fused.to(memory_format=torch.channels_last)
    x = images().contiguous(memory_format=torch.channels_last)
    for active in (1.0, 0.5):
        assert_equal_networks(fused, obvious, x, mixing(space, active=active), 1e-12, through_weights=active == 1.0)


def test_quick_gradients_equal_obvious():
    space, fused, obvious = pair("darts")
    assert any(module.depthwise for module in fused.modules() if isinstance(module, FusedConv2d))
    for active in (1.0, 0.5):
        weights = mixing(space, active=active)
        assert_equal_networks(use_quick_gradients(fused), obvious, images(), weights, 1e-12, active == 1.0)


@pytest.mark.parametrize("space", SPACES)
def test_a_column_of_zeros_is_not_run_in_the_dense_form(space):
    space, fused, obvious = pair(space)
    weights = mixing(space)
    column = 3
    for value in weights.values():
        value[:, column] = 0
    ran = []
    for module in fused.modules():
        if isinstance(module, MixedCell):
            for candidates in module.sources:
                candidates[column].register_forward_hook(lambda *_: ran.append(1))
    assert_equal_networks(fused, obvious, images(), weights, 1e-12, through_weights=False)
    assert not ran


def test_scales_are_not_left_behind():
    space, fused, _ = pair("nas-bench-201")
    fused(images(), mixing(space))
    assert all(module.scale is None for module in fused.modules() if hasattr(module, "scale"))
