"""dots, explicit-topology, msg-das, toponas: what they are made of, and the limits in which they are other methods."""

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.operations.drop_block import DropBlock
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import MixedCell
from nascence.supernets.cells.sharing import SharedOperations
from nascence.tasks import load_task

TINY = {
    "epochs": 2,
    "batch_size": 8,
    "channels": 4,
    "depth": 1,
    "train_images": 32,
    "valid_images": 32,
    "check_images": 0,
    "architecture_learning_rate": 0.05,
}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(digits, method, space="nas-bench-201", seed=0, **settings):
    space = get_space(space)
    checker = Budget().bind(space, NetworkConfig(channels=4, depth=2), input_shape=(1, 8, 8), threads=1)
    depth = {"depth": 2} if space.name == "darts" else {}
    made = METHODS.get(method)(**{**TINY, **depth, **settings})
    return made.strategy(Problem(space, digits, NetworkConfig(channels=4, depth=2), checker, seed))


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def same_search(one, two):
    for first, second in zip(finish(one), finish(two), strict=True):
        assert first["train_loss"] == pytest.approx(second["train_loss"], rel=1e-5)
        assert first["validation_loss"] == pytest.approx(second["validation_loss"], rel=1e-5)
    for mine, other in zip(one.relaxation.parameters.values(), two.relaxation.parameters.values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert one.derive() == two.derive()


def test_msg_das_of_one_sub_graph_without_its_extras_is_gdas(digits):
    plain = {"sub_graphs": 1, "drop_identity": 0.0, "distillation": 0.0, "warmup_epochs": 0}
    gdas = {"nesterov": False, "weight_decay": 3e-4, "all_operations": False}
    same_search(search(digits, "msg-das", **plain), search(digits, "gdas", **gdas))


def test_toponas_without_sharing_is_darts(digits):
    same_search(search(digits, "toponas", module_sharing="none"), search(digits, "darts"))


@pytest.mark.parametrize("method", ["darts", "gdas", "pc-darts", "drnas", "beta-darts", "dots", "msg-das"])
@pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
def test_modules_can_be_shared_in_any_method(digits, method, space):
    more = {"epochs": 4} if method == "dots" else {"warmup_epochs": 0}
    strategy = search(digits, method, space, module_sharing="floating", train_images=8, valid_images=8, **more)
    assert any(isinstance(module, SharedOperations) for module in strategy.supernet.modules())
    finish(strategy)
    assert strategy.space.architecture(strategy.derive().answers) == strategy.derive()


def test_shared_modules_survive_a_widening(digits):
    stages = ("1:7:2", "1:4:1")
    strategy = search(
        digits, "drnas", "darts", module_sharing="partial", stages=stages, train_images=16, valid_images=16
    )
    finish(strategy)
    assert strategy.stage == 1
    assert any(isinstance(module, SharedOperations) for module in strategy.supernet.modules())


def test_toponas_has_fewer_parameters(digits):
    sizes = {
        kind: sum(p.numel() for p in search(digits, "toponas", "darts", module_sharing=kind).supernet.parameters())
        for kind in ("none", "partial", "floating")
    }
    assert sizes["floating"] < sizes["partial"] < sizes["none"]


def test_the_phases_of_dots():
    made = METHODS.get("dots")(**METHODS.get("dots").PRESETS["paper"])
    plan = [(stage.epochs, stage.warmup, stage.restart, stage.level) for stage in made.make_stages()]
    assert plan == [(30, 15, False, "bilevel"), (20, 20, True, "single"), (20, 0, False, "single")]
    for epochs in range(4, 40):
        stages = METHODS.get("dots")(epochs=epochs).make_stages()
        assert sum(stage.epochs for stage in stages) == epochs
        assert stages[0].epochs > stages[0].warmup > 0


def test_dots_learns_operations_first_and_then_sets_of_edges(digits):
    strategy = search(digits, "dots", "darts", epochs=4)
    seen = []
    networks = []
    while not strategy.done:
        before = {name: value.detach().clone() for name, value in strategy.relaxation.parameters.items()}
        event = strategy.advance()
        after = strategy.relaxation.parameters
        moved = [name for name, value in after.items() if name in before and not torch.equal(value, before[name])]
        seen.append((event["stage"], sorted({name.partition("/")[0] for name in moved}), "validation_loss" in event))
        networks.append(id(strategy.supernet))
    first, second, third, last = seen
    assert first == (1, [], False)  # weights alone
    assert second == (1, ["normal", "reduce"], True)
    assert third == (2, [], False)
    assert last[0] == 3
    assert last[1] == ["normal", "reduce"]
    assert not last[2], "one level: no validation batch"
    assert networks[1] != networks[2] == networks[3], "a fresh network for the second stage"
    assert all(name.endswith(("/balance", "/inputs")) for name in strategy.relaxation.parameters)


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("dots", {"stages": ("2:5:1",)}, "dots makes its stages and their warm-up from epochs"),
        ("dots", {"warmup_epochs": 1, "epochs": 8}, "dots makes its stages and their warm-up from epochs"),
        ("dots", {"edge_normalisation": True}, "dots learns the edges itself"),
        ("dots", {"epochs": 3}, "epochs must be at least 4"),
        ("explicit-topology", {"edge_normalisation": True}, "explicit-topology learns the edges itself"),
        ("explicit-topology", {"validity": -1.0}, "validity must be at least 0"),
        ("msg-das", {"sub_graphs": 0}, "sub_graphs must be at least 1"),
        ("msg-das", {"drop_identity": 1.5}, "drop_identity"),
    ],
)
def test_settings_that_make_no_sense_are_refused(method, settings, words):
    with pytest.raises(SettingError, match=words):
        METHODS.get(method)(**settings)


