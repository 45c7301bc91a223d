import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.costs import CostModel, flops, params
from nascence.errors import BudgetError, SettingError, UnknownNameError
from nascence.spaces import Choice, NetworkConfig, Space, get_space
from nascence.tasks.base import Signature

NB201 = get_space("nas-bench-201")
DARTS = get_space("darts")
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


class _Toy(Space):
    networks = {"evaluation": NetworkConfig(channels=4)}

    def format(self, architecture):
        return "-".join(architecture.answers)

    def parse(self, text):
        return self.architecture(text.split("-"))


class Kernels(_Toy):
    """Every layer keeps its width: each answer adds its own amount."""

    name = "toy-kernels"
    choices = tuple(Choice(f"kernel {at}", ("1", "3", "5")) for at in range(4))

    def assemble(self, architecture: Architecture, network, signature):
        c = network.channels
        layers = [nn.Conv2d(c, c, int(k), padding=int(k) // 2) for k in architecture.answers]
        stem = nn.Conv2d(signature.features, c, 1)
        return nn.Sequential(stem, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, signature.outputs))


class Widths(_Toy):
    """The width of a layer prices its neighbour."""

    name = "toy-widths"
    choices = tuple(Choice(f"width {at}", ("2", "4", "7")) for at in range(4))

    def assemble(self, architecture: Architecture, network, signature):
        widths = [signature.features, *map(int, architecture.answers)]
        layers = [nn.Conv2d(a, b, 3) for a, b in itertools.pairwise(widths)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], signature.outputs))


class Tangled(_Toy):
    """The first and the last answer multiply: no sum over neighbours."""

    name = "toy-tangled"
    choices = tuple(Choice(f"factor {at}", ("1", "2", "3")) for at in range(3))

    def assemble(self, architecture: Architecture, network, signature):
        a, b, c = map(int, architecture.answers)
        width = a * b * c
        conv, classifier = nn.Conv2d(signature.features, width, 1), nn.Linear(width, signature.outputs)
        return nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)


