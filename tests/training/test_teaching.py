"""Learning from another network."""

import torch
from torch import nn

from nascence.tasks import load_task
from nascence.training import Training, TrainingConfig
from nascence.training.teaching import Teacher


def network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_the_loss_is_a_part_of_each():
    task = load_task("digits")
    batch = task.part("train").batches(16, 0, "some")(0)
    pupil, teacher = network(0), network(1)
    output = pupil(*batch.inputs)
    loss = task.loss(output, batch)
    found = Teacher(teacher, 0.25, 3.0).taught(loss, output, batch, task)
    expected = 0.75 * loss + 0.25 * task.distance(output, teacher(*batch.inputs), batch, 3.0)
    assert torch.allclose(found, expected)
    found.backward()
    assert all(value.grad is None for value in teacher.parameters())


def test_a_pupil_comes_closer_to_its_teacher():
    task = load_task("digits")
    config = TrainingConfig(epochs=2, batch_size=64, learning_rate=0.05)

    def distance(teacher, taught):
        pupil = network(0)
        training = Training(pupil, task, config, teacher=Teacher(teacher, 1.0) if taught else None)
        while not training.done:
            training.advance()
        batch = next(iter(task.part("test").passing(200)))
        with torch.no_grad():
            return float(task.distance(pupil(*batch.inputs), teacher(*batch.inputs), batch))

    teacher = network(1)
    assert distance(teacher, True) < 0.5 * distance(teacher, False)
