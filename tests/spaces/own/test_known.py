"""Networks of one's own by their names, and what runs keep of them."""

import copy
import json
import pickle

import pytest
import torch

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, RunError, SettingError
from nascence.reading import read_json
from nascence.spaces import get_space
from nascence.spaces.own import known


@pytest.fixture
def forgotten(monkeypatch):
    """Nothing is known, as in a fresh process."""
    monkeypatch.setattr(known, "_known", {})
    monkeypatch.setattr(known, "_kept", {})


def kept(space, folder):
    for name, content in known.files_of(space, {"model": "net.py:build"}, b"# source").items():
        (folder / name).write_bytes(content)
    return folder


def test_a_kept_network_is_found_by_its_name(own, tmp_path, forgotten):
    architecture = own.largest
    with pytest.raises(ArchitectureError, match="kept in the run directory"):
        get_space(own.name)
    known.keep_known(kept(own, tmp_path))
    again = get_space(own.name)
    assert again is not own
    assert again.choices == own.choices
    assert Architecture.from_string(str(architecture), own.name) == architecture
    assert all(torch.equal(value, own.state[name]) for name, value in again.state.items())
    assert get_space(own.name) is again
    assert known.files_in(tmp_path).keys() == {known.GRAPH, known.WEIGHTS, known.SOURCE}


def test_a_process_that_knows_nothing_finds_it_in_its_folder(networks, tmp_path, forgotten):
    own = networks.kept("resnet")
    assert known.files_again(own).keys() == {known.GRAPH, known.WEIGHTS}
    again = known.kept_space(kept(own, tmp_path), own.name)
    assert again is not own
    assert again.name == own.name
    assert known.files_again(again)[known.SOURCE] == b"# source"
    (tmp_path / known.GRAPH).unlink()
    assert known.SOURCE not in known.files_again(again)


def test_it_can_be_sent_to_a_process_that_knows_nothing(own, forgotten):
    sent = pickle.loads(pickle.dumps(own))
    assert sent is not own
    assert (sent.name, sent.choices, sent.trained) == (own.name, own.choices, own.trained)
    assert known.own_space(own.name) is sent


def test_what_only_the_user_s_code_can_make_is_not_sent(networks, forgotten):
    own = copy.copy(networks.kept("resnet"))
    own.borrowed = {"riddle": "cannot be traced"}
    with pytest.raises(SettingError, match="riddle could not be traced, and cannot be made in another process"):
        pickle.dumps(own)


def test_the_first_of_a_name_stays(networks, forgotten):
    own = networks.kept("resnet")
    assert known.make_known(own) is own
    assert known.make_known(networks.space_of(own.analysis.network)).name == own.name
    assert known.own_space(own.name) is own


@pytest.mark.parametrize("damage", ["weights", "graph", "text", "name", "other weights"])
def test_damage_is_told_in_a_sentence(damage, networks, tmp_path, forgotten):
    own = networks.kept("resnet")
    folder = kept(own, tmp_path)
    value = read_json(folder / known.GRAPH)
    if damage == "weights":
        (folder / known.WEIGHTS).write_bytes(b"none")
    elif damage == "other weights":
        torch.save({name: value + 1 for name, value in own.state.items()}, folder / known.WEIGHTS)
    elif damage == "graph":
        (folder / known.GRAPH).write_text(json.dumps({**value, "graph": {"format": 1}}))
    elif damage == "name":
        (folder / known.GRAPH).write_text(json.dumps({**value, "space": "darts"}))
    else:
        (folder / known.GRAPH).write_text("{")

    def found():
        known.keep_known(folder)
        return known.own_space(own.name)

    with pytest.raises(RunError) as caught:
        found()
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_keeps_none_is_nothing(tmp_path, forgotten):
    known.keep_known(tmp_path)
    assert known._kept == {}
