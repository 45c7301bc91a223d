"""Mixed parts against their definitions (FBNetV2, equations 2 to 4); what a supernet of them costs."""

import copy

import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.operations.resizing import resized
from nascence.schedules import Moment
from nascence.seeding import generator
from nascence.supernets import (
    ChoiceGroup,
    Extent,
    MaskedWidth,
    MixedOperation,
    MixedResolution,
    MixedSum,
    MixedSupernet,
)

WIDTHS = (3, 5, 8)
GROUP = ChoiceGroup("width", ("one", "two"), tuple(map(str, WIDTHS)), "width")


def under(module, sparse=False, **weights):
    """Calls a part under mixing weights."""
    network = MixedSupernet((), module)
    return lambda *inputs: network(*inputs, weights=weights, sparse=sparse)


def soft(rows=1, options=3, requires_grad=False):
    logits = torch.randn(rows, options, generator=generator(7))
    return logits.softmax(-1).requires_grad_(requires_grad)


def randn(*shape):
    return torch.randn(*shape, generator=generator(0))


class TestMaskedWidth:
    def test_equals_the_mixture_of_padded_narrow_convolutions(self):
        """b(x) M = sum_i g_i PAD(b_i(x), k) with the shared weights' first k_i filters."""
        convolution, weights, x = nn.Conv2d(4, 8, 3, padding=1), soft(), randn(2, 4, 6, 6)
        masked = under(nn.Sequential(convolution, MaskedWidth("width", 0, WIDTHS)), width=weights)(x)
        mixture = torch.zeros_like(masked)
        for weight, width in zip(weights[0], WIDTHS, strict=True):
            narrow = nn.functional.conv2d(x, convolution.weight[:width], convolution.bias[:width], padding=1)
            mixture += weight * nn.functional.pad(narrow, (0, 0, 0, 0, 0, 8 - width))
        torch.testing.assert_close(masked, mixture, atol=1e-6, rtol=1e-6)

    def test_mask_never_rises_and_begins_with_ones(self):
        part = MaskedWidth("width", 0, WIDTHS)
        part.row_weights = [soft()[0]]
        mask = part.mask()
        assert (mask.diff() <= 1e-7).all()
        torch.testing.assert_close(mask[:3], torch.ones(3))
        torch.testing.assert_close(mask[5:], part.weights[2].expand(3))

    @pytest.mark.parametrize("option", range(3))
    def test_one_hot_weights_give_an_exact_prefix(self, option):
        part = MaskedWidth("width", 0, WIDTHS)
        part.row_weights = [torch.eye(3)[option]]
        assert part.mask().tolist() == [float(channel < WIDTHS[option]) for channel in range(8)]

    def test_width_of_two_rows_together(self):
        """Hidden channels of an inverted residual: how wide the input is, times the expansion."""
        joint = [[2, 4, 6], [3, 6, 9]]
        one, two = torch.tensor([0.25, 0.75]), torch.tensor([0.2, 0.3, 0.5])
        part = MaskedWidth("width", 0, joint, ("expansion", 0))
        part.row_weights = [one, two]
        expected = sum(one[i] * two[j] * (torch.arange(9) < joint[i][j]).float() for i in range(2) for j in range(3))
        torch.testing.assert_close(part.mask(), expected)
        same = MaskedWidth.of(part.width)
        assert same.rows == part.rows == (("width", 0), ("expansion", 0))
        assert torch.equal(same.steps, part.steps)

    def test_masks_features_of_any_number_of_dimensions(self):
        for shape in ((2, 8), (2, 8, 5), (2, 8, 5, 4)):
            out = under(MaskedWidth("width", 0, WIDTHS), width=torch.eye(3)[:1])(torch.ones(shape))
            assert int((out != 0).sum()) == 3 * out.numel() // 8

    def test_every_option_gets_a_gradient_also_when_one_is_drawn(self):
        weights = torch.eye(3)[1:2].requires_grad_()
        out = under(MaskedWidth("width", 0, WIDTHS), sparse=True, width=weights)(randn(2, 8))
        out.square().sum().backward()
        assert weights.grad.abs().min() > 0


