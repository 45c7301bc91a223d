"""Every registered method, on digits, with settings that take a moment."""

from pathlib import Path

import pytest

from nascence.methods import METHODS
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import load_task
from nascence.testing import MethodConformance

GRADIENT = {
    "epochs": 1,
    "batch_size": 8,
    "channels": 2,
    "depth": 2,
    "train_images": 16,
    "valid_images": 16,
    "check_images": 8,
}
TINY = {
    "te-nas": {"repeats": 1, "images": 4, "region_patches": 20, "region_networks": 2},
    "nasi": {"steps": 3, "images": 4, "channels": 2, "depth": 2},
    "random": {},
    "darts": GRADIENT,
    "gdas": GRADIENT,
    "pc-darts": {**GRADIENT, "warmup_epochs": 0, "channels": 8, "partial_channels": 4},
    "drnas": {**GRADIENT, "kl_anchor": 0.01},
    "la-darts": GRADIENT,
    "dmasking": {**GRADIENT, "epochs": 2, "warmup_epochs": 1},
    "beta-darts": GRADIENT,
    "sane": {**GRADIENT, "architecture_data": "rest", "searches": 1, "warmup_epochs": 0},
    "evolution": {"objectives": ("naswot", "params"), "population": 4, "generations": 2},
    "dots": {**GRADIENT, "epochs": 4},
    "explicit-topology": {**GRADIENT, "epochs": 2, "edge_cost": 0.01},
    "msg-das": {**GRADIENT, "epochs": 2, "warmup_epochs": 1, "distillation_epochs": 0},
    "e2rnas": GRADIENT,
    "toponas": GRADIENT,
    "rank": {"exhaustive": 10, "evaluations": 5, "population": 3, "parents": 2, "finalists": 2, "draws": 2, "batch": 2},
}
MANY_CANDIDATES = {"prune": 9, "indicators": "ntk-condition", "images": 2}
NETWORKS = {"nas-bench-201": NetworkConfig(channels=4), "darts": NetworkConfig(channels=2, depth=2)}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def latencies_of(space, folder):
    """Twenty architectures that take the longer the more answers differ."""
    found = [space.sample(generator(0, at)) for at in range(20)]
    path = folder / "latencies.csv"
    path.write_text(
        "architecture,latency_ms\n" + "".join(f'"{space.format(x)}",{len(set(x.answers))}\n' for x in found)
    )
    return path


@pytest.mark.parametrize("space_name", NETWORKS)
@pytest.mark.parametrize("name", TINY)
class TestMethods(MethodConformance):
    @pytest.fixture(autouse=True)
    def chosen(self, name, space_name, digits, tmp_path):
        more = MANY_CANDIDATES if (name, space_name) == ("te-nas", "darts") else {}
        if name == "la-darts":
            more = {"latencies": str(latencies_of(get_space(space_name), tmp_path))}
        self.method = METHODS.get(name)(**{**TINY[name], **more})
        self.dear_steps = 1 if more else 0
        self.space, self.network, self.task = get_space(space_name), NETWORKS[space_name], digits


ELSEWHERE = {
    "eg-nas": "methods/test_eg_nas.py",
    "mod-nas": "methods/test_mod_nas.py",
    "h-das-cells": "methods/test_h_das.py",
    "h-das-stages": "methods/test_h_das.py",
    "ness": "strategies/test_ensembles.py",
    "daas": "strategies/descent/test_policy.py",
    "dmasking": "methods/test_dmasking.py",
    "e2rnas": "methods/test_e2rnas.py",
    "sane": "methods/test_sane.py",
    "trilevel-sr": "methods/test_trilevel_sr.py",
}
"""Methods with spaces, tasks or results of their own."""


def test_every_method_is_tried():
    assert set(TINY) | set(ELSEWHERE) == set(METHODS.names())
    for file in ELSEWHERE.values():
        assert (Path(__file__).parents[1] / file).exists(), file