def draws(space, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [space.sample(generator) for _ in range(count)]


@pytest.fixture(scope="module")
def nb201():
    return CostModel(NB201, NB201.networks["evaluation"])


@pytest.fixture(scope="module")
def darts():
    return CostModel(DARTS, DARTS.networks["evaluation"])


def test_published_parameters_of_nas_bench_201(nb201):
    published = {1: 802426, 9930: 1288506}
    assert {index: nb201.params(NB201.from_index(index)) for index in published} == published
    assert nb201.params(NB201.architecture(["skip_connect"] * 6)) == 73306
    assert nb201.params(NB201.architecture(["nor_conv_3x3"] * 6)) == 1531546


def test_published_parameters_of_darts(darts):
    assert darts.params(DARTS.parse(DARTS_V2)) == 3349342


@pytest.mark.parametrize(
    ("space", "network", "input_shape", "classes"),
    [
        (NB201, NB201.networks["evaluation"], (3, 32, 32), 10),
        (NB201, NB201.networks["search"], (1, 9, 9), 3),
        (NB201, NetworkConfig(channels=5, depth=2, stages=2), (2, 15, 11), 7),
        (DARTS, NetworkConfig(channels=4, depth=5), (3, 17, 17), 10),
        (DARTS, NetworkConfig(channels=4, depth=2, stem_channels=6, affine=False), (1, 8, 8), 2),
        (Kernels(), Kernels.networks["evaluation"], (3, 8, 8), 5),
        (Widths(), Widths.networks["evaluation"], (3, 12, 10), 5),
        (Tangled(), Tangled.networks["evaluation"], (3, 8, 8), 5),
    ],
)
def test_counts_equal_those_of_the_built_module(space, network, input_shape, classes):
    model = CostModel(space, network, Signature.images(input_shape, classes))
    for architecture in draws(space, 4):
        module = space.build(architecture, network=network, in_channels=input_shape[0], num_classes=classes)
        assert model.params(architecture) == params(module)
        assert model.flops(architecture) == flops(module, input_shape)


def test_the_auxiliary_head_is_not_counted():
    network = NetworkConfig(channels=4, depth=5)
    with_head = NetworkConfig(channels=4, depth=5, auxiliary=True)
    (architecture,) = draws(DARTS, 1)
    assert CostModel(DARTS, with_head).params(architecture) == CostModel(DARTS, network).params(architecture)


@pytest.mark.parametrize("name", ["params", "flops"])
def test_range_and_extremes_of_nas_bench_201_equal_enumeration(nb201, name):
    costs = [nb201.cost(name, architecture) for architecture in NB201.enumerate()]
    assert nb201.range(name) == (min(costs), max(costs))
    assert nb201.cost(name, nb201.extreme(name, largest=False)) == min(costs)
    assert nb201.cost(name, nb201.extreme(name, largest=True)) == max(costs)


@pytest.mark.parametrize("name", ["params", "flops"])
def test_range_of_darts_holds_on_random_architectures(name):
    network = NetworkConfig(channels=4, depth=6)
    darts = CostModel(DARTS, network)
    low, high = darts.range(name)
    costs = [darts.cost(name, architecture) for architecture in draws(DARTS, 1000)]
    assert low <= min(costs) < max(costs) <= high
    for largest, end in ((False, low), (True, high)):
        module = DARTS.build(darts.extreme(name, largest=largest), network=network)
        assert (params(module) if name == "params" else flops(module, (3, 32, 32))) == end


def test_the_largest_within_limits_equals_enumeration(nb201):
    everything = list(NB201.enumerate())
    for share in (0.0, 0.3, 0.8):
        low, high = nb201.range("flops")
        limits = {"flops": low + share * (high - low)}
        allowed = [nb201.params(a) for a in everything if nb201.flops(a) <= limits["flops"]]
        found = nb201.extreme("params", largest=True, limits=limits)
        assert nb201.flops(found) <= limits["flops"]
        assert nb201.params(found) == max(allowed)
        assert nb201.params(nb201.extreme("params", largest=False, limits=limits)) == min(allowed)
    with pytest.raises(BudgetError, match="within the limits"):
        nb201.extreme("params", largest=True, limits={"params": 1.0})


def test_widths_that_meet_far_apart_are_priced_exactly():
    """In Channel-Bench-Macro the stem's width meets those of blocks 1 to 3, and block 3's that of the last layer."""
    space = get_space("channel-bench-macro-mobilenet")
    network = NetworkConfig(channels=8)
    model = CostModel(space, network, Signature.images((3, 16, 16), 7))
    for architecture in [*draws(space, 30), space.parse("4111141"), space.parse("1444414"), space.parse("4114114")]:
        module = space.build(architecture, network=network, num_classes=7)
        assert model.params(architecture) == params(module)
        assert model.flops(architecture) == flops(module, (3, 16, 16))
    assert model.extreme("params", largest=True) == space.parse("4" * 7)
    limit = sum(model.range("params")) / 2
    best = model.extreme("params", largest=True, limits={"params": limit})
    assert model.params(best) == max(c for c in map(model.params, space.enumerate()) if c <= limit)


def test_table_adds_up_and_its_expectation_is_the_mean(nb201):
    table, constant = nb201.table("flops")["cell"], nb201.constant("flops")
    for architecture in draws(NB201, 5):
        one_hot = NB201.one_hot(architecture)
        assert float((one_hot["cell"] * table).sum() + constant) == nb201.flops(architecture)
        assert float(nb201.expected("flops", {"cell": one_hot["cell"].double()})) == nb201.flops(architecture)
    logits = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = logits.softmax(1)
    expected = nb201.expected("flops", {"cell": weights})
    probabilities = weights.detach().numpy()
    enumerated = sum(
        np.prod([probabilities[edge, option] for edge, option in enumerate(options)])
        * nb201.flops(NB201.architecture([NB201.operations[option] for option in options]))
        for options in itertools.product(range(5), repeat=6)
    )
    assert float(expected.detach()) == pytest.approx(enumerated)
    (gradient,) = torch.autograd.grad(expected, weights, retain_graph=True)
    assert torch.allclose(gradient, table)


def test_selection_in_small_spaces_equals_enumeration():
    for space in (Kernels(), Widths()):
        model = CostModel(space, space.networks["evaluation"], Signature.images((3, 12, 12)))
        everything = list(space.enumerate())
        generator = torch.Generator().manual_seed(1)
        scores = {choice.name: torch.randn(3, generator=generator) for choice in space.choices}

        def score(architecture, space=space, scores=scores):
            return sum(
                float(scores[choice.name].double()[choice.options.index(answer)])
                for choice, answer in zip(space.choices, architecture.answers, strict=True)
            )

        for quantile in (0.0, 0.2, 0.6):
            limits = {
                name: float(np.quantile([model.cost(name, a) for a in everything], quantile, method="higher"))
                for name in ("params", "flops")
            }
            inside = [a for a in everything if all(model.cost(name, a) <= limit for name, limit in limits.items())]
            found = model.select(limits=limits, scores=scores)
            assert found.architecture == max(inside, key=score)
            assert found.score == pytest.approx(score(found.architecture))


def test_selection_where_costs_do_not_add_up_and_networks_are_counted_one_by_one():
    space = Tangled()
    model = CostModel(space, space.networks["evaluation"])
    counted = {architecture: model.params(architecture) for architecture in space.enumerate()}
    limit = float(np.median(list(counted.values())))
    scores = {c.name: torch.arange(len(c.options), dtype=torch.float64) for c in space.choices}
    found = model.select(limits={"params": limit}, scores=scores)
    assert counted[found.architecture] <= limit
    assert model.select(limits={"params": min(counted.values()) - 1.0}) is None
    with pytest.raises(SettingError, match="toy-tangled"):
        model.prices("params")
    with pytest.raises(SettingError, match="no cells"):
        model.table("params")


def test_bad_scores_and_names_are_refused(nb201):
    with pytest.raises(UnknownNameError, match="cost 'parms'"):
        nb201.select(limits={"parms": 1.0})
    with pytest.raises(UnknownNameError, match="kind of cell 'normal'"):
        nb201.select(limits={}, scores={"normal": torch.zeros(6, 5)})
    with pytest.raises(SettingError, match=r"\[6, 5\]"):
        nb201.select(limits={}, scores={"cell": torch.zeros(5, 6)})
    with pytest.raises(SettingError, match="NaN"):
        nb201.select(limits={}, scores={"cell": torch.full((6, 5), torch.nan)})
    kernels = CostModel(Kernels(), Kernels.networks["evaluation"])
    with pytest.raises(UnknownNameError, match="choice 'kernel 9'"):
        kernels.select(limits={}, scores={"kernel 9": torch.zeros(3)})


def test_scores_of_minus_infinity_forbid(nb201):
    scores = torch.zeros(6, 5)
    scores[:, :4] = -torch.inf
    found = nb201.select(limits={}, scores={"cell": scores})
    assert set(found.architecture.answers) == {NB201.operations[4]}
    scores[0] = -torch.inf
    assert nb201.select(limits={}, scores={"cell": scores}) is None


def test_predicted_latency_adds_up_and_meets_whole_networks(monkeypatch):
    """With a clock that charges each operation its FLOPs plus one, and each network twice that."""
    from nascence.costs import cells, networks
    from nascence.costs.counting import count_flops

    measured_operations = []

    def operation_cost(place, operation):
        measured_operations.append((place, operation))
        return 1.0 + count_flops(place.build(operation).to("meta"), place.input_shape)

    exact = CostModel(NB201, NetworkConfig(channels=4, depth=2))

    def network_cost(self, architectures, repeats=30, warm_up=5, *, turn=5, shipped=False):
        from nascence.costs import LatencyMeasurement

        return [LatencyMeasurement(2.0 * exact.flops(one) + 50, 0.0, 1, 1, "clock") for one in architectures]

    monkeypatch.setattr(cells, "_Clock", lambda places, operations, networks: operation_cost)
    monkeypatch.setattr(networks.Networks, "measure_all", network_cost)
    model = CostModel(NB201, NetworkConfig(channels=4, depth=2), threads=1)
    for architecture in draws(NB201, 10):
        assert model.predicted_latency_ms(architecture) == pytest.approx(2 * exact.flops(architecture) + 50, rel=1e-6)
    assert len(measured_operations) == len(set(measured_operations)) == 3 * 5  # stages x operations


@pytest.mark.parametrize("space", [NB201, Kernels()])
def test_latency_is_measured_in_positive_milliseconds(space):
    network = NetworkConfig(channels=4, depth=1, stages=1)
    model = CostModel(space, network, Signature.images((3, 8, 8)), threads=1)
    (architecture,) = draws(space, 1)
    assert model.predicted_latency_ms(architecture) == model.predicted_latency_ms(architecture)
    assert model.networks.measure(architecture).median_ms > 0
    assert np.isfinite(model.range("latency_ms")).all()


def test_the_fitted_line_ignores_a_disturbed_measurement_and_stays_sensible():
    from nascence.costs.cells import _line

    x = np.arange(9.0)
    y = 3 + 2 * x
    assert _line(x, y) == (3.0, 2.0)
    y[4] += 100
    assert _line(x, y) == (3.0, 2.0)
    assert _line(x, -x)[1] == 1.0  # slower parts cannot make faster networks
    assert _line(x, 2 * x - 1) == (0.0, 2.0)
    assert _line(np.ones(3), np.array([4.0, 5.0, 6.0])) == (4.0, 1.0)


def choice_weights(space, seed):
    """Random probabilities of the options of every choice."""
    generator = torch.Generator().manual_seed(seed)
    return {
        choice.name: torch.rand(len(choice.options), generator=generator, dtype=torch.float64).softmax(0)
        for choice in space.choices
    }


@pytest.mark.parametrize("space", [Kernels(), Widths(), get_space("nas-bench-201")], ids=lambda space: space.name)
@pytest.mark.parametrize("name", ["params", "flops"])
def test_the_expectation_over_choices_is_that_of_enumeration(space, name):
    """Also where choices price each other, as the widths on both sides of a convolution do."""
    model = CostModel(space, NetworkConfig(channels=4), Signature.images((3, 16, 16)))
    weights = choice_weights(space, 0)
    for value in weights.values():
        value.requires_grad_()
    mean = model.expected(name, weights)
    mean.backward()
    chances, costs = [], []
    for architecture in space.enumerate():
        rows = zip(space.choices, architecture.answers, strict=True)
        chances.append(np.prod([float(weights[c.name].detach()[c.options.index(answer)]) for c, answer in rows]))
        costs.append(model.cost(name, architecture))
    assert float(mean.detach()) == pytest.approx(float(np.dot(chances, costs)), rel=1e-9)
    choice = space.choices[1]
    slopes = []  # of the mean in the chance of an answer: the mean cost of what has it
    for option, chance in zip(choice.options, weights[choice.name].tolist(), strict=True):
        having = [one.answers[1] == option for one in space.enumerate()]
        slopes.append(sum(c * p for c, p, has in zip(costs, chances, having, strict=True) if has) / chance)
    grads = weights[choice.name].grad
    assert (grads - grads[0]).tolist() == pytest.approx([slope - slopes[0] for slope in slopes], rel=1e-6, abs=1e-3)


def test_the_expectation_over_choices_wants_all_of_them():
    space = Kernels()
    model = CostModel(space, NetworkConfig(channels=4), Signature.images((3, 8, 8)))
    weights = choice_weights(space, 0)
    with pytest.raises(SettingError, match="kernel 0"):
        model.expected("params", {name: value for name, value in weights.items() if name != "kernel 0"})
    with pytest.raises(SettingError, match=r"shape \[3\]"):
        model.expected("params", {**weights, "kernel 2": torch.ones(2)})


def test_the_range_where_nothing_adds_up():
    """By descent: exact where every choice has a cheapest and a dearest answer."""
    space = Tangled()
    model = CostModel(space, NetworkConfig(channels=4), Signature.images((3, 8, 8)))
    assert not model.adds_up("params")
    counted = [model.params(architecture) for architecture in space.enumerate()]
    assert model.range("params") == (min(counted), max(counted))
    assert model.params(model.extreme("params", largest=True)) == max(counted)
    with pytest.raises(SettingError, match="no sum"):
        model.extreme("params", largest=False, limits={"flops": 1})