def gradient_of_theta(parts, train=True):
    """|dL/dtheta| of a masked convolution with these parts behind it."""
    torch_random = generator(3)
    theta = torch.zeros(1, 3, requires_grad=True)
    convolution, head = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(8, 4)
    for parameter in (*convolution.parameters(), *head.parameters()):
        nn.init.normal_(parameter, std=0.3, generator=torch_random)
    norm = nn.BatchNorm2d(8)
    if not train:
        norm.eval()
    network = nn.Sequential(convolution, *parts(norm, MaskedWidth("width", 0, WIDTHS)), nn.ReLU())
    x, y = torch.randn(64, 3, 6, 6, generator=torch_random), torch.arange(64) % 4
    features = MixedSupernet((), network)(x, weights={"width": theta.softmax(-1)})
    nn.functional.cross_entropy(head(features.mean((2, 3))), y).backward()
    return float(theta.grad.norm())


def test_mask_belongs_behind_the_normalisation():
    """In training mode batch normalisation divides the mask out again: the gradient all but vanishes."""
    before = gradient_of_theta(lambda norm, mask: (mask, norm))
    behind = gradient_of_theta(lambda norm, mask: (norm, mask))
    frozen = gradient_of_theta(lambda norm, mask: (mask, norm), train=False)
    assert behind > 100 * before
    assert frozen > 100 * before


class TestMixedOperation:
    def test_is_the_weighted_sum(self):
        candidates, weights, x = [nn.Linear(4, 4) for _ in range(3)], soft(requires_grad=True), randn(2, 4)
        out = under(MixedOperation("op", 0, candidates), op=weights)(x)
        torch.testing.assert_close(out, sum(w * c(x) for w, c in zip(weights[0], candidates, strict=True)))

    def test_what_has_no_weight_does_not_run(self):
        ran = []
        candidates = [nn.Linear(4, 4) for _ in range(3)]
        for number, candidate in enumerate(candidates):
            candidate.register_forward_hook(lambda m, args, out, number=number: ran.append(number))
        part, x = MixedOperation("op", 0, candidates), randn(2, 4)
        under(part, op=torch.eye(3)[1:2])(x)
        assert ran == [1]
        ran.clear()
        under(part, sparse=True, op=torch.eye(3)[2:].requires_grad_())(x)
        assert ran == [2]
        ran.clear()
        under(part, op=torch.eye(3)[2:].requires_grad_())(x)
        assert ran == [0, 1, 2], "a weight that needs a gradient gets one"

    def test_zero_weights_everywhere_give_zeros(self):
        out = under(MixedOperation("op", 0, [nn.Linear(4, 4)]), op=torch.zeros(1, 1))(randn(2, 4))
        assert out.shape == (2, 4)
        assert out.abs().max() == 0


def test_mixed_sum_of_states():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.pick = MixedSum("input", 0)

        def forward(self, x):
            return self.pick([x, 2 * x, 3 * x])

    weights, x = soft(), randn(2, 4)
    expected = x * (weights[0] * torch.tensor([1.0, 2.0, 3.0])).sum()
    torch.testing.assert_close(under(Network(), input=weights)(x), expected)


class TestMixedResolution:
    def test_pooled_runs_the_body_on_averaged_pictures(self):
        body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        weights, x = soft(options=2), randn(2, 3, 8, 8)
        out = under(MixedResolution("size", 0, (0.5, 1.0), body, pooled=True), size=weights)(x)
        expected = weights[0, 0] * body(resized(x, (4, 4))) + weights[0, 1] * body(x)
        torch.testing.assert_close(out, expected)

    def test_one_hot_weights_run_the_body_once_at_that_size(self):
        sizes, body = [], nn.Conv2d(3, 4, 3, padding=1)
        body.register_forward_hook(lambda m, args, out: sizes.append(tuple(args[0].shape[-2:])))
        part = MixedResolution("size", 0, (0.5, 0.75, 1.0), body, pooled=False)
        weights = torch.eye(3)[1:2].requires_grad_()
        under(part, sparse=True, size=weights)(randn(1, 3, 8, 8))
        assert sizes == [(6, 6)]

    def test_maps_go_back_to_where_their_pixels_came_from(self):
        """Section 3.2: half size fills even positions only; full size is the convolution itself."""
        body, x = nn.Conv2d(3, 4, 3, padding=1), randn(1, 3, 8, 8)
        part = MixedResolution("size", 0, (0.5, 1.0), body, pooled=False)
        half = under(part, size=torch.tensor([[1.0, 0.0]]))(x)
        torch.testing.assert_close(half[..., ::2, ::2], body(x[..., ::2, ::2]))
        assert half[..., 1::2, :].abs().max() == half[..., :, 1::2].abs().max() == 0
        assert torch.equal(under(part, size=torch.tensor([[0.0, 1.0]]))(x), body(x))
        both = under(part, size=torch.tensor([[0.3, 0.7]]))(x)
        torch.testing.assert_close(both, 0.3 * half + 0.7 * body(x))


