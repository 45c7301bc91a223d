"""The quick kernels are the obvious ones."""

import math

import pytest
import torch
from torch import nn

from nascence.scores.batch_norm import MODES, calibrate, replace_batch_norm
from nascence.scores.ntk import _jacobian_by_cotangents, _kernel_by_layers, class_summed_kernel, condition_number
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing import reference
from nascence.testing.reference import ObviousSupernet

SPACES = ["nas-bench-201", "darts"]


def kernel(network, x, **options):
    return class_summed_kernel(network, network, x, **options)


class TestClosedForms:
    def test_linear(self):
        """f(x) = w . x: K = X X^T, and diag(1, 2, 3) has the condition number 9."""
        network = nn.Sequential(nn.Flatten(), nn.Linear(3, 1)).double()
        x = torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))[..., None, None]
        K = kernel(network, x)[0]
        torch.testing.assert_close(K, torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64)))
        assert float(condition_number(K)) == pytest.approx(9)

    def test_one_hidden_layer(self, images):
        """f(x) = v . relu(W x): K = (x . x') sum_h v_h^2 [h active on both] + relu(W x) . relu(W x')."""
        network = nn.Sequential(nn.Flatten(), nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 1)).double()
        x = images(6, 5)
        W, v = network[1].weight.detach(), network[3].weight.detach()[0]
        on = (x @ W.T > 0).double()
        expected = (x @ x.T) * ((on * v.square()) @ on.T) + (x @ W.T).relu() @ (x @ W.T).relu().T
        torch.testing.assert_close(kernel(network, x[..., None, None])[0], expected, rtol=1e-13, atol=1e-13)

    def test_outputs_are_summed_over_classes(self, images):
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double()
        x = images(5, 4)
        torch.testing.assert_close(kernel(network, x[..., None, None])[0], 3 * x @ x.T)

    def test_biases_take_no_part(self, images):
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3, 2)).double()
        x = images(4, 2, 3, 3)
        expected = kernel(network, x)
        with torch.no_grad():
            network[0].bias.zero_()  # moves the activations: the classifier's part changes, the kernel's shape not
        assert kernel(network, x).shape == expected.shape == (1, 4, 4)
        torch.testing.assert_close(kernel(network, x)[0], reference.class_summed_kernel(network, x))

    def test_a_scale_after_normalisation_is_free(self, images):
        """Batch statistics make f invariant to the scale of the kernel before them: <g_n, W> = 0 up to eps."""
        network = nn.Sequential(
            nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        network.append(nn.Linear(4, 3)).double()
        network[1].eps = 1e-12
        replace_batch_norm(network, "train")
        jacobian = _jacobian_by_cotangents(network, network, images(5, 2, 6, 6), 1, 2)
        W = network[0].weight.detach().flatten()
        gradients = jacobian[:, : W.numel()]
        assert gradients.norm() > 1e-3
        assert ((gradients @ W).abs() < 1e-9 * gradients.norm(dim=1) * W.norm()).all()


class TestOnNetworks:
    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("mode", MODES)
    def test_equals_one_backward_per_sample(self, space, mode, images):
        space = get_space(space)
        for seed in range(2):
            network = space.build(
                space.sample(generator(seed)), network="score", initialisation="kaiming-fan-in", seed=seed
            ).double()
            x = images(5, 3, 8, 8, seed=seed)
            expected = reference.class_summed_kernel(network, x, mode=mode)
            found = kernel(replace_batch_norm(network, mode), x)[0]
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12 * float(expected.abs().max()))

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("mode", MODES)
    def test_equals_the_obvious_supernet(self, space, mode, images):
        space = get_space(space)
        config = space.networks["score"]
        fused = CellSupernet(space, config, initialisation="kaiming-fan-out", seed=1).double()
        obvious = ObviousSupernet.like(fused, space, config)
        random, x = generator(2), images(4, 3, 8, 8)
        replace_batch_norm(fused, mode)
        for active in (1.0, 0.5):
            shape = (len(space.shape.edges), len(space.operations))
            weights = {
                kind: torch.rand(shape, generator=random, dtype=torch.float64)
                * (torch.rand(shape, generator=random) < active)
                for kind in space.kinds
            }
            expected = reference.class_summed_kernel(obvious, x, mode=mode, weights=weights)
            found = class_summed_kernel(fused, lambda x, w=weights: fused(x, w), x)[0]
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11 * float(expected.abs().max()))

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("mode", ["frozen", "eval"])
    def test_networks_side_by_side_equal_separate_ones(self, space, mode, images):
        space = get_space(space)
        supernet = CellSupernet(space, space.networks["score"], initialisation="kaiming-fan-in").double()
        replace_batch_norm(supernet, mode)
        shape = (3, len(space.shape.edges), len(space.operations))
        random = generator(5)
        weights = {
            kind: torch.rand(shape, generator=random, dtype=torch.float64) * (torch.rand(shape, generator=random) < 0.5)
            for kind in space.kinds
        }
        x = images(4, 3, 8, 8)
        together = class_summed_kernel(supernet, lambda x: supernet(x, weights), x.repeat(3, 1, 1, 1), groups=3)
        for group in range(3):
            one = {kind: value[group] for kind, value in weights.items()}
            alone = class_summed_kernel(supernet, lambda x, w=one: supernet(x, w), x)[0]
            torch.testing.assert_close(together[group], alone, rtol=1e-9, atol=1e-11 * float(alone.abs().max()))

    @pytest.mark.parametrize("space", SPACES)
    def test_layers_equal_cotangents_only_where_samples_are_decoupled(self, space, images):
        space = get_space(space)
        x, architecture = images(5, 3, 8, 8), space.sample(generator(0))
        differences = {}
        for mode in MODES:
            network = space.build(architecture, network="score", initialisation="kaiming-fan-in").double()
            replace_batch_norm(network, mode)
            calibrate(network, network, x)
            by_layers = _kernel_by_layers(network, network, x, 1)[0]
            jacobian = _jacobian_by_cotangents(network, network, x, 1, 2)
            by_cotangents = jacobian @ jacobian.mT
            differences[mode] = float((by_layers - by_cotangents).norm() / by_cotangents.norm())
        assert differences["frozen"] < 1e-12
        assert differences["eval"] < 1e-12
        assert differences["train"] > 0.05

    @pytest.mark.parametrize("chunk", [1, 3, 16])
    def test_chunks_do_not_matter(self, chunk, images):
        space = get_space("nas-bench-201")
        network = replace_batch_norm(space.build(space.sample(generator(0)), network="score").double(), "train")
        x = images(5, 3, 8, 8)
        torch.testing.assert_close(kernel(network, x, chunk=chunk), kernel(network, x, chunk=5))

    @pytest.mark.parametrize("mode", MODES)
    def test_the_order_of_samples_does_not_matter(self, mode, images):
        space = get_space("nas-bench-201")
        network = space.build(space.from_index(1234), network="score", initialisation="kaiming-fan-in").double()
        replace_batch_norm(network, mode)
        x, order = images(6, 3, 8, 8), torch.tensor([3, 0, 5, 1, 4, 2])
        K, permuted = kernel(network, x)[0], kernel(network, x[order])[0]
        torch.testing.assert_close(permuted, K[order][:, order], rtol=1e-9, atol=1e-11)
        assert float(condition_number(permuted)) == pytest.approx(float(condition_number(K)), rel=1e-7)

    def test_a_module_used_twice_sums_before_the_product(self, images):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.head = nn.Conv2d(2, 2, 3, padding=1, groups=2), nn.Linear(2, 1)

            def forward(self, x):
                return self.head(self.conv(self.conv(x).relu()).mean((2, 3)))

        network, x = Twice().double(), images(4, 2, 5, 5)
        torch.testing.assert_close(kernel(network, x)[0], reference.class_summed_kernel(network, x))

    @pytest.mark.parametrize(
        "layer",
        [
            nn.Conv2d(4, 6, 1, stride=2, bias=False),
            nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2),
            nn.Conv2d(4, 4, 5, padding=2, stride=2, groups=4, bias=False),
            nn.Conv2d(4, 6, 1, padding=1),
            nn.Conv2d(4, 6, (1, 3)),
        ],
        ids=str,
    )
    def test_every_kind_of_convolution(self, layer, images):
        pool = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        network = nn.Sequential(layer, *pool, nn.Linear(layer.out_channels, 2)).double()
        x = images(3, 4, 7, 7)
        torch.testing.assert_close(kernel(network, x)[0], reference.class_summed_kernel(network, x))


