import pytest
import torch
from torch import nn

from nascence.initialisation import initialise
from nascence.operations import DilatedConv, FactorizedReduce, NormConfig, Pooling, ReLUConvBN, SeparableConv
from nascence.seeding import generator
from nascence.supernets.cells.fused import (
    BoxAverage,
    FusedBatchNorm2d,
    FusedConv2d,
    FusedReLU,
    _BoxSum,
    conv2d_as_product,
    fuse,
    last_norm,
    select_copies,
)

COPIES, CHANNELS = 3, 4
TEMPLATES = {
    "conv1x1": lambda norm: ReLUConvBN(CHANNELS, CHANNELS, 1, 1, norm),
    "conv3x3/2": lambda norm: ReLUConvBN(CHANNELS, CHANNELS, 3, 2, norm),
    "separable": lambda norm: SeparableConv(CHANNELS, CHANNELS, 5, 2, norm),
    "dilated": lambda norm: DilatedConv(CHANNELS, CHANNELS, 3, 1, norm),
    "reduce": lambda norm: FactorizedReduce(CHANNELS, CHANNELS, norm),
    "grouped": lambda norm: nn.Sequential(nn.ReLU(), nn.Conv2d(CHANNELS, 6, 3, groups=2, bias=False), norm.build(6)),
    "no norm": lambda norm: nn.Sequential(nn.Conv2d(CHANNELS, 5, 3, bias=False), nn.MaxPool2d(2)),
}


def images(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed, "images"), dtype=torch.float64)


def separate(template, fused):
    """COPIES modules with the weights and statistics of the fused one."""
    singles = []
    for at in range(COPIES):
        single = TEMPLATES[template](NormConfig(*flags(fused))).double()
        state = {
            name: value if value.dim() == 0 else value.unflatten(0, (COPIES, -1))[at]
            for name, value in fused.state_dict().items()
        }
        single.load_state_dict(state)
        singles.append(single)
    return singles


def flags(fused):
    norms = [m for m in fused.modules() if isinstance(m, FusedBatchNorm2d)]
    return (norms[0].affine, norms[0].track_running_stats) if norms else (True, True)


def fused_of(template, affine=True, track=True, seed=0):
    fused = fuse(TEMPLATES[template](NormConfig(affine, track)), COPIES)
    return initialise(fused, "kaiming-fan-in", generator(seed)).double()


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("active", [None, [0, 2], [1]])
@pytest.mark.parametrize("training", [True, False])
def test_fused_is_separate_modules_side_by_side(template, affine, track, active, training):
    fused = fused_of(template, affine, track)
    singles = separate(template, fused)
    for module in (fused, *singles):
        module.train(training)
    for module in fused.modules():
        if hasattr(module, "active"):
            module.active = active
    for step in range(2):  # the second step sees the statistics that the first one left
        x = images(3, CHANNELS, 8, 8, seed=step)
        out = fused(x)
        expected = torch.cat([singles[at](x) for at in (active or range(COPIES))], dim=1)
        torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    for name, value in fused.state_dict().items():
        if value.dim():
            for at, part in enumerate(value.unflatten(0, (COPIES, -1))):
                torch.testing.assert_close(part, singles[at].state_dict()[name], rtol=1e-12, atol=1e-12)


def test_statistics_of_inactive_copies_stay():
    fused = fused_of("conv3x3/2").train()
    norm = next(m for m in fused.modules() if isinstance(m, FusedBatchNorm2d))
    for module in fused.modules():
        if hasattr(module, "active"):
            module.active = [1]
    fused(images(3, CHANNELS, 8, 8))
    means = norm.running_mean.unflatten(0, (COPIES, -1))
    assert (means[[0, 2]] == 0).all()
    assert (means[1] != 0).all()
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (2, 1), (3, 3), (5, 4), (8, 8)])
def test_box_average_is_average_pooling(size):
    pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
    x = images(2, 3, *size).requires_grad_()
    ours, theirs = BoxAverage()(x), pool(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)
    v = images(2, 3, *size, seed=1)
    first = [torch.autograd.grad((out * v).sin().sum(), x, create_graph=True)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*first, rtol=1e-12, atol=1e-12)
    second = [torch.autograd.grad(gradient.square().sum(), x)[0] for gradient in first]
    torch.testing.assert_close(*second, rtol=1e-12, atol=1e-12)
    assert second[0].abs().max() > 0


