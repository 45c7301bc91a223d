"""Networks of one's own as a space: masks and slices agree, costs are exact, weights are kept."""

import copy
import json

import pytest
import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.costs import Budget, flops, params
from nascence.errors import ArchitectureError, BudgetError, SettingError
from nascence.seeding import generator
from nascence.spaces.own.known import make_known
from nascence.tasks.base import Signature


def some(space, count=4):
    draws = generator(3, "own")
    return [space.sample(draws) for _ in range(count)]


def inputs(space, count=4):
    draws = generator(0, "inputs")
    return torch.rand(space.signature.example(count)[0].shape, generator=draws)


def without_dropout(module):
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return module


def test_masked_and_sliced_compute_the_same(own):
    """In training mode (statistics of the batch) and in evaluation mode (running statistics), to 1e-5."""
    supernet, images = without_dropout(own.supernet(None, own.signature)), inputs(own)
    for architecture in some(own):
        sliced = without_dropout(own.assemble(architecture, None, own.signature))
        for training in (True, False):
            mixed, alone = copy.deepcopy(supernet).train(training), copy.deepcopy(sliced).train(training)
            with torch.no_grad():
                expected = mixed(images, weights=own.one_hot(architecture))
                found = alone(images)
            assert (expected - found).abs().max() <= 1e-5 * (1 + expected.abs().max()), str(architecture)


def test_the_largest_is_the_network_itself(own):
    whole = own.assemble(own.largest, None, own.signature)
    images = inputs(own)
    with torch.no_grad():
        assert torch.allclose(whole(images), own.analysis.network(images), atol=1e-6)
    assert whole.state_dict().keys() == own.state.keys()


def test_the_same_width_everywhere(own):
    assert own.same_width(8) == own.largest
    for eighths in (1, 3, 5):
        found = own.same_width(eighths)
        kept, skipped = own._of(found)
        assert not skipped
        for group in own.analysis.channels.groups:
            assert int(kept[list(group.units)].sum()) == -(-len(group.units) * eighths // 8), group.name


def test_costs_are_counted_exactly(own):
    supernet = own.supernet(None, own.signature)
    for architecture in some(own):
        weights, network = own.one_hot(architecture), own.assemble(architecture, None, own.signature)
        assert float(supernet.expected("params", weights)) == params(network)
        assert float(supernet.expected("flops", weights)) == flops(network, own.signature)


def test_text_and_json_round_trips(own):
    make_known(own)
    for architecture in some(own):
        assert own.parse(own.format(architecture)) == architecture
        assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture
    for bad in ("", "1", f"{own.format(own.largest)}|1", "x" + own.format(own.largest)):
        with pytest.raises(ArchitectureError):
            own.parse(bad)


def test_every_row_gets_a_gradient(own):
    weights = {g.name: torch.full(g.shape, 1 / g.shape[1]).requires_grad_() for g in own.groups}
    output = own.supernet(None, own.signature)(inputs(own), weights=weights)
    (output * torch.arange(output.numel()).view(output.shape)).sum().backward()
    for name, value in weights.items():
        assert value.grad.isfinite().all(), name
        assert (value.grad.abs().sum(-1) > 0).all(), name


def test_a_name_is_a_digest_of_graph_weights_and_inputs(networks):
    torch.manual_seed(0)
    module = networks.resnet()
    name = networks.space_of(module).name
    assert networks.space_of(copy.deepcopy(module)).name == name
    assert networks.space_of(module, Signature.images((3, 16, 16), 5)).name != name
    with torch.no_grad():
        module.classifier.bias.add_(1)
    assert networks.space_of(module).name != name
    assert networks.space_of(networks.encoder()).name.startswith("own-")


def test_what_a_residual_network_offers(networks):
    own = networks.kept("resnet")
    told = {part["part"]: part for part in own.table()}
    assert told["stem"]["layers"] == ["stem", "stages.0.conv2", "stages.1.conv2"]  # all that is added up
    assert told["stages.0.conv1"]["layers"] == ["stages.0.conv1"]
    assert told["stages.1"]["choice"] == "keep or skip"
    assert "stages.2" not in told, "its shortcut is a convolution"
    assert told["classifier"]["whole"] == "its channels are the network's outputs"


def test_heads_go_whole_and_the_stream_is_one_group(networks):
    own = networks.kept("encoder")
    units = {group.name: len(group.units) for group in own.analysis.channels.groups}
    assert units["layers.0.attention.qkv"] == 4
    assert units["layers.0.mlp.0"] == 64
    assert units["patches"] == 16
    assert {"patches", "layers.0.attention.out", "layers.1.mlp.3"} <= set(own.table()[0]["layers"])


def test_widths_inside_of_what_is_gone_are_canonical(networks):
    own = networks.kept("resnet")
    names = [choice.name for choice in own.choices]
    answers = list(own.largest.answers)
    answers[names.index("stages.0")] = "skip"
    answers[names.index("stages.0.conv1")] = "1/4"
    canonical = own.canonical(own.architecture(answers))
    assert canonical.answers[names.index("stages.0.conv1")] == "1"
    assert canonical.answers[names.index("stages.0")] == "skip"


def test_weights_are_kept_and_scratch_has_others(networks):
    own = networks.kept("resnet")
    (architecture,) = some(own, 1)
    inherited = own.brought(architecture)
    fresh = own.build(architecture, signature=own.signature, seed=1)
    same = own.build(architecture, signature=own.signature, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), same.state_dict().values(), strict=True))
    assert not torch.equal(fresh.state_dict()["stem.weight"], inherited["stem.weight"])
    kept = inherited["stem.weight"]
    assert all(any(torch.equal(row, other) for other in own.state["stem.weight"]) for row in kept)


def test_budgets_are_met_and_refused_with_the_range(networks):
    own = networks.kept("resnet")
    budget = Budget(max_flops=flops(own.analysis.network, own.signature) / 4).bind(own, None, signature=own.signature)
    budget.check()
    best = budget.best({})
    assert flops(own.assemble(best, None, own.signature), own.signature) <= budget.budget.max_flops
    with pytest.raises(BudgetError, match=r"reachable: FLOPs from .* to "):
        Budget(max_flops=10).bind(own, None, signature=own.signature).check()


def test_data_that_do_not_fit_are_refused(networks):
    own = networks.kept("resnet")
    with pytest.raises(SettingError, match="5 outputs"):
        own.assemble(own.largest, None, Signature.images((3, 8, 8), 6))
    with pytest.raises(SettingError, match="they have one size"):
        own.resized(own.networks["evaluation"], channels=8)


class Shuffled(nn.Module):
    """Reads channels by their numbers: what cannot be thinned alone is left whole, and the rest is not."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(4, 5)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(x.mean(dim=(2, 3))[:, :4])


def test_what_is_picked_by_number_is_left_whole(networks):
    own = networks.space_of(Shuffled())
    told = {part["part"]: part for part in own.table()}
    assert told["first"]["choice"] == "8 units"
    assert told["second"]["whole"] == "positions of it are picked by their number"