class TestConditionNumber:
    def test_is_the_ratio(self, images):
        J = images(3, 5, 9)
        K = J @ J.mT
        for one, value in zip(K, condition_number(K), strict=True):
            assert float(value) == pytest.approx(reference.condition_number(one))

    @pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
    def test_scale_does_not_matter(self, scale):
        K = torch.diag(torch.tensor([1.0, 5.0], dtype=torch.float64)) * scale
        assert float(condition_number(K)) == pytest.approx(5)

    def test_what_is_singular_is_infinite_and_nothing_is_negative(self, images):
        x = images(4, 6)
        x[2] = x[0]
        nan, infinite = torch.eye(4), torch.eye(4)
        nan[1, 2], infinite[0, 0] = math.nan, math.inf
        cases = torch.stack([x @ x.T, torch.zeros(4, 4), nan, infinite, -torch.eye(4), torch.ones(4, 4)]).double()
        assert condition_number(cases).tolist() == [math.inf] * 6
        mixed = torch.stack([cases[0], torch.eye(4, dtype=torch.float64)])
        assert condition_number(mixed).tolist() == [math.inf, 1.0]

    def test_precision_decides_what_is_singular(self):
        K = torch.diag(torch.tensor([1.0, 1e-10], dtype=torch.float64))
        assert float(condition_number(K)) == math.inf
        assert float(condition_number(K, precision=torch.float64)) == pytest.approx(1e10)
        assert float(condition_number(torch.diag(torch.tensor([1.0, 1e-7]).double()))) == pytest.approx(1e7)

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("mode", MODES)
    def test_a_repeated_sample_is_infinite_in_single_precision(self, space, mode, images):
        space = get_space(space)
        for seed in range(3):
            network = space.build(
                space.sample(generator(seed)), network="score", initialisation="kaiming-fan-in", seed=seed
            )
            x = images(8, 3, 16, 16, seed=seed).float()
            x[5] = x[1]
            assert float(condition_number(kernel(replace_batch_norm(network, mode), x))) == math.inf

    @pytest.mark.parametrize("mode", MODES)
    def test_a_network_without_a_path_is_infinite(self, mode, images):
        space = get_space("nas-bench-201")
        network = space.build(space.architecture(["none"] * 6), network="score")
        assert (
            float(condition_number(kernel(replace_batch_norm(network, mode), images(6, 3, 8, 8).float()))) == math.inf
        )
        for name in SPACES:
            supernet = CellSupernet(get_space(name), get_space(name).networks["score"])
            shape = (len(get_space(name).shape.edges), len(get_space(name).operations))
            zero = {kind: torch.zeros(shape) for kind in get_space(name).kinds}
            replace_batch_norm(supernet, mode)
            K = class_summed_kernel(supernet, lambda x, s=supernet, z=zero: s(x, z), images(6, 3, 8, 8).float())
            assert float(condition_number(K)) == math.inf


def test_affine_free_normalisation(images):
    space = get_space("nas-bench-201")
    config = NetworkConfig(channels=3, stages=2, affine=False, track_running_stats=False)
    network = space.build(space.from_index(77), network=config).double()
    x = images(4, 3, 8, 8)
    for mode in MODES:
        copy = space.build(space.from_index(77), network=config).double()
        expected = reference.class_summed_kernel(network, x, mode=mode)
        torch.testing.assert_close(kernel(replace_batch_norm(copy, mode), x)[0], expected, rtol=1e-9, atol=1e-10)