def test_box_average_differentiates_in_every_way():
    x = images(1, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(BoxAverage(), (x,))
    assert torch.autograd.gradgradcheck(BoxAverage(), (x,))
    out = BoxAverage()(x)
    cotangents = images(5, *out.shape, seed=1)
    batched = torch.autograd.grad(out, x, cotangents, is_grads_batched=True, retain_graph=True)[0]
    loop = [torch.autograd.grad(out, x, one, retain_graph=True)[0] for one in cotangents]
    torch.testing.assert_close(batched, torch.stack(loop), rtol=1e-12, atol=1e-12)
    a, b = images(1, 1, 4, 4, seed=2), images(1, 1, 4, 4, seed=3)
    assert torch.allclose((_BoxSum.apply(a) * b).sum(), (a * _BoxSum.apply(b)).sum()), "its own adjoint"


def test_box_average_keeps_the_precision():
    assert BoxAverage()(torch.ones(1, 1, 2, 2)).dtype == torch.float32
    assert BoxAverage()(torch.ones(1, 1, 2, 2, dtype=torch.float64)).dtype == torch.float64


def test_only_the_pooling_that_it_equals_becomes_a_box_average():
    assert isinstance(fuse(Pooling("avg", 1), 2), BoxAverage)
    for other in (
        Pooling("avg", 2),
        Pooling("max", 1),
        nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
        nn.AvgPool2d(3, 1, padding=1),
        nn.AvgPool2d(3, 1, padding=0, count_include_pad=False),
        nn.AvgPool2d(3, 1, padding=1, count_include_pad=False, divisor_override=2),
    ):
        fused = fuse(other, 2)
        assert not isinstance(fused, BoxAverage)
        assert torch.equal(fused(images(1, 2, 6, 6)), other(images(1, 2, 6, 6)))


def test_what_has_no_parameters_is_kept():
    identity = nn.Identity()
    assert fuse(identity, 5) is identity
    sequence = fuse(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), 3)
    assert isinstance(sequence[0], FusedReLU)
    assert not list(sequence.parameters())


@pytest.mark.parametrize(
    "template",
    [
        nn.Linear(3, 3),
        nn.Conv2d(3, 3, 1, bias=False),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1, bias=False)),
        nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3, affine=False, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Sequential(nn.Conv2d(3, 3, 1, bias=False))),
        nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.InstanceNorm2d(3, affine=True)),
    ],
    ids=lambda module: " ".join(type(m).__name__ for m in module.modules()),
)
def test_what_it_cannot_fuse_it_refuses(template):
    with pytest.raises(TypeError, match="cannot fuse"):
        fuse(template, 2)


def test_select_copies():
    value = torch.arange(6)
    assert select_copies(value, 3, None) is value
    assert select_copies(value, 3, [2, 0]).tolist() == [4, 5, 0, 1]


def test_kernels_are_side_by_side():
    shared = FusedConv2d(nn.Conv2d(4, 6, 3, bias=False), 3, shared_input=True)
    assert shared.weight.shape == (18, 4, 3, 3)
    assert shared.groups == 1
    own = FusedConv2d(nn.Conv2d(4, 6, 3, bias=False), 3, shared_input=False)
    assert own.weight.shape == (18, 4, 3, 3)
    assert own.groups == 3
    depthwise = FusedConv2d(nn.Conv2d(4, 4, 3, groups=4, bias=False), 3, shared_input=True)
    assert depthwise.weight.shape == (12, 1, 3, 3)
    assert depthwise.groups == 12


class TestFusedReLU:
    def test_output_is_left_alone(self):
        relu, x = FusedReLU(True), images(4, 2, 3, 3)
        relu.runs = torch.zeros(2, 3, dtype=torch.bool)
        assert torch.equal(relu(x), x.relu())

    def test_every_sign_is_ones_own_by_default(self):
        signs = images(4, 2, 3, 3) > 0
        assert torch.equal(FusedReLU(True).own(signs), signs)

    def test_shared_signs_belong_to_who_has_any_of_the_edges(self):
        relu, signs = FusedReLU(True), torch.ones(4, 2, 1, 1, dtype=torch.bool)
        relu.runs = torch.tensor([[True, False], [False, False]])
        assert relu.own(signs)[:, 0, 0, 0].tolist() == [True, True, False, False]

    def test_signs_of_an_edge_belong_to_who_has_it(self):
        relu, signs = FusedReLU(False), torch.ones(2, 4, 1, 1, dtype=torch.bool)
        relu.runs = torch.tensor([[True, False], [False, True]])
        assert relu.own(signs)[..., 0, 0].tolist() == [[True, True, False, False], [False, False, True, True]]


