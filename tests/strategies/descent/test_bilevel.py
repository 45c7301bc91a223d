import math

import pytest
import torch
from torch import nn

from nascence.costs import Budget
from nascence.errors import BudgetError, DataError, NascenceError, RunError, SettingError
from nascence.objectives import BetaDecay, TaskLoss
from nascence.relaxations import Dirichlet, EdgeNormalised, GumbelSoftmax, LogitRelaxation, Softmax
from nascence.schedules import Constant, Linear
from nascence.seeding import generator
from nascence.spaces import NetworkConfig
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.supernets.cells import CellSupernet
from nascence.tasks import ImageClassification, ImageSet
from nascence.testing import toy_space
from nascence.testing.reference import ObviousSupernet

SPACE = toy_space()
SIZE = NetworkConfig(channels=4, affine=False, track_running_stats=False)


def task(count=64, classes=4):
    labels = torch.arange(count) % classes
    images = 40 * labels[:, None, None, None] + torch.randint(40, (count, 3, 8, 8), generator=generator(0))
    data = ImageSet(images.to(torch.uint8), labels)
    return ImageClassification("squares", tuple("abcd"), data, data, (0.4,) * 3, (0.2,) * 3)


def factory(partial, seed):
    return CellSupernet(SPACE, SIZE, num_classes=4, seed=seed, partial=partial)


def search(
    relaxation=None,
    stages=(Stage(epochs=2),),
    seed=0,
    budget=None,
    objectives=(TaskLoss(),),
    chunk=20,
    **descent,
):
    checker = (budget or Budget()).bind(SPACE, NetworkConfig(channels=4), input_shape=(3, 8, 8), threads=1)
    return BilevelDescent(
        SPACE,
        task(),
        relaxation or Softmax(SPACE, SPACE.operations, seed=seed),
        factory,
        stages=stages,
        descent=Descent(**{"batch_size": 8, "check_images": 16, "architecture_learning_rate": 0.01, **descent}),
        objectives=objectives,
        budget=checker,
        seed=seed,
        chunk=chunk,
    )


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def snapshot(strategy):
    return (
        {name: value.clone() for name, value in strategy.supernet.state_dict().items()},
        {name: value.detach().clone() for name, value in strategy.relaxation.parameters.items()},
    )


def same(one, two):
    return all(torch.equal(value, two[name]) for name, value in one.items())


