import pytest
import torch

from nascence.objectives import Evaluated
from nascence.objectives.distillation import SupernetDistillation
from nascence.relaxations import GumbelTopK
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet
from nascence.tasks import Batch, load_task

TASK = load_task("digits")


def distillation(student, teacher, temperature=2.0):
    return TASK.distance(student, teacher, None, temperature)


def pair(seed=0):
    return (3 * torch.randn(8, 10, generator=generator(seed, at), dtype=torch.float64) for at in range(2))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_it_is_the_divergence_term_by_term(temperature):
    student, teacher = pair()
    total = 0.0
    for row in range(8):
        z, t = student[row] / temperature, teacher[row] / temperature
        p, q = z.exp() / z.exp().sum(), t.exp() / t.exp().sum()
        total += float((q * (q / p).log()).sum())
    assert float(distillation(student, teacher, temperature)) == pytest.approx(temperature**2 * total / 8)


def test_it_is_not_negative_and_zero_when_both_agree():
    for seed in range(20):
        student, teacher = pair(seed)
        assert float(distillation(student, teacher)) > 0
        assert float(distillation(student, student + 3.0)) == pytest.approx(0, abs=1e-12)


def test_only_the_student_learns():
    student, teacher = (value.requires_grad_() for value in pair())
    distillation(student, teacher).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().max()) > 0


def test_the_gradient_keeps_its_size_at_high_temperature():
    """For T to infinity the gradient is (z - mean z - (t - mean t)) / K, divided by the batch."""
    student, teacher = pair()
    student.requires_grad_()
    distillation(student, teacher, 1e4).backward()
    centred = (student - student.mean(1, keepdim=True) - teacher + teacher.mean(1, keepdim=True)) / 10 / 8
    torch.testing.assert_close(student.grad, centred.detach(), rtol=1e-2, atol=1e-4)


def evaluated(supernet, relaxation, sparse, x):
    weights = relaxation.sample(generator(sparse))
    batch = Batch((x,), torch.arange(4) % 3)
    return Evaluated(TASK, supernet, relaxation, weights, batch, supernet(x, weights), Moment(0, 1))


def test_the_teacher_is_the_whole_supernet_under_mean_weights_with_nothing_dropped():
    space = get_space("nas-bench-201")
    size = NetworkConfig(channels=4, stages=2, affine=False, track_running_stats=False)
    supernet = CellSupernet(space, size, num_classes=3)
    supernet.drop_identities(Constant(0.3))
    relaxation = GumbelTopK(space, space.operations, 2, seed=1, scale=1.0)
    x = torch.randn(4, 3, 8, 8, generator=generator(0))
    supernet.prepare(Moment(0, 1), generator(5))
    batch = evaluated(supernet, relaxation, 0, x)
    with supernet.undropped(), torch.no_grad():
        teacher = supernet(x, relaxation.mean())
    term = SupernetDistillation(Constant(1.0), 3.0)
    value = term.term(batch)
    torch.testing.assert_close(value, distillation(batch.output, teacher, 3.0))
    value.backward()
    assert any(parameter.grad is not None for parameter in supernet.parameters())
    calls = []  # the students of one step share their teacher; other images have another
    supernet.register_forward_hook(lambda *_: calls.append(1))
    term.term(batch)
    assert not calls
    other = evaluated(supernet, relaxation, 1, x + 1)
    calls.clear()
    term.term(other)
    assert len(calls) == 1
