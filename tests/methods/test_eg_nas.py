"""Both stages on digits, small enough to take seconds; exact resumption, budgets, ablations, refusals."""

import zlib

import pytest
import torch

from nascence.configuration import settings
from nascence.costs import Budget
from nascence.errors import RunError, SettingError
from nascence.methods import METHODS, Problem, eg_networks
from nascence.methods.eg_nas import EGNAS
from nascence.methods.valuing import Valuation
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies import Criterion
from nascence.tasks import load_task
from nascence.testing import MethodConformance

TINY = {
    "epochs": 2,
    "warmup_epochs": 1,
    "batch_size": 16,
    "channels": 2,
    "depth": 2,
    "train_images": 16,
    "valid_images": 16,
    "check_images": 10,
    "complexities": (0.0, 3.0),
    "population": 2,
    "generations": 1,
    "reevaluated": 3,
    "reevaluation_epochs": 1,
    "value_epochs": 1,
    "value_batch_size": 16,
    "value_images": 40,
    "value_channels": 2,
    "typical_step": 0.5,
}
SPACE = get_space("eg")


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


@pytest.fixture
def untrained(monkeypatch):
    """Networks are valued by their text, at once, instead of by a short training."""

    def by_text(networks, task, size, **settings):
        error = Criterion("error", "%", "for tests")
        return Valuation(error, lambda found: [50 + zlib.crc32(networks.format(one).encode()) % 40 for one in found])

    monkeypatch.setattr(eg_networks, "by_training", by_text)


def strategy(task, budget=None, space=SPACE, seed=0, **changes):
    network = NetworkConfig(channels=4)
    checker = (budget or Budget()).bind(space, network, input_shape=(1, 8, 8), threads=1)
    return EGNAS(**{**TINY, **changes}).strategy(Problem(space, task, network, checker, seed))


def finish(search):
    return [search.advance() for _ in iter(lambda: search.done, True)]


class TestEGNAS(MethodConformance):
    method = EGNAS(**TINY)
    space = SPACE
    network = NetworkConfig(channels=4)

    @pytest.fixture(autouse=True)
    def on_digits(self, digits, untrained):
        self.task = digits


def test_blocks_come_first_and_the_front_is_of_their_networks(digits):
    search = strategy(digits)
    events = finish(search)
    parts = [event["part"] for event in events]
    assert parts == sorted(parts), "blocks, then networks"
    assert len(events) == search.total_steps
    pool = search.pool
    assert {event.get("pool") is not None for event in events if event["part"] == "blocks"} == {False, True}
    front = search.front()
    assert [objective.name for objective in front.objectives] == ["error", "params"]
    for architecture, (_, params) in zip(front.architectures, front.values, strict=True):
        assert SPACE.architecture(architecture.answers) == architecture
        assert search.networks.decode(search.networks.encode(architecture)) == architecture
        assert params <= 1e6
    assert search.derive() in front.architectures
    assert 1 <= len(pool.normals) <= 2


def test_a_larger_complexity_makes_cheaper_blocks(digits):
    """Both costs are told, of the mixture and of the blocks derived from it; strong weights within few steps."""
    search = strategy(digits, epochs=7, complexities=(0.0, 100.0))
    blocks = [search.advance() for _ in range(search.block_steps)]
    last = blocks[-1]
    assert last["complexity_weight"] == [0.0, 100.0]
    assert last["expected_cost"][1] < 0.5 * last["expected_cost"][0]
    assert last["derived_cost"][1] <= last["derived_cost"][0]
    first = blocks[0]["expected_cost"]
    assert first[0] == pytest.approx(first[1], abs=1e-4), "they start alike"


def test_without_max_params_the_methods_own_limit_holds(digits, untrained):
    search = strategy(digits, limit=12_000)
    finish(search)
    assert all(params <= 12_000 for _, params in search.front().values)


@pytest.mark.parametrize("blocks", ["random", "darts"])
def test_the_first_stage_can_be_left_out(digits, untrained, blocks):
    search = strategy(digits, blocks=blocks)
    assert search.block_steps == 0
    events = finish(search)
    assert {event["part"] for event in events} == {"networks"}
    assert len(search.pool.normals) == (2 if blocks == "random" else 1)
    if blocks == "darts":
        assert search.pool.normals[0][:3] == ("0+1", "sep_conv_3x3", "sep_conv_3x3")


def test_random_stacking_values_as_many_networks(digits, untrained):
    random, evolved = (strategy(digits, blocks="darts", stacking=name) for name in ("random", "nsga2"))
    for search in (random, evolved):
        finish(search)
    random, evolved = (search.evolution.evolution for search in (random, evolved))
    assert random.generation <= 1
    assert len(random.archive) == len(evolved.archive) == 4


def test_the_gradient_is_a_setting(digits):
    enhanced, plain = (strategy(digits, gradient=name) for name in ("enhanced", "plain"))
    for search in (enhanced, plain):
        for _ in range(search.block_steps):
            search.advance()
    one, two = (search.blocks.searches[0].relaxation.mean()["normal"] for search in (enhanced, plain))
    assert not torch.equal(one, two)


def test_other_spaces_of_blocks_do_as_well(digits, untrained):
    search = strategy(digits, space=get_space("eg-light"), blocks="darts")
    finish(search)
    assert "light_sep_conv_3x3" in str(search.derive())
    with pytest.raises(SettingError, match="two inputs"):
        strategy(digits, space=get_space("eg-one-input"), blocks="darts")


def test_a_space_of_fixed_networks_is_refused(digits):
    with pytest.raises(SettingError, match="--space eg"):
        strategy(digits, space=get_space("nas-bench-201"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("complexities=0.1,0.1", "must differ"),
        ("complexities=-1", "complexities must be at least 0"),
        ("warmup_epochs=2", "takes no step"),
        ("holdout=1", "holdout must be above 0 and below 1"),
        ("gradient=better", "enhanced, plain"),
    ],
)
def test_wrong_settings_are_refused(wrong, says):
    name = wrong.partition("=")[0]
    with pytest.raises(SettingError, match=says):
        settings(EGNAS, [wrong], {key: value for key, value in TINY.items() if key != name})


def test_the_laptop_preset_is_taken_unless_told_otherwise():
    name, values = EGNAS.preset()
    assert name == "laptop"
    assert values["generations"] < EGNAS().networks.evolution.generations


def test_presets_are_settings():
    for values in EGNAS.PRESETS.values():
        EGNAS(**values)
    assert EGNAS() == EGNAS(**EGNAS.PRESETS["paper"])


def test_it_says_that_it_is_a_reconstruction():
    assert "reconstruction" in EGNAS.title
    assert "reconstruction" in EGNAS.caveat
    assert METHODS.get("eg-nas") is EGNAS


def test_the_expected_time_falls_as_the_search_goes_on(digits, untrained):
    search = strategy(digits)
    before = search.expected_seconds()
    state = search.state_dict()
    assert state["steps_done"] == 0
    finish(search)
    assert before > 0
    assert search.expected_seconds() == 0


def test_a_state_of_other_searches_is_refused(digits):
    search = strategy(digits)
    with pytest.raises(RunError, match="2 searches"):
        strategy(digits, complexities=(0.0,)).load_state_dict(search.state_dict())
