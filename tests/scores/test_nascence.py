"""The parts of our own ranking, against the network itself in float64."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from nascence.scores import AGGREGATES, SCORES, Probe, evaluate, passes
from nascence.scores.nascence import Activations, Expressivity, Layers, Patterns, Separability, Trainability
from nascence.scores.naswot import NASWOT
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Batch
from nascence.testing.toy import toy_space

PARTS = [part.score for part in AGGREGATES.get("nascence").parts if part.score != "flops"]
SMALL = {"images": 6, "image_size": 8}


@pytest.fixture
def inputs(probe):
    return shrink(probe.images(6)[0], 8).double()


@pytest.fixture
def network(probe, reference):
    return reference(probe, "ranking-deep")


@pytest.fixture
def features(network, inputs):
    """After the stem and every block."""
    maps = [network.stem(inputs.requires_grad_())]
    for block in network.blocks:
        maps.append(block(maps[-1]))
    assert len(maps) == 18
    return maps


def relu_codes(network, inputs):
    """Of every ReLU of a feature map, whether its inputs are positive [B, F]."""
    codes = []

    def keep(module, given, output):
        if given[0].dim() == 4:
            codes.append((given[0].detach() > 0).flatten(1).numpy())

    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(keep)
    network(inputs)
    assert len(codes) > 12
    return codes


def test_expressivity_is_the_sum_of_the_spectra_s_entropies(probe, features):
    expected = 0
    for x in features:
        rows = x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
        values = np.linalg.eigvals(np.cov(rows.T, bias=True)).real
        share = np.clip(values, 1e-300, None) / values.sum()
        expected -= np.sum(share * np.log(share))
    assert Expressivity(**SMALL)(probe) == pytest.approx(expected, rel=1e-4)


def test_trainability_is_the_mean_over_blocks_of_the_gradients_maps(probe, features):
    random = generator(probe.seed, "score", "signs", probe.draw)
    values = []
    for before, after in pairwise(features):
        out = torch.randint(2, after.shape, generator=random).double() * 2 - 1
        (into,) = torch.autograd.grad(after, before, out, retain_graph=True)
        step = into.shape[2] // out.shape[2]
        places = range(out.shape[2])
        pairs = [
            (into[:, :, i * step : (i + 1) * step, j * step : (j + 1) * step].flatten(1), out[:, :, i, j])
            for i in places
            for j in places
        ]
        mean = sum(g.T @ o for g, o in pairs) / (len(pairs) * len(out))
        sigma = float(torch.linalg.matrix_norm(mean, ord=2))
        values.append(2 - sigma - 1 / sigma)
    assert Trainability(**SMALL)(probe) == pytest.approx(np.mean(values), rel=1e-3)


def test_separability_is_of_the_gradients_at_the_stem(probe, network, inputs):
    kept = []
    network.stem.register_forward_hook(lambda module, given, output: kept.append(output))
    loss = torch.nn.functional.cross_entropy(network(inputs), probe.images(6)[1])
    (gradient,) = torch.autograd.grad(loss, kept)
    values = np.linalg.eigvals(np.corrcoef(gradient.flatten(1).numpy())).real + 1e-5
    assert Separability(**SMALL)(probe) == pytest.approx(-np.sum(np.log(values) + 1 / values), rel=1e-3)


def test_layers_is_the_entropy_of_their_shares_in_a_small_step(probe, network, inputs):
    """A step of size t ||W||^2 against each layer's gradient lowers the loss by t sum ||W||^2 ||dL/dW||^2."""
    labels = probe.images(6)[1]
    loss = torch.nn.functional.cross_entropy(network(inputs), labels)
    loss.backward()
    kinds = torch.nn.Conv2d | torch.nn.Linear
    weights = [module.weight for module in network.modules() if isinstance(module, kinds)]
    lowered, step = [], 1e-7
    for weight in weights:
        kept = weight.detach().clone()
        with torch.no_grad():
            weight -= step * kept.square().sum() * weight.grad
            lowered.append(float(loss - torch.nn.functional.cross_entropy(network(inputs), labels)) / step)
            weight.copy_(kept)
    share = np.array(lowered) / sum(lowered)
    assert len(share) > 20
    assert Layers(**SMALL)(probe) == pytest.approx(-np.sum(share * np.log(share)), rel=1e-3)
    assert 1 < Layers(**SMALL)(probe) < math.log(len(share))


