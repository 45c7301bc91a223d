from __future__ import annotations

import dataclasses
import io
import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nascence.errors import DataError, NascenceError, RunError, SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import ImageClassification, ImageSet, load_task
from nascence.tasks.image_classification import ImagePart
from nascence.testing import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task
from nascence.training import Training, TrainingConfig, evaluate

SMALL = TrainingConfig(epochs=3, batch_size=16, learning_rate=0.05)


def toy(count: int = 50) -> ImageClassification:
    """Two classes of noisy 8 x 8 images: dark and bright."""
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 120, (count, 1, 8, 8), generator=generator(0))
    data = ImageSet((noise + 120 * labels[:, None, None, None]).to(torch.uint8), labels)
    return ImageClassification("toy", ("dark", "bright"), data, data, (0.47,), (0.27,))


def network(seed: int = 0, **size: Any) -> nn.Module:
    cell = get_space("nas-bench-201").parse(
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    )
    size = {"channels": 4, "depth": 1, "stages": 1, **size}
    return cell.build(network=NetworkConfig(**size), in_channels=1, num_classes=2, seed=seed)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def run(training: Training) -> list[dict[str, Any]]:
    events = []
    while not training.done:
        events.append(training.advance())
    return events


def without_times(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("seconds", "images_per_second")}


