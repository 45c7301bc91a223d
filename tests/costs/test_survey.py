import numpy as np
import pytest

from nascence.costs import CostModel, survey
from nascence.costs import survey as package_survey
from nascence.costs.survey import DRAWS
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature
from nascence.testing import toy_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


@pytest.mark.parametrize("name", ["toy", "nas-bench-201", "nas-bench-macro"])
def test_all_of_a_small_space(name):
    space = toy_space() if name == "toy" else get_space(name)
    model = CostModel(space, NetworkConfig(channels=4), Signature.images((3, 8, 8)))
    found = survey(model, ["params", "flops"])
    assert found.exact
    assert found.count == space.size
    if space.size > 10_000:
        return
    every = [(model.params(one), model.flops(one)) for one in space.enumerate()]
    assert sorted(zip(*found.values.values(), strict=True)) == sorted(every), "both of the same architectures"
    assert found.median("params") == np.median([params for params, _ in every])
    limits = {"params": every[7][0], "flops": every[9][1]}
    within = [params <= limits["params"] and flops <= limits["flops"] for params, flops in every]
    assert found.share(limits) == pytest.approx(np.mean(within))
    assert found.share({}) == 1


def test_draws_of_a_large_one():
    model = CostModel(DARTS, NetworkConfig(channels=4, depth=5), Signature.images((3, 8, 8)))
    found = survey(model, ["params", "flops"])
    assert not found.exact
    assert found.count == DRAWS
    low, high = model.range("params")
    assert low <= found.values["params"].min() < found.median("params") < found.values["params"].max() <= high
    assert survey(model, ["params"]).median("params") == survey(model, ["params"]).median("params")
    other = survey(model, ["params"], seed=1).median("params")
    assert other == pytest.approx(found.median("params"), rel=0.01)
    assert 0.4 < found.share({"params": found.median("params")}) < 0.6


def test_what_does_not_add_up_is_counted_one_by_one():
    model = CostModel(NB201, NetworkConfig(channels=2, depth=1), Signature.images((3, 8, 8)))
    found = survey(model, ["memory_mib"], seconds=0.0, least=4)
    assert not found.exact
    assert found.count == 4
    assert (found.values["memory_mib"] > 0).all()
    assert package_survey is survey