def test_one_pair_of_steps_by_the_obvious_form():
    """First the architecture on a validation batch (Adam), then the weights on a training batch (SGD, clipped)."""
    strategy = search(chunk=1)
    obvious = ObviousSupernet.like(strategy.supernet, SPACE, SIZE, num_classes=4)
    alpha = strategy.relaxation.parameters["cell"].detach().clone().requires_grad_()
    adam = torch.optim.Adam([alpha], 0.01, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(obvious.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    for number in range(2):
        strategy.advance()
        for name, optimizer, parameters in (
            ("architecture", adam, [alpha]),
            ("weights", sgd, list(obvious.parameters())),
        ):
            batch = strategy.game.batch(name, number)
            x, y = batch.inputs[0], batch.target
            loss = nn.functional.cross_entropy(obvious(x, {"cell": alpha.softmax(1)}), y)
            gradients = torch.autograd.grad(loss, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            if name == "weights":
                nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
    torch.testing.assert_close(strategy.relaxation.parameters["cell"], alpha, rtol=1e-3, atol=1e-5)
    ours = ObviousSupernet.like(strategy.supernet, SPACE, SIZE, num_classes=4).state_dict()
    for name, value in obvious.state_dict().items():
        torch.testing.assert_close(ours[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_neither_step_moves_the_others_parameters(monkeypatch):
    strategy = search()
    moved = []
    for name in ("architecture", "weights"):
        inner = getattr(strategy, name).play

        def step(*arguments, name=name, inner=inner):
            weights, alpha = snapshot(strategy)
            inner(*arguments)
            now_weights, now_alpha = snapshot(strategy)
            moved.append((name, not same(weights, now_weights), not same(alpha, now_alpha)))
            if name == "architecture":
                assert not any(weight.requires_grad for weight in strategy.supernet.parameters())
            else:
                assert all(weight.grad is not None for weight in strategy.supernet.parameters())

        monkeypatch.setattr(getattr(strategy, name), "play", step)
    strategy.advance()
    steps = ["architecture", "weights"] * 4
    assert moved == [(name, name == "weights", name == "architecture") for name in steps]


def seen_images(strategy, monkeypatch):
    """Lists that fill with the pixels of the images behind every batch, by name of the batches."""
    seen = {name: [] for name in strategy.game._batches}
    for name, batches in strategy.game._batches.items():
        monkeypatch.setattr(batches, "images", Recorded(batches.images, seen[name]))
    return seen


class Recorded:
    def __init__(self, images, seen):
        self.inner, self.seen = images, seen

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, at):
        self.seen.append(at.tolist())
        return self.inner[at]


def test_an_epoch_of_some_images_goes_on_with_the_others(monkeypatch):
    """Two epochs of half the images see each image of either half once, as one whole pass does."""
    strategy = search(stages=(Stage(epochs=2),), epoch_images=16)
    assert [(each.epoch.moment.epoch, each.steps) for each in strategy._plan] == [(0, 2), (1, 2)]
    seen = seen_images(strategy, monkeypatch)
    finish(strategy)
    for name in ("weights", "architecture"):
        assert len(seen[name]) == 4
        assert sorted(at for batch in seen[name] for at in batch) == list(range(32))


def test_an_epoch_is_at_most_one_pass_and_has_a_step_or_more():
    assert [each.steps for each in search(epoch_images=1000)._plan] == [4, 4]
    assert [each.steps for each in search(epoch_images=1)._plan] == [1, 1]
    both = search(epoch_images=16, stages=(Stage(epochs=2, level="single"),))
    assert [each.steps for each in both._plan] == [4, 4]


def test_the_weights_may_go_first(monkeypatch):
    order = []
    strategy = search(first="weights")
    for name in ("architecture", "weights"):
        player = getattr(strategy, name)
        inner = player.play
        monkeypatch.setattr(player, "play", lambda *a, name=name, inner=inner: (order.append(name), inner(*a)))
    strategy.advance()
    assert order == ["weights", "architecture"] * 4


def test_gradients_are_clipped_for_the_weights_only(monkeypatch):
    seen = []
    clip = nn.utils.clip_grad_norm_
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda p, m: (seen.append((list(p), m)), clip(p, m))[1])
    strategy = search(clip_norm=0.5)
    strategy.advance()
    assert len(seen) == 4
    own = {id(weight) for weight in strategy.supernet.parameters()}
    assert all({id(p) for p in parameters} == own and most == 0.5 for parameters, most in seen)
    seen.clear()
    search(clip_norm=0.0).advance()
    assert not seen


def test_warm_up_trains_the_weights_alone():
    strategy = search(stages=(Stage(epochs=3, warmup=2),))
    before = snapshot(strategy)
    first = strategy.advance()
    strategy.advance()
    assert same(before[1], snapshot(strategy)[1])
    assert not same(before[0], snapshot(strategy)[0])
    assert "validation_loss" not in first
    assert "validation_loss" in strategy.advance()
    assert not same(before[1], snapshot(strategy)[1])


def test_an_event_says_what_there_is_to_know():
    strategy = search(
        GumbelSoftmax(SPACE, SPACE.operations, Linear(10, 1, reach=True)),
        objectives=(TaskLoss(), BetaDecay(Linear(0, 50))),
        chunk=3,
    )
    events = finish(strategy)
    assert len(events) == strategy.total_steps == 4
    assert [(e["epoch"], e["step"]) for e in events] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    for event in events:
        assert 0 <= event["train_accuracy"] <= 100
        assert event["validation_loss"] > 0
    early, late = events[1], events[3]
    assert "weights" not in events[0]
    assert (early["beta_decay_weight"], late["beta_decay_weight"]) == (0, 25)
    assert (early["temperature"], late["temperature"]) == (10, 1)
    assert early["learning_rate"] == 0.025
    assert late["learning_rate"] == pytest.approx(0.013)
    for row in late["weights"]["cell"]:
        assert sum(row) == pytest.approx(1, abs=1e-4)
    assert SPACE.parse(late["architecture"]) == strategy.derive()
    assert {"skip_share", "none_share", "entropy", "margin", "supernet_accuracy", "derived_accuracy"} <= set(late)
    assert strategy.findings()["collapsed"] == late["collapsed"]


RELAXATIONS = {
    "softmax": lambda: Softmax(SPACE, SPACE.operations),
    "gumbel": lambda: GumbelSoftmax(SPACE, SPACE.operations),
    "dirichlet": lambda: Dirichlet(SPACE, SPACE.operations),
    "edges": lambda: EdgeNormalised(Softmax(SPACE, SPACE.operations)),
}
PROGRESSIVE = (Stage(epochs=2, warmup=1, partial=4), Stage(epochs=2, warmup=1, keep=2, partial=2))
RESTART = (Stage(epochs=1), Stage(epochs=2, warmup=1, restart=True, level="single"))


@pytest.mark.parametrize(
    ("relaxation", "stages", "order"),
    [
        ("softmax", (Stage(epochs=2),), 1),
        ("softmax", (Stage(epochs=1),), 2),
        ("gumbel", (Stage(epochs=2),), 1),
        ("dirichlet", PROGRESSIVE, 1),
        ("edges", RESTART, 1),
    ],
)
def test_it_resumes_exactly_from_every_chunk(relaxation, stages, order):
    make = RELAXATIONS[relaxation]
    whole = search(make(), stages, chunk=3, order=order)
    states, events = [whole.state_dict()], []
    while not whole.done:
        events.append(whole.advance())
        states.append(whole.state_dict())
    for done, state in enumerate(states[:-1]):
        resumed = search(make(), stages, chunk=3, order=order)
        resumed.load_state_dict(state)
        assert resumed.advance() == events[done]
        end = resumed.state_dict()
        for part in ("supernet", "momentum", "adam", "relaxation"):
            assert str(end[part]) == str(states[done + 1][part])
        assert same(end["supernet"], states[done + 1]["supernet"])
    last = search(make(), stages, chunk=3, order=order)
    last.load_state_dict(states[-1])
    assert last.done
    assert last.derive() == whole.derive()
    assert last.findings() == whole.findings()


def test_stages_drop_operations_and_widen_the_network():
    strategy = search(Dirichlet(SPACE, SPACE.operations), PROGRESSIVE)
    narrow = sum(p.numel() for p in strategy.supernet.parameters())
    events = finish(strategy)
    assert sum(p.numel() for p in strategy.supernet.parameters()) > narrow
    assert all(p.shape == b["momentum_buffer"].shape for p, b in strategy.weights.optimizer.state.items())
    assert len(strategy.weights.optimizer.state) == len(list(strategy.supernet.parameters()))
    kept = [sum(w > 0 for w in row) for row in events[-1]["weights"]["cell"]]
    assert kept == [2, 2, 2]
    assert [e["stage"] for e in events] == [1, 1, 2, 2]
    rates = [e["learning_rate"] for e in events]
    assert rates == sorted(rates, reverse=True), "the cosine goes on"


def test_a_stage_may_begin_anew_and_train_both_on_all_images():
    strategy = search(stages=RESTART)
    before = strategy.supernet
    events = finish(strategy)
    assert strategy.supernet is not before
    assert [e["learning_rate"] for e in events[:2]] == [0.025, 0.025], "the cosine begins again"
    assert [e["step"] for e in events] == [4, 4, 8], "twice the images, once both are trained"
    assert "validation_loss" in events[0]
    assert "validation_loss" not in events[2]


def test_single_level_takes_both_gradients_from_one_batch():
    strategy = search(stages=(Stage(epochs=1, level="single"),), chunk=1, momentum=0.0, weight_decay=0.0, clip_norm=0.0)
    supernet = factory(1, 0)
    supernet.load_state_dict(strategy.supernet.state_dict())
    alpha = strategy.relaxation.parameters["cell"].detach().clone().requires_grad_()
    batch = strategy.game.batch("both", 0)
    x, y = batch.inputs[0], batch.target
    loss = nn.functional.cross_entropy(supernet(x, {"cell": alpha.softmax(1)}), y)
    loss.backward()
    before = alpha.detach().clone()
    strategy.advance()
    for one, two in zip(strategy.supernet.parameters(), supernet.parameters(), strict=True):
        torch.testing.assert_close(one, two - 0.025 * two.grad, rtol=1e-4, atol=1e-6)
    moved = strategy.relaxation.parameters["cell"].detach() - before
    assert torch.equal(moved.sign(), -(alpha.grad + 1e-3 * before).sign()), "Adam's first step is a sign"


class Two(LogitRelaxation):
    """Two sub-networks a step: the softmax, and the uniform mixture."""

    def row_sample(self, logits_EA, kept_EA, generator):
        return logits_EA.softmax(-1)

    row_mean = lambda self, logits_EA, kept_EA: logits_EA.softmax(-1)  # noqa: E731

    def samples(self, generator):
        uniform = {kind: torch.full_like(value, 1 / value.shape[1]) for kind, value in self.sample(generator).items()}
        return [self.sample(generator), uniform]


@pytest.mark.parametrize("order", [1, 2])
def test_losses_of_several_sub_networks_are_averaged(order):
    strategy = search(Two(SPACE, SPACE.operations), chunk=1, order=order, learning_rate=0.0, final_learning_rate=0.0)
    network = factory(1, 0)
    network.load_state_dict(strategy.supernet.state_dict())
    alpha = strategy.relaxation.parameters["cell"].detach().clone().requires_grad_()
    batch = strategy.game.batch("architecture", 0)
    x, y = batch.inputs[0], batch.target
    uniform = torch.full((3, 4), 0.25)
    losses = [nn.functional.cross_entropy(network(x, {"cell": w}), y) for w in (alpha.softmax(1), uniform)]
    (expected,) = torch.autograd.grad(sum(losses) / 2, alpha)
    event = strategy.advance()
    assert event["validation_loss"] == pytest.approx(float(sum(losses).detach()) / 2, rel=1e-4)
    torch.testing.assert_close(strategy.relaxation.parameters["cell"].grad, expected, rtol=1e-3, atol=1e-7)


def test_second_order_with_a_learning_rate_of_zero_is_the_first():
    ends = []
    for order in (1, 2):
        strategy = search(order=order, learning_rate=0.0, final_learning_rate=0.0, stages=(Stage(epochs=1),))
        finish(strategy)
        ends.append(strategy.relaxation.parameters["cell"].detach())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-6)


def test_beta_decay_does_not_touch_the_weights_gradient():
    """One pair of steps: only the architecture differs from the run without the term, until it acts on the weights."""
    plain, decayed = (
        search(objectives=terms, chunk=1, first="weights")
        for terms in ((TaskLoss(),), (TaskLoss(), BetaDecay(Constant(5.0))))
    )
    plain.advance()
    decayed.advance()
    assert same(snapshot(plain)[0], snapshot(decayed)[0])
    assert not same(snapshot(plain)[1], snapshot(decayed)[1])


def test_nothing_reads_or_moves_global_randomness_and_seeds_matter():
    state = torch.get_rng_state()
    one, two, other = (finish(search(Dirichlet(SPACE, SPACE.operations, seed=s), seed=s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert one == two
    assert one != other


def test_looking_at_the_architecture_changes_nothing():
    """Neither running statistics nor what follows depend on how many images it is looked at with."""
    ends = []
    for images in (0, 16):
        strategy = search(check_images=images)
        events = finish(strategy)
        assert ("derived_accuracy" in events[-1] and events[-1]["derived_accuracy"] is not None) == (images > 0)
        ends.append(snapshot(strategy)[0])
    assert same(*ends)


def test_the_expected_time_is_measured_and_nothing_is_moved():
    strategy = search()
    before = snapshot(strategy)
    assert strategy.expected_seconds() > 0
    assert same(before[0], snapshot(strategy)[0])
    assert same(before[1], snapshot(strategy)[1])
    assert finish(strategy) == finish(search())


@pytest.mark.parametrize("options", [{"bf16": True}, {"channels_last": True}])
def test_fast_options_run(options):
    events = finish(search(**options))
    assert math.isfinite(events[-1]["train_loss"])
    plain = finish(search())
    assert events[0]["train_loss"] == pytest.approx(plain[0]["train_loss"], rel=0.05)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the compiler about itself
def test_a_compiled_supernet_ends_the_same(monkeypatch):
    """The backend that needs no C++ compiler: what is tested is that the compiled call sees every change."""
    torch._dynamo.reset()
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compiled(network, backend="aot_eager"))
    plain, other = search(), search(compile=True)
    for one, two in zip(finish(plain), finish(other), strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-4)
        assert two.get("validation_loss") == pytest.approx(one.get("validation_loss"), rel=1e-4)
    assert other.game._call is not other.supernet
    torch.testing.assert_close(
        list(other.relaxation.parameters.values()), list(plain.relaxation.parameters.values()), rtol=1e-3, atol=1e-4
    )


class TestBadInput:
    def test_a_batch_larger_than_a_half(self):
        with pytest.raises(DataError, match="batch of 33 is larger than the 32 images"):
            search(batch_size=33)
        with pytest.raises(DataError, match="batch of 8 is larger than the 5 images"):
            search(valid_images=5)

    def test_a_budget_that_nothing_meets(self):
        with pytest.raises(BudgetError, match="reachable"):
            search(budget=Budget(max_params=1))

    def test_partial_channels_that_do_not_divide(self):
        with pytest.raises(SettingError, match="1/3"):
            search(stages=(Stage(epochs=1, partial=3),))

    @pytest.mark.parametrize(("name", "changed"), [("learning_rate", 0.5), ("batch_size", 4), ("order", 2)])
    def test_other_settings_are_refused_with_the_differences(self, name, changed):
        state = search().state_dict()
        other = search(**{name: changed})
        with pytest.raises(RunError, match=f"{name}: .* then, {changed} now"):
            other.load_state_dict(state)

    def test_other_stages_and_relaxations_are_refused(self):
        state = search().state_dict()
        with pytest.raises(RunError, match="stages"):
            search(stages=(Stage(epochs=3),)).load_state_dict(state)
        with pytest.raises(RunError, match="relaxation"):
            search(Dirichlet(SPACE, SPACE.operations)).load_state_dict(state)

    def test_a_loss_that_is_not_finite_stops_and_says_where(self):
        strategy = search(learning_rate=1e9, clip_norm=0.0, chunk=1)
        states = [strategy.state_dict()]

        def go_on():
            while not strategy.done:
                strategy.advance()
                states.append(strategy.state_dict())

        with pytest.raises(NascenceError, match=r"loss became .* in epoch \d, step \d+; try a smaller learning rate"):
            go_on()
        again = search(learning_rate=1e9, clip_norm=0.0, chunk=1)
        again.load_state_dict(states[-1])
        with pytest.raises(NascenceError, match="loss became"):
            again.advance()


def test_within_a_budget():
    size = NetworkConfig(channels=4)
    low, high = Budget().bind(SPACE, size, input_shape=(3, 8, 8), threads=1).model.range("params")
    budget = Budget(max_params=low + 0.2 * (high - low))
    strategy = search(budget=budget)
    finish(strategy)
    assert budget.bind(SPACE, size, input_shape=(3, 8, 8), threads=1).allows(strategy.derive())
