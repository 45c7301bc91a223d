"""Shared modules: what is exact is exact, what is a simplification is the one that is meant."""

import pytest
import torch
from torch import nn

from nascence.operations import NormConfig, build_operation
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet, MixedCell
from nascence.supernets.cells.fused import FusedConv2d, fuse, use_quick_gradients
from nascence.supernets.cells.sharing import MergedConv2d, SharedOperations, share_modules

NORM = NormConfig(affine=False, track_running_stats=False)
NB201 = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
DARTS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def fused(names, copies=3, channels=4, stride=1):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [fuse(build_operation(name, channels, channels, stride, NORM), copies).double() for name in names]


def images(channels=4, size=8, seed=0):
    return torch.randn(2, channels, size, size, generator=generator(seed, "x"), dtype=torch.float64)


def mixing(edges, members, seed=0):
    return torch.rand(edges, members, generator=generator(seed, "w"), dtype=torch.float64) + 0.1


def mixed(pairs, edges):
    """The weighted sum of a group's outputs, edge by edge."""
    return sum(out.unflatten(1, (edges, -1)) * weight.view(1, -1, 1, 1, 1) for out, weight in pairs).flatten(1, 2)


def active(modules, at):
    for module in modules.modules():
        if hasattr(module, "active"):
            module.active = at


