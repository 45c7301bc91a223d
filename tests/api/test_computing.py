"""Where a command computes, from what its user says."""

import pickle

import pytest
import torch

from nascence.api.computing import Workers, chosen, chosen_for, compute_entry, restored
from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import SettingError, UnknownNameError
from nascence.methods import METHODS


def test_a_method_that_computes_on_the_cpu_alone_stays_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    random, darts = METHODS.get("random"), METHODS.get("darts")
    assert chosen_for(random, "auto") == ON_CPU
    assert chosen_for(darts, "auto").device == torch.device("cuda", 0)
    with pytest.raises(SettingError, match="random computes on the CPU alone; leave --device out"):
        chosen_for(random, "cuda")
    with pytest.raises(SettingError, match="te-nas computes in fp32 alone; leave --precision out"):
        chosen_for(METHODS.get("te-nas"), "cpu", "bf16")
    with pytest.raises(SettingError, match="2 processes need a GPU each, and there are 1"):
        chosen_for(darts, "cuda", processes=2)


@pytest.mark.parametrize("processes", [0, -1, 10**6])
def test_numbers_of_processes_that_cannot_be(processes):
    with pytest.raises(SettingError, match="process"):
        chosen(processes=processes)


def test_a_run_keeps_what_is_not_usual():
    assert compute_entry(None) == compute_entry(ON_CPU) == {}
    entry = compute_entry(chosen("cpu", "bf16", 3))
    assert restored(entry) == Compute(precision="bf16", world=3)
    assert restored(entry, rank=2) == Compute(precision="bf16", world=3, rank=2)
    assert restored({}) == ON_CPU, "runs of earlier versions"


def test_workers_take_all_gpus_or_the_one_that_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert Workers.on("cuda") == Workers.on("auto") == Workers("cuda", "fp32", 3)
    assert Workers.on("cuda:2") == Workers("cuda:2", "fp32", 0)
    assert Workers.on("cuda").entry() == Workers.on("cuda:1").entry() != {}
    assert Workers.on() == Workers()
    assert Workers().entry() == {}, "of comparisons and files of earlier versions"
    assert pickle.loads(pickle.dumps(Workers.on("cuda:2"))).compute().device == torch.device("cuda", 2)
    random, darts = METHODS.get("random"), METHODS.get("darts")
    assert Workers.on("cuda").compute_for(random) == ON_CPU
    assert Workers.on("cuda").compute_for(darts).device == torch.device("cuda", 0)
    with pytest.raises(SettingError, match="no GPU number 3 here"):
        Workers.on("cuda:3")


def test_workers_in_another_precision():
    found = Workers.on("cpu", "bf16")
    assert found.entry() == {"compute": {"device": "cpu", "precision": "bf16"}}
    assert found.compute() == found.compute_for(METHODS.get("darts")) == Compute(precision="bf16")
    with pytest.raises(SettingError, match="nasi computes in fp32 alone"):
        found.compute_for(METHODS.get("nasi"))
    with pytest.raises(UnknownNameError, match="fp16"):
        Workers.on("cpu", "fp16")