class Chain(nn.Module):
    """Two masked layers with a choice of operation."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = MixedOperation("op", 0, [nn.Conv2d(8, 8, kernel, padding=kernel // 2) for kernel in (1, 3)])
        self.masks = nn.ModuleList(MaskedWidth("width", row, WIDTHS) for row in range(2))

    def forward(self, x):
        return self.masks[1](self.two(self.masks[0](self.one(x)).relu()))


class TestMixedSupernet:
    def make(self):
        width = Extent.of(("width", 0), WIDTHS)
        return MixedSupernet((GROUP,), Chain(), {"params": [27 * width, width]})

    def weights(self, first=1, second=2, option=1):
        return {"width": torch.eye(3)[[first, second]], "op": torch.eye(2)[[option]]}

    def test_expected_costs_that_it_knows(self):
        supernet = self.make()
        assert float(supernet.expected("params", self.weights())) == 28 * 5
        with pytest.raises(SettingError, match="does not know its expected flops"):
            supernet.expected("flops", self.weights())

    def test_keeps_no_weights_after_a_pass_and_can_be_copied(self):
        supernet = self.make()
        weights = {name: value.requires_grad_() for name, value in self.weights().items()}
        supernet(randn(1, 3, 5, 5), weights=weights).sum().backward()
        assert all(not part.row_weights for part in supernet.parts())
        copy.deepcopy(supernet)
        with pytest.raises(AssertionError, match="called with mixing weights"):
            supernet.network(randn(1, 3, 5, 5))

    @pytest.mark.parametrize("more", [2, 16])
    def test_a_step_keeps_as_much_for_two_widths_as_for_sixteen(self, more):
        """Bytes kept for the backward pass, counted once per storage: no feature map per option."""
        kept = {}

        def keep(x):
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            held.append(x)
            return x

        held, sizes = [], []
        for options in (2, more):
            widths = [64 * (option + 1) // options for option in range(options)]
            network = nn.Sequential(
                nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), MaskedWidth("width", 0, widths), nn.Conv2d(64, 8, 3)
            )
            weights = {"width": torch.full((1, options), 1 / options, requires_grad=True)}
            kept.clear()
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
                MixedSupernet((), network)(randn(4, 3, 16, 16), weights=weights).sum().backward()
            sizes.append(sum(kept.values()))
        assert sizes[1] <= 1.02 * sizes[0]


class TestDropout:
    def supernet(self):
        return MixedSupernet((), nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(64)))

    def test_follows_from_the_step(self):
        supernet, x = self.supernet(), torch.ones(8, 64)
        moment = Moment(0, 1)
        supernet.prepare(moment, generator(1))
        state = torch.get_rng_state()
        first, second = supernet(x, weights={}), supernet(x, weights={})
        assert torch.equal(torch.get_rng_state(), state)
        assert not torch.equal(first, second), "two passes of a step drop different features"
        supernet.prepare(moment, generator(1))
        assert torch.equal(supernet(x, weights={}), first)
        supernet.prepare(moment, generator(2))
        assert not torch.equal(supernet(x, weights={}), first)

    def test_nothing_is_dropped_inside_undropped(self):
        supernet, x = self.supernet(), randn(8, 64)
        with supernet.undropped():
            out = supernet(x, weights={})
        torch.testing.assert_close(out, supernet.network[1](x))
        assert supernet.network[0].training
