"""The value: immutable, hashable, ordered, and JSON both ways with clear refusals."""

import dataclasses
import json
import pickle

import pytest
import torch

import nascence
from nascence import Architecture
from nascence.errors import ArchitectureError, NascenceError, UnknownNameError

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@pytest.fixture
def best():
    return Architecture.from_string(BEST, "nas-bench-201")


def test_is_the_public_name():
    assert nascence.Architecture is Architecture


def test_is_a_value(best):
    same = Architecture.from_string(BEST, "nas-bench-201")
    other = Architecture.from_string(BEST.replace("skip_connect", "none"), "nas-bench-201")
    assert best == same
    assert len({best, same, other}) == 2
    assert sorted([best, other], key=lambda a: a) == [other, best], "ordered by its answers"
    assert pickle.loads(pickle.dumps(best)) == best
    with pytest.raises(dataclasses.FrozenInstanceError):
        best.space = "darts"


def test_prints_its_canonical_string(best):
    assert str(best) == BEST
    assert f"{best}" == BEST


def test_dictionary_names_space_text_and_choices(best):
    value = best.to_dict()
    assert value == {
        "space": "nas-bench-201",
        "architecture": BEST,
        "choices": {
            "1<-0": "nor_conv_3x3",
            "2<-0": "nor_conv_3x3",
            "2<-1": "nor_conv_3x3",
            "3<-0": "skip_connect",
            "3<-1": "nor_conv_3x3",
            "3<-2": "nor_conv_3x3",
        },
    }
    assert Architecture.from_dict(json.loads(json.dumps(value))) == best


def test_other_keys_are_allowed(best):
    assert Architecture.from_dict({**best.to_dict(), "params": 1288506, "seed": 3}) == best


@pytest.mark.parametrize(
    "value",
    [None, 7, [], "text", {}, {"space": 3, "architecture": BEST}, {"architecture": BEST}, {"space": "nas-bench-201"}]
    + [{"space": "nas-bench-201", "architecture": text} for text in (None, 5, "", "|x~0|", BEST + "|")],
)
def test_other_values_are_refused(value):
    with pytest.raises(ArchitectureError):
        Architecture.from_dict(value)


def test_unknown_space_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'nas-bench-201'"):
        Architecture.from_string(BEST, "nas-bench-21")


def test_loads_a_file(best, tmp_path):
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(best.to_dict()))
    assert Architecture.load(path) == Architecture.load(str(path)) == best


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'"text"', b'{"space": "darts"}'])
def test_corrupt_or_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "architecture.json"
    path.write_bytes(content)
    with pytest.raises(ArchitectureError) as caught:
        Architecture.load(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(ArchitectureError, match=r"Cannot read .*nowhere\.json: No such file"):
        Architecture.load(tmp_path / "nowhere.json")
    with pytest.raises(ArchitectureError, match="Cannot read"):
        Architecture.load(tmp_path)


def test_builds_a_plain_network(best):
    network = best.build(network="score", num_classes=7, seed=4)
    assert isinstance(network, torch.nn.Module)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 7)


def test_errors_are_value_errors_of_one_family():
    assert issubclass(ArchitectureError, NascenceError)
    assert issubclass(NascenceError, ValueError)