def test_layers_does_not_depend_on_the_scale_of_weights_before_a_normalisation(probe):
    (images, labels), values = probe.images(6), []
    for scale in (1, 7):
        network = probe.build("ranking-deep", initialisation="kaiming-fan-in")
        chains = [module for module in network.modules() if isinstance(module, torch.nn.Sequential)]
        scaled = [a for chain in chains for a, b in pairwise(chain) if isinstance(b, torch.nn.BatchNorm2d)]
        assert len(scaled) > 20
        with torch.no_grad():
            for module in scaled[::2]:
                module.weight *= scale
        run = passes.TrainingPass(
            network, Batch((images,), labels), lambda output, batch: cross_entropy(output, batch.target)
        )
        values.append(float(Layers().of(probe, run, run.features)))
    assert values[0] == pytest.approx(values[1], rel=1e-2)


def test_a_way_around_a_chain_of_convolutions_lets_more_layers_learn(task):
    """Without it gradients grow from cell to cell towards the input, and the first layers have nearly all."""
    space = get_space("nas-bench-201")
    conv = "nor_conv_3x3"
    chain = space.parse(f"|{conv}~0|+|none~0|{conv}~1|+|none~0|none~1|{conv}~2|")
    around = space.parse(f"|{conv}~0|+|none~0|{conv}~1|+|skip_connect~0|none~1|{conv}~2|")
    one, two = (evaluate([Layers(**SMALL)], space, cell, task, draws=3)["nascence-layers"] for cell in (chain, around))
    assert max(one) < min(two)


def test_activations_is_the_determinant_of_agreements(probe, network, inputs):
    codes = np.concatenate(relu_codes(network, inputs), axis=1).astype(float)
    kernel = codes @ codes.T + (1 - codes) @ (1 - codes).T
    assert Activations(**SMALL)(probe) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-4)


@pytest.mark.parametrize("seen", [4, 16])
def test_patterns_are_of_the_first_images(probe, network, inputs, seen):
    codes = np.concatenate(relu_codes(network, inputs), axis=1)[:seen]
    expected = len({tuple(column) for column in codes.T.tolist()})
    assert 10 < expected <= 2 ** min(seen, 6)
    assert Patterns(**SMALL, seen=seen)(probe) == pytest.approx(expected, abs=1)


def test_an_identity_is_left_out(task):
    """It has nothing to train: a network of identities between two reductions has the reductions' trainability."""
    space = get_space("nas-bench-201")
    skip = space.architecture(["none", "none", "none", "skip_connect", "none", "none"])
    assert math.isfinite(Trainability(**SMALL)(Probe(space, skip, task)))
    macro = get_space("nas-bench-macro")
    ends, begins = (macro.parse(text) for text in ("10100100", "10100100"[::-1]))
    assert all(math.isfinite(Trainability(**SMALL)(Probe(macro, one, task))) for one in (ends, begins))


def test_a_network_without_a_path_is_worst_in_every_part(task):
    space = get_space("nas-bench-201")
    dead = space.architecture(["none", "nor_conv_3x3", "none", "none", "nor_conv_3x3", "none"])
    values = evaluate([SCORES.get(name)(**SMALL) for name in PARTS], space, dead, task)
    assert values == {name: [-math.inf] for name in PARTS}


def test_a_network_without_relus_has_no_activations_or_patterns(task):
    space = toy_space()
    probe = Probe(space, space.parse("skip_connect,skip_connect,skip_connect"), task)
    values = {name: SCORES.get(name)(**SMALL)(probe) for name in PARTS}
    assert values["nascence-activations"] == values["nascence-patterns"] == -math.inf
    assert NASWOT(images=4)(probe) == -math.inf
    assert math.isfinite(values["nascence-expressivity"])


def test_all_parts_take_one_forward(probe, monkeypatch):
    made = []
    original = passes.TrainingPass.__init__

    def count(self, *arguments):
        made.append(arguments[1].inputs[0].shape)
        original(self, *arguments)

    monkeypatch.setattr(passes.TrainingPass, "__init__", count)
    for name in PARTS:
        SCORES.get(name)(**SMALL)(probe)
    assert made == [(6, 3, 8, 8)]


def test_images_below_the_size_stay(task, probe):
    """The task's images have 16 pixels."""
    for name in PARTS:
        kind = SCORES.get(name)
        assert kind(images=4, image_size=16)(probe) == kind(images=4, image_size=None)(probe)


def test_a_convolution_more_is_more_expressive_than_a_pooling(task):
    """Averages shrink what differs between images; seven draws of one pair."""
    space = get_space("nas-bench-201")
    convolutions, poolings = (space.architecture([name] * 6) for name in ("nor_conv_3x3", "avg_pool_3x3"))
    scores = [SCORES.get(name)(**SMALL) for name in PARTS]
    one, two = (evaluate(scores, space, cell, task, draws=3) for cell in (convolutions, poolings))
    for name in ("nascence-expressivity", "nascence-activations", "nascence-patterns", "nascence-separability"):
        assert min(one[name]) > max(two[name]), name