def test_what_does_not_fit_the_space_is_refused(digits):
    with pytest.raises(SettingError, match="1 to 5 mutually exclusive sub-graphs"):
        search(digits, "msg-das", sub_graphs=6, warmup_epochs=0)
    with pytest.raises(SettingError, match="exclude leaves no operation of nas-bench-201 but none"):
        search(digits, "explicit-topology", exclude="skip_connect,nor_conv_1x1,nor_conv_3x3,avg_pool_3x3")


def test_reconstructions_say_so():
    for method in ("explicit-topology", "msg-das", "toponas"):
        cls = METHODS.get(method)
        assert "reconstruction" in cls.title
        assert cls.caveat.startswith(f"{method} is a reconstruction")
    assert METHODS.get("dots").caveat == ""


def test_explicit_topology_punishes_more_and_more(digits):
    events = finish(search(digits, "explicit-topology", epochs=3, edge_cost=0.1, validity=2.0))
    looks = [event for event in events if "architecture" in event]
    assert [event["passive_aggressive_weight"] for event in looks] == pytest.approx([0, 1, 2])
    assert [event["edge_count_weight"] for event in looks] == pytest.approx([0.1] * 3)
    assert looks[0]["topology_temperature"] > looks[-1]["topology_temperature"]


@pytest.mark.parametrize("sampler", ["softmax", "gumbel", "dirichlet"])
@pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
def test_explicit_topology_goes_around_any_relaxation(digits, sampler, space):
    strategy = search(digits, "explicit-topology", space, sampler=sampler, partial_channels=2, train_images=16)
    finish(strategy)
    assert type(strategy.relaxation.inner).__name__.lower().startswith(sampler)
    assert strategy.space.architecture(strategy.derive().answers) == strategy.derive()


def test_a_price_on_edges_makes_cells_smaller(digits):
    kept = []
    for price in (0.0, 5.0):
        strategy = search(digits, "explicit-topology", edge_cost=price, topology_learning_rate=0.3)
        finish(strategy)
        kept.append(sum(answer != "none" for answer in strategy.derive().answers))
    assert kept[1] == 1 < kept[0]  # node 3 needs an input, and the cell an output


def test_every_step_runs_k_single_paths_that_share_no_operation(digits):
    strategy = search(digits, "msg-das", sub_graphs=2, distillation=0.0, warmup_epochs=0)
    cell = next(module for module in strategy.supernet.modules() if isinstance(module, MixedCell))
    seen = []
    cell.register_forward_pre_hook(lambda module, inputs: seen.append(module.mixing.detach().clone()))
    strategy.advance()
    assert len(seen) == 2 * 2 * 4  # two sub-graphs, weights and architecture, four batches
    for one, two in zip(seen[::2], seen[1::2], strict=True):
        assert bool((one.sum(1) == 1).all())
        assert bool((two.sum(1) == 1).all())
        assert int((one + two).max()) == 1


def saved(strategy):
    """Bytes that the loss of each sub-graph of a weight step keeps for its backward pass."""
    known = {parameter.untyped_storage().data_ptr() for parameter in strategy.supernet.parameters()}
    alive = {}

    def pack(value):
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            alive[storage.data_ptr()] = storage.nbytes(), value  # kept, so that no address comes twice
        return value

    found = []
    batch = strategy.game.batch("weights", 0)
    for weights in strategy.relaxation.samples(generator(0)):
        alive.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            constant = {kind: value.detach() for kind, value in weights.items()}
            evaluated = strategy.game.evaluate(batch, constant, strategy._plan[0].epoch.moment)
            sum(each.term(evaluated) for each in strategy.weights.objectives)
        found.append(sum(size for size, _ in alive.values()))
    return found


def test_the_teacher_keeps_nothing_for_the_backward_pass(digits):
    with_teacher, without = (
        saved(search(digits, "msg-das", distillation=value, distillation_epochs=0, drop_identity=0.0, warmup_epochs=0))
        for value in (1.0, 0.0)
    )
    predictions = 4 * 8 * 10
    for one, two in zip(with_teacher, without, strict=True):
        assert 0 <= one - two <= 8 * predictions
        assert two > 100 * predictions


def test_dropped_identities_end_with_the_search(digits):
    strategy = search(digits, "msg-das", epochs=3, warmup_epochs=0, drop_identity=0.3)
    blocks = [module for module in strategy.supernet.modules() if isinstance(module, DropBlock)]
    cells = [module for module in strategy.supernet.modules() if isinstance(module, MixedCell)]
    assert len(blocks) == 3 * len(cells)  # one per source
    rates = []
    while not strategy.done:
        strategy.advance()
        rates.append({block.rate for block in blocks})
    assert [next(iter(rate)) for rate in rates] == pytest.approx([0.3, 0.15, 0.0])
    assert all(len(rate) == 1 for rate in rates)
    with strategy.supernet.undropped():
        assert {block.rate for block in blocks} == {0.0}
