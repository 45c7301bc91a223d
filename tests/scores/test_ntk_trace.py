import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nascence.scores import Probe
from nascence.scores.ntk_trace import NTKTrace, squared_gradient_norm
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing import reference


class TestSquaredGradientNorm:
    @pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
    def test_equals_the_definition(self, space, images):
        space = get_space(space)
        network = space.build(space.sample(generator(1)), network="score", initialisation="kaiming-fan-in").double()
        x, labels = images(5, 3, 8, 8), torch.tensor([0, 3, 3, 9, 1])
        expected = reference.squared_gradient_norm(network, x, labels)
        assert float(squared_gradient_norm(network, cross_entropy(network(x), labels))) == pytest.approx(
            expected, rel=1e-10
        )
        assert expected > 0

    def test_of_a_linear_model(self, images):
        """Softmax regression: d L / d W = mean (p - y) x^T."""
        network, x, labels = nn.Linear(4, 3, bias=False).double(), images(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
        residual = network(x).softmax(1) - nn.functional.one_hot(labels, 3)
        expected = (residual.T @ x / 6).square().sum()
        torch.testing.assert_close(squared_gradient_norm(network, cross_entropy(network(x), labels)), expected)

    def test_parameters_that_take_no_part_count_nothing(self, images):
        network = nn.ModuleDict({"used": nn.Linear(4, 3), "other": nn.Linear(9, 9)}).double()
        x, labels = images(3, 4), torch.tensor([0, 1, 2])
        value = squared_gradient_norm(network, cross_entropy(network["used"](x), labels))
        torch.testing.assert_close(
            value, squared_gradient_norm(network["used"], cross_entropy(network["used"](x), labels))
        )

    def test_can_be_differentiated_when_asked(self, images):
        network, labels = nn.Linear(4, 3).double(), torch.tensor([0, 1, 2])
        x = images(3, 4).requires_grad_()
        assert squared_gradient_norm(network, cross_entropy(network(x), labels), create_graph=True).requires_grad
        assert not squared_gradient_norm(network, cross_entropy(network(x), labels)).requires_grad

    @pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
    def test_gradient_in_the_mixing_weights_equals_central_differences(self, space, images):
        space = get_space(space)
        config = space.networks["score"]
        supernet = CellSupernet(space, config, num_classes=4, initialisation="kaiming-fan-in").double()
        x, labels = images(3, 3, 8, 8), torch.tensor([0, 1, 2])
        shape = (len(space.shape.edges), len(space.operations))
        logits = {kind: torch.randn(shape, generator=generator(0, kind)).double() for kind in space.kinds}

        def trace(logits, create_graph=False):
            weights = {kind: value.softmax(1) for kind, value in logits.items()}
            return squared_gradient_norm(
                supernet, cross_entropy(supernet(x, weights), labels), create_graph=create_graph
            )

        leaves = {kind: value.clone().requires_grad_() for kind, value in logits.items()}
        found = torch.autograd.grad(trace(leaves, create_graph=True), list(leaves.values()))
        some = {kind: value[:: 7 if space.name == "darts" else 1] for kind, value in logits.items()}

        def of_some(part):
            whole = {kind: value.clone() for kind, value in logits.items()}
            for kind, value in part.items():
                whole[kind][:: 7 if space.name == "darts" else 1] = value
            return float(trace(whole))

        expected = reference.central_differences(of_some, some, step=1e-6)
        for (kind, value), gradient in zip(expected.items(), found, strict=True):
            part = gradient[:: 7 if space.name == "darts" else 1]
            torch.testing.assert_close(part, value, rtol=1e-5, atol=1e-6 * float(value.abs().max()))
            assert value.abs().max() > 0, kind


class TestTrace:
    def test_linear_model(self, images):
        """f = W x with n outputs: the trace is n sum ||x||^2, whatever W."""
        x, n = images(5, 4), 3
        for seed in range(2):
            network = nn.Linear(4, n, bias=False).double()
            nn.init.normal_(network.weight, generator=generator(seed))
            assert reference.kernel_trace(network, x) == pytest.approx(n * float(x.square().sum()))
        single = nn.Linear(4, n, bias=False).double()
        gradient = torch.autograd.grad(single(x[:1]).sum(), single.weight)[0]
        assert float(gradient.square().sum()) == pytest.approx(n * float(x[0].square().sum()))

    @pytest.mark.parametrize("mode", ["train", "eval"])
    def test_random_probes_are_unbiased(self, mode, images):
        """E || d (v . f) / d theta ||^2 = trace for v of independent signs, whether or not samples are coupled."""
        space = get_space("nas-bench-201")
        network = space.build(space.from_index(1462), network="score", num_classes=3, initialisation="kaiming-fan-in")
        x = images(4, 3, 8, 8)
        exact = reference.kernel_trace(network.double(), x, mode=mode)
        network = reference.with_batch_norm(network, x, mode)
        logits, random, probes = network(x), generator(0), []
        for _ in range(200):
            signs = torch.randint(2, logits.shape, generator=random) * 2.0 - 1
            gradients = torch.autograd.grad((logits * signs).sum(), list(network.parameters()), retain_graph=True)
            probes.append(sum(float(g.square().sum()) for g in gradients))
        mean, error = torch.tensor(probes).mean(), torch.tensor(probes).std() / len(probes) ** 0.5
        assert float(error) / exact < 0.1
        assert abs(float(mean) - exact) < 4 * float(error)


class TestScore:
    def test_is_s_of_the_probes_images(self, digits):
        space = get_space("nas-bench-201")
        probe = Probe(space, space.from_index(5000), digits, seed=1, draw=2)
        x, labels = probe.images(16)
        network = probe.network("score", initialisation="kaiming-fan-in")
        expected = reference.squared_gradient_norm(network.double(), x.double(), labels)
        network.float()
        assert NTKTrace(images=16)(probe) == pytest.approx(expected, rel=1e-3)

    def test_no_path_is_worst_for_every_initialisation(self, digits):
        """Only the classifier's bias has a gradient there, which says nothing about the architecture."""
        space = get_space("nas-bench-201")
        for scheme in ("default", "kaiming-fan-in"):
            probe = Probe(space, space.architecture(["none"] * 6), digits)
            assert NTKTrace(images=8, initialisation=scheme)(probe) == NTKTrace.worst == 0.0