@pytest.mark.parametrize(
    ("names", "sharing", "groups"),
    [
        (NB201, "none", [(0,), (1,), (2,), (3,), (4,)]),
        (NB201, "partial", [(0,), (1,), (2, 3), (4,)]),
        (NB201, "floating", [(0,), (1,), (2, 3), (4,)]),
        (DARTS, "partial", [(0,), (1,), (2,), (3,), (4, 5), (6, 7)]),
        (DARTS, "floating", [(0,), (1,), (2,), (3,), (4, 5, 6, 7)]),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_groups(names, sharing, groups, stride):
    carriers = share_modules(fused(names, stride=stride), sharing)
    assert [places for places, _ in carriers] == groups
    assert all(isinstance(module, SharedOperations) == (len(places) > 1) for places, module in carriers)


def linear_chains(copies):
    """Two chains whose suffix is linear: an activation and a convolution."""
    chains = []
    for kernel in (1, 5, 3):
        template = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, kernel, padding=kernel // 2, bias=False))
        chains.append(fuse(template, copies).double())
    return chains


def test_without_a_normalisation_sharing_is_exact():
    """Outputs and gradients of the merged convolution equal the mixture of separate ones, on all edges and on some."""
    for at in (None, [2], [0, 2]):
        edges = 3 if at is None else len(at)
        chains = linear_chains(3)
        group = SharedOperations(chains, normalise=False)
        found = []
        for shared in (True, False):
            for module in (group, *chains):
                module.zero_grad()
                active(module, at)
            x, w = images().requires_grad_(), mixing(edges, 3).requires_grad_()
            out = group(x, w) if shared else sum(mixed([(chain(x), w[:, k])], edges) for k, chain in enumerate(chains))
            (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
            found.append([out.detach(), x.grad, w.grad, *(chain[1].weight.grad for chain in chains)])
        for one, two in zip(*found, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def unit(weight):
    return weight / (weight.flatten(1).norm(dim=1)[:, None, None, None] + 1e-5)


@pytest.mark.parametrize("at", [0, 1])
def test_one_member_left_is_the_plain_operation_with_a_unit_kernel(at):
    names = ("nor_conv_1x1", "nor_conv_3x3")
    chains = fused(names)
    kernel = chains[at][1].weight.detach().clone()
    ((_, group),) = share_modules(chains, "partial")
    weights = torch.nn.functional.one_hot(torch.tensor([at] * 3), 2).double()
    out = group(images(), weights)
    expected = nn.functional.conv2d(images().relu(), unit(kernel), padding=at)
    expected = nn.functional.batch_norm(expected, None, None, training=True)
    torch.testing.assert_close(out, expected)


def test_a_floating_cascade_is_what_it_says():
    """One edge: T1 with the kernels of all four, dil leaves with its weight, sep goes on through T2."""
    chains = fused(DARTS[4:], copies=1)
    sep3, sep5, dil3, dil5 = chains
    ((_, group),) = share_modules(chains, "floating")
    w = mixing(1, 4)[0]

    def kernel(first, small, large):
        both = [nn.functional.pad(unit(small.weight) * first[0], [1] * 4), unit(large.weight) * first[1]]
        return both[0] + both[1]

    def finish(x, pointwise):
        return nn.functional.batch_norm(nn.functional.conv2d(x, pointwise.weight), None, None, training=True)

    x, v = images().relu(), w / w.sum()
    one = nn.functional.conv2d(x, kernel(v[:2], sep3[1], sep5[1]), padding=2, groups=4)
    two = nn.functional.conv2d(x, kernel(v[2:], dil3[1], dil5[1]), padding=4, dilation=2, groups=4)
    y = finish(one + two, sep3[2])
    s = w[:2] / w[:2].sum()
    z = finish(nn.functional.conv2d(y.relu(), kernel(s, sep3[5], sep5[5]), padding=2, groups=4), sep3[6])
    torch.testing.assert_close(group(images(), w[None]), w[2:].norm() * y + w[:2].norm() * z)


@pytest.mark.parametrize(("names", "sharing"), [(NB201, "partial"), (DARTS, "partial"), (DARTS, "floating")])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_candidate_gets_a_gradient(names, sharing, stride):
    carriers = share_modules(fused(names, stride=stride), sharing)
    w = torch.randn(3, len(names), generator=generator(1), dtype=torch.float64).softmax(1).requires_grad_()
    out = sum(module(images(), w[:, list(places)]) for places, module in carriers if len(places) > 1)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    shared = [at for places, _ in carriers if len(places) > 1 for at in places]
    assert bool((w.grad[:, shared].abs() > 1e-9).all())
    for _, module in carriers:
        if isinstance(module, SharedOperations):
            assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in module.parameters())


@pytest.mark.parametrize(("sharing", "pointwise"), [("none", 6), ("partial", 3), ("floating", 2)])
def test_number_of_parameters_of_an_edge(sharing, pointwise):
    """Depthwise kernels stay as they are; of six pointwise matrices three (partial) or two (floating) are left."""
    carriers = share_modules(fused(DARTS[4:], copies=1, channels=8), sharing)
    count = sum(p.numel() for _, module in carriers for p in module.parameters())
    assert count == 8 * (2 * 9 + 2 * 25 + 9 + 25) + pointwise * 64
    conv = share_modules(fused(NB201[2:4], copies=1, channels=8), sharing)
    assert sum(p.numel() for _, module in conv for p in module.parameters()) == 640


@pytest.mark.parametrize("normalise", [True, False])
def test_kernel_normalisation_makes_the_size_of_a_kernel_irrelevant(normalise):
    def out(scale):
        chains = fused(NB201[2:4])
        with torch.no_grad():
            chains[1][1].weight *= scale
        ((_, group),) = [c for c in share_modules(chains, "partial", normalise) if len(c[0]) > 1]
        return group(images(), torch.full((3, 2), 0.5).double())

    same = torch.allclose(out(1.0), out(10.0), atol=1e-3)
    assert same == normalise


def test_on_white_inputs_a_unit_kernel_gives_unit_variance():
    first, second = (FusedConv2d(nn.Conv2d(8, 8, k, padding=k // 2, bias=False), 2, True) for k in (1, 3))
    merged = MergedConv2d([first, second])
    x = torch.randn(64, 8, 16, 16, generator=generator(0))
    for at in range(2):
        weights = torch.nn.functional.one_hot(torch.tensor([at, at]), 2).float()
        out = merged(x, weights)[..., 1:-1, 1:-1]
        torch.testing.assert_close(out.var((0, 2, 3)).detach(), torch.ones(16), atol=0.1, rtol=0)


def test_a_group_weighs_as_much_as_its_members_apart():
    """On white inputs: the scale of the output, and the gradients of the mixing weights, are those of separate ones."""
    channels, kernels = 64, (1, 3)
    group_of = [fuse(build_operation(f"nor_conv_{k}x{k}", channels, channels, 1, NORM), 1).double() for k in kernels]
    ((_, group),) = share_modules(group_of, "partial")
    x = torch.randn(32, channels, 12, 12, generator=generator(0), dtype=torch.float64)
    towards = torch.randn(32, channels, 12, 12, generator=generator(1), dtype=torch.float64)
    chains = [fuse(build_operation(f"nor_conv_{k}x{k}", channels, channels, 1, NORM), 1).double() for k in kernels]
    for chain, other in zip(chains, group_of, strict=True):
        chain.load_state_dict(other.state_dict())
    towards = towards + sum((at + 1) * chain(x).detach() for at, chain in enumerate(chains))
    found = []
    for shared in (True, False):
        w = torch.tensor([[0.2, 0.3]], dtype=torch.float64, requires_grad=True)
        out = group(x, w) if shared else sum(w[:, k] * chain(x) for k, chain in enumerate(chains))
        (gradient,) = torch.autograd.grad((out * towards).mean(), w)
        found.append((out.detach().std(), gradient))
    torch.testing.assert_close(found[0], found[1], rtol=0.05, atol=0)


def test_no_weight_at_all_gives_no_nan():
    ((_, group),) = share_modules(fused(NB201[2:4]), "partial")
    weights = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    out = group(images(), weights)
    out.sum().backward()
    assert bool(torch.isfinite(out).all())
    assert bool(torch.isfinite(weights.grad).all())


def test_some_edges_alone_give_the_same_as_among_all():
    for sharing in ("partial", "floating"):
        ((_, group),) = [c for c in share_modules(fused(DARTS[4:]), sharing) if 0 in c[0]]
        members = len(group.lengths)
        w = mixing(3, members)
        everything = group(images(), w).chunk(3, dim=1)
        active(group, [0, 2])
        some = group(images(), w[[0, 2]]).chunk(2, dim=1)
        torch.testing.assert_close(some[0], everything[0])
        torch.testing.assert_close(some[1], everything[2])


def naive_cell(cell, x, weights):
    """A cell with shared modules, node by node and edge by edge, from the modules' own parts."""
    states = [x]
    for node in range(1, cell.shape.inputs + cell.shape.nodes):
        total = 0.0
        for at in cell.shape.edges_into(node):
            source = cell.shape.edges[at][0]
            place = cell._edges_from(source).index(at)
            for columns, module in zip(cell.columns[source], cell.sources[source], strict=True):
                active(module, None)
                row = weights[cell._edges_from(source)][:, columns]
                if isinstance(module, SharedOperations):
                    out = module(states[source], row).chunk(len(row), dim=1)[place]
                else:
                    out = row[place, 0] * module(states[source])
                total = total + out
        states.append(total)
    return states[-1]


@pytest.mark.parametrize("dense", [True, False])
def test_a_supernet_of_shared_modules_adds_up_its_edges(dense):
    space = get_space("nas-bench-201")
    supernet = CellSupernet(
        space, NetworkConfig(channels=4, affine=False, track_running_stats=False), sharing="partial"
    )
    supernet.double()
    cell = next(module for module in supernet.modules() if isinstance(module, MixedCell))
    weights = mixing(6, 5)
    if not dense:
        weights = weights * (torch.rand(6, 5, generator=generator(3)) < 0.5)
    weights.requires_grad_()
    found = []
    for how in (None, naive_cell):
        x = images().requires_grad_()
        cell.mixing, cell.sparse = weights, True
        out = cell(x) if how is None else how(cell, x, weights)
        gradients = torch.autograd.grad((out * torch.arange(out.numel()).view_as(out)).sum(), [x, weights])
        found.append([out.detach(), gradients[0], gradients[1] * (weights != 0)])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", ["nas-bench-201", "darts"])
@pytest.mark.parametrize("sharing", ["partial", "floating"])
def test_a_whole_supernet_with_quick_gradients_has_the_same_gradients(name, sharing):
    space = get_space(name)
    size = NetworkConfig(channels=4, depth=2 if name == "darts" else 1, affine=False, track_running_stats=False)
    x = torch.randn(2, 3, 16, 16, generator=generator(0, "x"), dtype=torch.float64)
    for trained in (True, False):
        found = []
        for quick in (False, True):
            supernet = CellSupernet(space, size, sharing=sharing, initialisation="kaiming-fan-in").double()
            if quick:
                use_quick_gradients(supernet)
            parameters = [parameter.requires_grad_(trained) for parameter in supernet.parameters()]
            shape = (len(space.shape.edges), len(space.operations))
            logits = [torch.randn(shape, generator=generator(1), dtype=torch.float64) for _ in space.kinds]
            leaves = [value.requires_grad_() for value in logits] + (parameters if trained else [])
            weights = {kind: value.softmax(1) for kind, value in zip(space.kinds, logits, strict=True)}
            loss = (supernet(x, weights, sparse=True) * torch.arange(20.0).view(2, 10)).sum()
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
            found.append([loss.detach(), *(torch.zeros(()) if g is None else g for g in gradients)])
        for one, two in zip(*found, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-7)
