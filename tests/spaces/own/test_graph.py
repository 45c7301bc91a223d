"""Networks as JSON and tensors, and what such a file may not do."""

import copy
import json

import pytest
import torch

from nascence.errors import SettingError
from nascence.spaces.own.graph import digest, from_json, to_json


def test_a_network_is_made_again_without_its_code(own):
    network = own.analysis.network
    value = json.loads(json.dumps(to_json(network)))
    again = from_json(value, own.state)
    images = torch.rand(own.signature.example(2)[0].shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(images), network.eval()(images))
    assert digest(to_json(again), own.state) == digest(value, own.state)


def test_the_digest_sees_every_bit(networks):
    own = networks.kept("resnet")
    state = {name: value.clone() for name, value in own.state.items()}
    before = digest(own.written, state)
    state["classifier.bias"][0] += 1e-6
    assert digest(own.written, state) != before
    other = copy.deepcopy(own.written)
    other["nodes"][-1]["name"] = "end"
    assert digest(other, own.state) != before


def node(own, **changes):
    value = copy.deepcopy(own.written)
    place = next(at for at, each in enumerate(value["nodes"]) if each["op"] == "call_function")
    value["nodes"][place] |= changes
    return value


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "os.system"},
        {"target": "torch.load"},
        {"target": "torch.nn"},
        {"target": "builtins.eval"},
        {"target": "operator.attrgetter"},
        {"target": "F._pair"},
        {"op": "call_method", "target": "__reduce__"},
        {"op": "call_method", "target": "no_such_method"},
        {"op": "call_module", "target": "absent"},
        {"op": "get_attr", "target": "stem.weight"},
        {"target": "builtins.getattr", "args": {"tuple": [{"node": "x"}, "__class__"]}},
        {"args": {"tuple": [{"node": "absent"}]}},
        {"args": {"tuple": [{"code": "1"}]}},
        {"args": {"tuple": [{"dtype": "Tensor"}]}},
    ],
    ids=str,
)
def test_a_file_calls_nothing_but_functions_on_tensors(networks, changes):
    own = networks.kept("resnet")
    with pytest.raises(SettingError):
        from_json(node(own, **changes), own.state)


def test_damaged_and_newer_files_are_refused(networks):
    own = networks.kept("resnet")
    for bad in ({}, {**own.written, "format": 99}, {**own.written, "layers": {}}, {**own.written, "nodes": 3}):
        with pytest.raises(SettingError):
            from_json(bad, own.state)
    with pytest.raises(SettingError):
        from_json(own.written, {})
    layers = {**own.written["layers"], "stem": {"borrowed": True}}
    with pytest.raises(SettingError, match="only be made by the code"):
        from_json({**own.written, "layers": layers}, own.state)
