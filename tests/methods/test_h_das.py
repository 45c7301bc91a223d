import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.methods.h_das import HDASCellSearch, HDASStageSearch
from nascence.spaces import get_space
from nascence.tasks import load_task

SMALL = {
    "epochs": 1,
    "batch_size": 8,
    "train_images": 24,
    "valid_images": 24,
    "check_images": 8,
    "architecture_learning_rate": 0.05,
}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def strategy(method, task, space_name):
    space = get_space(space_name)
    size = space.networks["search-small"]
    return method.strategy(Problem(space, task, size, Budget().bind(space, size, signature=task.signature), 0))


def finish(search):
    events = []
    while not search.done:
        events.append(search.advance())
    return events


def test_tied_cells_are_darts_to_the_bit(digits):
    """Check (a): the same weights, logits and losses at the same size."""
    size = {"channels": 4, "depth": 5, "size": "search-small"}
    tied = strategy(HDASCellSearch(**SMALL, **size, tied=True), digits, "h-das-cells")
    darts = strategy(METHODS.get("darts")(**SMALL, **size), digits, "darts")
    one, two = finish(tied), finish(darts)
    assert [event["train_loss"] for event in one] == [event["train_loss"] for event in two]
    for name, value in darts.relaxation.parameters.items():
        assert torch.equal(value, tied.relaxation.parameters[name])
    pairs = zip(darts.supernet.parameters(), tied.supernet.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    space = get_space("h-das-cells")
    assert tied.derive() == space.equal(darts.derive())


def test_untied_cells_go_their_own_ways(digits):
    search = strategy(HDASCellSearch(**SMALL, channels=4, depth=5), digits, "h-das-cells")
    finish(search)
    assert set(search.relaxation.parameters) == {"normal1", "reduce1", "normal2", "reduce2", "normal3"}
    assert search.derive().space == "h-das-cells"


def test_the_depth_term_ends_deeper(digits):
    deeper = []
    for weight in (0.0, 20.0):
        method = HDASStageSearch(**SMALL, channels=2, size="search-small", depth_weight=weight, cells_weight=0.0)
        search = strategy(method, digits, "h-das-stages")
        events = finish(search)
        assert ("stage_depth_weight" in events[-1]) == (weight > 0)
        deeper.append(sum(search.space.depths(search.derive())))
    assert deeper[1] > deeper[0]


def test_a_price_on_cells_ends_with_fewer(digits):
    counts = []
    for weight in (0.0, 50.0):
        method = HDASStageSearch(**SMALL, channels=2, size="search-small", depth_weight=1e-6, cells_weight=weight * 1e6)
        search = strategy(method, digits, "h-das-stages")
        finish(search)
        counts.append(sum(len(stage) for stage in search.space.wiring(search.derive())))
    assert counts[1] < counts[0] or counts[1] == 12


def test_other_spaces_are_refused(digits):
    with pytest.raises(SettingError, match="type --space h-das-cells"):
        strategy(HDASCellSearch(**SMALL), digits, "darts")
    with pytest.raises(SettingError, match="type --space h-das-stages"):
        strategy(HDASStageSearch(**SMALL), digits, "darts")
    with pytest.raises(SettingError, match="depth_weight must be at least 0"):
        HDASStageSearch(depth_weight=-1)