class TestConv2dAsProduct:
    @pytest.mark.parametrize("groups", [1, 2, 6])
    @pytest.mark.parametrize(("kernel", "padding", "dilation"), [(1, 0, 1), (3, 1, 1), (5, 2, 1), (3, 2, 2), (5, 4, 2)])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_is_the_convolution(self, stride, kernel, padding, dilation, groups):
        random = generator(3, "product", stride, kernel, groups)
        x_BCHW = torch.randn(4, 6, 5, 4, generator=random, dtype=torch.float64)
        weight = torch.randn(12, 6 // groups, kernel, kernel, generator=random, dtype=torch.float64)
        settings = (None, (stride, stride), (padding, padding), (dilation, dilation), groups)
        torch.testing.assert_close(
            conv2d_as_product(x_BCHW, weight, *settings), torch.nn.functional.conv2d(x_BCHW, weight, *settings)
        )

    def test_is_what_a_supernet_of_tiny_images_uses_without_gradients(self, monkeypatch):
        calls = []

        def listen(*arguments):
            calls.append(arguments)
            return conv2d_as_product(*arguments)

        monkeypatch.setattr("nascence.supernets.cells.fused.conv2d_as_product", listen)
        module = FusedConv2d(torch.nn.Conv2d(1, 1, 3, padding=1, bias=False), 2, shared_input=True)
        small, large = torch.randn(2, 1, 5, 5), torch.randn(2, 1, 9, 9)
        with_gradient = module(small)
        with torch.no_grad():
            module(large)
            assert not calls
            without = module(small)
        assert len(calls) == 1
        torch.testing.assert_close(without, with_gradient)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("active", [None, [0, 2]])
def test_a_normalisation_scales_each_edge(affine, active):
    """The output times a factor per edge, its gradient, and the same statistics."""
    plain, scaled = (fused_of("conv1x1", affine) for _ in range(2))
    norm = last_norm(scaled)
    for module in (*plain.modules(), *scaled.modules()):
        if hasattr(module, "active"):
            module.active = active
    factors = torch.tensor([2.0, -3.0, 0.5], dtype=torch.float64)[: len(active or range(COPIES))].requires_grad_()
    norm.scale = factors
    x, y = images(3, CHANNELS, 8, 8), scaled(images(3, CHANNELS, 8, 8))
    expected = plain(x).unflatten(1, (len(factors), -1)) * factors[:, None, None, None]
    torch.testing.assert_close(y, expected.flatten(1, 2), rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(out.sin().sum(), factors)[0] for out in (y, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)
    assert torch.equal(norm.running_mean, last_norm(plain).running_mean)
    assert norm.num_batches_tracked == 1


def test_what_an_operation_ends_with():
    assert isinstance(last_norm(fused_of("separable")), FusedBatchNorm2d)
    assert isinstance(last_norm(fused_of("reduce")), FusedBatchNorm2d)
    assert last_norm(fused_of("no norm")) is None
    assert last_norm(nn.Identity()) is None
    assert last_norm(nn.Sequential()) is None


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("shape", [(2, 3, 8, 5), (1, 4, 1, 1), (3, 2, 1, 6), (2, 2, 2, 2)], ids=str)
def test_a_box_sum_is_that_of_shifted_images_to_the_bit_and_leaves_its_input_alone(shape, layout):
    x = torch.randn(shape, generator=generator(0)).to(memory_format=layout)
    before = x.clone()
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    rows = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    expected = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
    found = _BoxSum.apply(x)
    assert torch.equal(found, expected)
    assert torch.equal(x, before)
    assert found.is_contiguous(memory_format=layout)
    narrow = x[:, : shape[1] // 2 or 1]  # as partial channels are cut out
    assert torch.equal(_BoxSum.apply(narrow), expected[:, : narrow.shape[1]])