def test_it_learns_and_tells() -> None:
    training = Training(network(), toy(), dataclasses.replace(SMALL, epochs=6))
    events = run(training)
    assert [event["epoch"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[-1]["train_loss"] < events[0]["train_loss"]
    assert events[-1]["test_accuracy"] == 100
    assert set(events[0]) == {
        "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds",
        "images_per_second",
    }  # fmt: skip
    assert all(isinstance(json.loads(json.dumps(event)), dict) for event in events)
    assert training.evaluation == evaluate(training.model, toy().part("test"), toy())
    assert (training.total_steps, training.steps_done, training.done) == (6, 6, True)


FULL = dataclasses.replace(
    SMALL, drop_path=0.3, cutout=3, label_smoothing=0.1, clip_norm=1.0, warmup_epochs=1, per_step=True
)


@pytest.mark.parametrize("config", [SMALL, FULL])
def test_a_resumed_training_is_the_undisturbed_one_to_the_bit(config: TrainingConfig) -> None:
    undisturbed = Training(network(), toy(), config, seed=3)
    events = run(undisturbed)
    first = Training(network(), toy(), config, seed=3)
    first.advance()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.manual_seed(99)  # a resumed process has another global state
    resumed = Training(network(seed=1), toy(), config, seed=3)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.steps_done == 1
    assert resumed.evaluation == first.evaluation
    rest = run(resumed)
    assert torch.equal(flat(resumed.model), flat(undisturbed.model))
    assert [without_times(event) for event in rest] == [without_times(event) for event in events[1:]]


def test_another_seed_is_another_training_and_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    models = []
    for seed in (0, 0, 1):
        training = Training(network(), toy(), FULL, seed=seed)
        training.advance()
        training.advance()
        models.append(flat(training.model))
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_state_is_a_copy() -> None:
    training = Training(network(), toy(), SMALL)
    training.advance()
    state = training.state_dict()
    kept = {name: value.clone() for name, value in state["model"].items()}
    training.advance()
    assert all(torch.equal(value, state["model"][name]) for name, value in kept.items())


def test_one_step_of_sgd_by_hand() -> None:
    """Full batch, no augmentation: w - lr * (g + decay * w), then nesterov momentum on the second epoch."""
    task = toy(20)
    config = TrainingConfig(
        epochs=2, batch_size=20, learning_rate=0.1, weight_decay=0.01, momentum=0.5, augment=False, per_step=False
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double()
    model[1].weight.data.zero_()
    model[1].bias.data.zero_()
    trained = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    trained.load_state_dict(model.state_dict())
    x = task.normalise(task.train.images).double().flatten(1)
    weight, bias = torch.zeros(2, 64, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    buffers = [torch.zeros_like(weight), torch.zeros_like(bias)]
    for rate in (0.1, 0.05):
        probability = (x @ weight.T + bias).softmax(1)
        error = (probability - nn.functional.one_hot(task.train.labels, 2)) / 20
        for at, (parameter, gradient) in enumerate(((weight, error.T @ x), (bias, error.sum(0)))):
            gradient = gradient + 0.01 * parameter
            buffers[at] = 0.5 * buffers[at] + gradient
            parameter -= rate * (gradient + 0.5 * buffers[at])
    run(Training(trained, task, config))
    assert torch.allclose(trained[1].weight.double(), weight, atol=1e-6)
    assert torch.allclose(trained[1].bias.double(), bias, atol=1e-6)


def test_the_learning_rate_is_a_cosine_by_step_or_epoch() -> None:
    config = TrainingConfig(epochs=4, batch_size=10, learning_rate=0.2, final_learning_rate=0.1)
    training = Training(network(), toy(50), config)  # five batches an epoch
    for step in range(20):
        expected = 0.1 + 0.05 * (1 + math.cos(math.pi * step / 20))
        assert training.learning_rate(step // 5, step % 5) == pytest.approx(expected)
    by_epoch = Training(network(), toy(50), dataclasses.replace(config, per_step=False))
    for epoch in range(4):
        expected = 0.1 + 0.05 * (1 + math.cos(math.pi * epoch / 4))
        assert [by_epoch.learning_rate(epoch, batch) for batch in range(5)] == pytest.approx([expected] * 5)


@pytest.mark.parametrize("per_step", [True, False])
def test_warm_up_is_linear_and_joins_the_cosine(per_step: bool) -> None:
    config = TrainingConfig(epochs=5, batch_size=10, learning_rate=0.2, warmup_epochs=2, per_step=per_step)
    training = Training(network(), toy(50), config)
    rates = [training.learning_rate(step // 5, step % 5) for step in range(25)]
    if per_step:
        assert rates[:10] == pytest.approx([0.02 * (step + 1) for step in range(10)])
    else:
        assert rates[:10] == pytest.approx([0.1] * 5 + [0.2] * 5)
    assert rates[10] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(0.2)
    assert rates[-1] < 0.06


class Recorder(nn.Module):
    """A linear model whose ``drop_path`` at each forward in training is kept, with an auxiliary output if asked."""

    def __init__(self, auxiliary: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 2)
        self.second = nn.Linear(64, 2) if auxiliary else None
        self.drop_path = 0.0
        self.seen: list[float] = []
        self.inputs: list[Tensor] = []
        self.draws: list[float] = []

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = x_BCHW.flatten(1)
        if self.training:
            self.seen.append(self.drop_path)
            self.inputs.append(x_BCHW)
            self.draws.append(float(torch.rand(())))
        if self.training and self.second is not None:
            return self.linear(x), self.second(x)
        return self.linear(x)


def test_drop_path_grows_linearly_over_the_epochs() -> None:
    model = Recorder()
    run(Training(model, toy(), dataclasses.replace(SMALL, epochs=4, drop_path=0.4, batch_size=25)))
    assert model.seen == pytest.approx([0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3])


def test_every_epoch_and_seed_has_an_order_and_draws_of_its_own() -> None:
    inputs, draws = [], []
    for seed in (0, 1):
        model = Recorder()
        run(Training(model, toy(), dataclasses.replace(SMALL, epochs=2, batch_size=50, augment=False), seed=seed))
        inputs += model.inputs
        draws += model.draws
    assert len(set(draws)) == 4
    for at, first in enumerate(inputs):
        assert not any(torch.equal(first, second) for second in inputs[at + 1 :])
        assert torch.equal(first.flatten().sort().values, inputs[0].flatten().sort().values)


def test_augmentation_and_cutout_reach_the_network() -> None:
    zeros = {}
    for name, changes in (("plain", {"augment": False}), ("shifted", {}), ("cut out", {"cutout": 4})):
        model = Recorder()
        run(Training(model, toy(), dataclasses.replace(SMALL, epochs=1, **changes)))
        inputs = torch.cat(model.inputs)
        black = inputs <= toy().normalise(torch.zeros(1, 1, 1, 1, dtype=torch.uint8)) + 1e-4
        zeros[name] = (int(black.sum()), int((inputs == 0).flatten(1).any(1).sum()))
    assert zeros["shifted"][0] > 2 * zeros["plain"][0]
    assert zeros["cut out"][1] == 50
    assert zeros["shifted"][1] < 10


def test_the_auxiliary_head_learns_with_its_weight_and_leaves_the_reported_loss_alone() -> None:
    trained = {}
    for weight in (0.0, 0.4):
        torch.manual_seed(0)
        model = Recorder(auxiliary=True)
        config = dataclasses.replace(SMALL, auxiliary_weight=weight, weight_decay=0.0)
        start = model.second.weight.detach().clone()  # type: ignore[union-attr]
        events = run(Training(model, toy(), config))
        trained[weight] = (events[-1]["train_loss"], bool((model.second.weight != start).any()))  # type: ignore[union-attr]
    assert trained[0.0] == (trained[0.4][0], False)
    assert trained[0.4][1] is True


def test_clipping_bounds_the_step() -> None:
    moved = {}
    for clip in (0.0, 0.01):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        before = flat(model)
        config = TrainingConfig(
            epochs=1, batch_size=50, learning_rate=1.0, momentum=0, nesterov=False, weight_decay=0, clip_norm=clip
        )
        run(Training(model, toy(), config))
        moved[clip] = float((flat(model) - before).norm())
    assert moved[0.01] == pytest.approx(0.01, rel=1e-3)
    assert moved[0.0] > 0.1


def test_label_smoothing_raises_the_loss_of_a_sure_network() -> None:
    losses = {}
    for smoothing in (0.0, 0.2):
        events = run(Training(network(), toy(), dataclasses.replace(SMALL, epochs=8, label_smoothing=smoothing)))
        losses[smoothing] = events[-1]["train_loss"]
    assert losses[0.2] > losses[0.0] + 0.1


def test_a_diverging_loss_stops_with_the_state_before_the_epoch() -> None:
    config = dataclasses.replace(SMALL, learning_rate=1e30)
    training = Training(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), toy(), config)
    before = flat(training.model)
    with pytest.raises(
        NascenceError, match=r"The training loss became \w+ in epoch 1, step \d; try a smaller"
    ) as caught:
        training.advance()
    assert "1e+29" in str(caught.value)
    assert torch.equal(flat(training.model), before)
    assert training.steps_done == 0
    assert training.evaluation is None


def test_an_interruption_leaves_the_state_before_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(network(), toy(), SMALL)
    training.advance()
    before = flat(training.model)
    reference = training.state_dict()

    class Interrupting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt

    blocks = training.model.get_submodule("last")
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "forward", Interrupting().forward)
        with pytest.raises(KeyboardInterrupt):
            training.advance()
    assert torch.equal(flat(training.model), before)
    again = Training(network(), toy(), SMALL)
    again.load_state_dict(reference)
    run(training)
    run(again)
    assert torch.equal(flat(training.model), flat(again.model))


def test_epochs_are_measured_on_the_part_that_is_given() -> None:
    task = toy()
    wrong = ImageSet(task.test.images, 1 - task.test.labels)
    training = Training(network(), task, dataclasses.replace(SMALL, epochs=6), judged=ImagePart(task, wrong))
    assert run(training)[-1]["test_accuracy"] == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="'toy' has 50; choose a smaller batch"):
        Training(network(), toy(), dataclasses.replace(SMALL, batch_size=51))
    with pytest.raises(SettingError, match="cutout of 8 hides the whole of 8 x 8 images"):
        Training(network(), toy(), dataclasses.replace(SMALL, cutout=8))
    with pytest.raises(SettingError, match="no edges to drop"):
        Training(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), toy(), dataclasses.replace(SMALL, drop_path=0.1))


def test_a_foreign_state_is_refused() -> None:
    training = Training(network(), toy(), SMALL)
    for state in ({}, {"model": 3}, Training(network(channels=5), toy(), SMALL).state_dict()):
        with pytest.raises(RunError, match="does not belong to the training of this network"):
            training.load_state_dict(state)


@pytest.mark.slow
def test_a_small_network_reaches_98_percent_on_digits() -> None:
    task = load_task("digits")
    model = (
        get_space("nas-bench-201")
        .from_index(9930)
        .build(  # type: ignore[attr-defined]
            network=NetworkConfig(channels=16, depth=1), in_channels=1, num_classes=10
        )
    )
    training = Training(model, task, TrainingConfig.suggested(task))
    assert run(training)[-1]["test_accuracy"] >= 98


def part(images: ImageSet, start: int, stop: int) -> ImageSet:
    return ImageSet(images.images[start:stop], images.labels[start:stop])


def with_validation(count: int = 50) -> ImageClassification:
    """The toy, whose validation images have the labels swapped: the better a network is, the worse it looks there."""
    task = toy(count)
    swapped = part(task.train, 0, 20)
    return dataclasses.replace(task, validation=ImageSet(swapped.images, 1 - swapped.labels))


def test_the_best_epoch_on_the_validation_part_is_kept_and_judged_once() -> None:
    task = with_validation()
    training = Training(network(), task, dataclasses.replace(SMALL, epochs=6))
    kept: list[Tensor] = []
    events = []
    while not training.done:
        events.append(training.advance())
        kept.append(flat(training.model))
    values = [event["validation_accuracy"] for event in events]
    best = values.index(max(values))
    assert best < len(values) - 1, "else this test would see nothing"
    assert [event["best_epoch"] for event in events][-1] == best + 1
    assert ["test_accuracy" in event for event in events] == [False] * 5 + [True]
    assert torch.equal(flat(training.model), kept[best])
    assert training.evaluation == evaluate(training.model, task.part("test"), task)
    assert training.best is not None
    assert (training.best["epoch"], training.best["value"]) == (best + 1, max(values))


def test_patience_ends_a_training_that_grows_no_better() -> None:
    task = with_validation()
    training = Training(network(), task, dataclasses.replace(SMALL, epochs=40, patience=3))
    events = run(training)
    assert len(events) == training.steps_done == events[-1]["best_epoch"] + 3 < training.total_steps
    assert "test_accuracy" in events[-1]
    with pytest.raises(SettingError, match=r"patience needs a validation part to watch: add --validation 0\.1"):
        Training(network(), toy(), dataclasses.replace(SMALL, patience=3))


def test_a_resumed_training_knows_its_best_epoch() -> None:
    config = dataclasses.replace(SMALL, epochs=5, patience=4)
    undisturbed = Training(network(), with_validation(), config)
    events = run(undisturbed)
    first = Training(network(), with_validation(), config)
    for _ in range(3):
        first.advance()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    again = Training(network(seed=1), with_validation(), config)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert [without_times(event) for event in run(again)] == [without_times(event) for event in events[3:]]
    assert torch.equal(flat(again.model), flat(undisturbed.model))
    assert again.evaluation == undisturbed.evaluation


def test_a_share_of_the_training_images_can_be_set_aside() -> None:
    training = Training(network(), toy(), dataclasses.replace(SMALL, validation=0.2))
    assert (len(training.part), len(training.judged), training.split) == (40, 10, "validation")
    assert training.task.part("validation").examples.labels.bincount().tolist() == [5, 5]  # type: ignore[attr-defined]
    again = Training(network(), toy(), dataclasses.replace(SMALL, validation=0.2))
    assert torch.equal(again.task.validation.images, training.task.validation.images)  # type: ignore[attr-defined]


def test_class_weights_move_what_the_network_says() -> None:
    """Of two classes that look alike, the heavier one is said always; half of the images are right."""
    task = toy()
    alike = dataclasses.replace(task, train=ImageSet(torch.zeros_like(task.train.images), task.train.labels))
    alike = dataclasses.replace(alike, test=alike.train)
    for weights, column in (((1.0, 9.0), 1), ((9.0, 1.0), 0)):
        config = dataclasses.replace(SMALL, epochs=8, class_weights=weights, augment=False)
        training = Training(network(), alike, config)
        run(training)
        assert training.evaluation is not None
        assert [row[column] for row in training.evaluation.measures["confusion"]] == [25, 25]
        assert training.task.watched.name == "balanced_accuracy"


@pytest.mark.parametrize("kind", ["denoising", "graph"])
def test_other_tasks_are_trained_by_the_same_loop(kind: str) -> None:
    task: Any
    if kind == "denoising":
        task, space, batch = ToyDenoising.make(), toy_denoiser_space(), 4
    else:
        task, space, batch = toy_graph_task(), toy_graph_space(), 8
    text = {"denoising": "conv3x3,conv3x3,1,full,2", "graph": "mean,sum,both"}[kind]
    size = space.networks["evaluation"]
    model = space.build(space.parse(text), network=size, signature=task.signature, seed=0)
    config = TrainingConfig(epochs=8, batch_size=batch, learning_rate=0.01, optimizer="adam")
    training = Training(model, task, config)
    events = run(training)
    metric, split = task.metric.name, {"denoising": "test", "graph": "validation"}[kind]
    assert f"{split}_{metric}" in events[0]
    assert events[-1]["train_loss"] < events[0]["train_loss"]
    assert f"test_{metric}" in events[-1]
    assert training.evaluation is not None
    assert training.evaluation.value == evaluate(training.model, task.part("test"), task).value
    with pytest.raises(SettingError, match="augment and cutout are about images with classes"):
        Training(model, task, dataclasses.replace(config, cutout=2))
