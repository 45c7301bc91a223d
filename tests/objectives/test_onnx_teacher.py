"""A teacher from an ONNX file says what PyTorch says, and files that are none are refused."""

import warnings

import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.objectives import Evaluated
from nascence.objectives.onnx_teacher import OnnxTeacher
from nascence.relaxations import Softmax
from nascence.schedules import Constant, Moment
from nascence.testing import ToyDenoising, toy_denoiser_space

TASK = ToyDenoising.make()
SPACE = toy_denoiser_space()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """(network, its file)."""
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    file = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    dynamic = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(2, 1, 16, 16),), str(file), dynamo=True, dynamic_shapes=(dynamic,), verbose=False
        )
    return network, file


def evaluated(batch, output):
    return Evaluated(TASK, None, Softmax(SPACE), {}, batch, output, Moment(0, 1))


def test_its_distance_is_that_from_the_teacher(teacher):
    network, file = teacher
    batch = TASK.part("train").batches(4, 0, "weights")(0)
    output = batch.target.clone().requires_grad_()
    term = OnnxTeacher(file, Constant(1.0)).term(evaluated(batch, output))
    expected = TASK.distance(batch.target, network(*batch.inputs), batch)
    torch.testing.assert_close(term.detach(), expected.detach())
    term.backward()
    assert output.grad.abs().sum() > 0


def test_other_tasks_are_refused(teacher):
    objective = OnnxTeacher(teacher[1], Constant(1.0))
    batch = TASK.part("train").batches(2, 0, "weights")(0)
    with pytest.raises(SettingError, match="same task"):
        objective.term(evaluated(batch, torch.zeros(2, 10)))
    with pytest.raises(SettingError, match="inputs"):
        objective.outputs((batch.inputs[0], batch.inputs[0]))
    with pytest.raises(SettingError, match="cannot be run"):
        objective.outputs((torch.zeros(1, 3, 4, 4),))


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.onnx").write_text("hello")
    with pytest.raises(SettingError, match=r"a\.onnx"):
        OnnxTeacher(tmp_path / "a.onnx", Constant(1.0)).outputs((torch.zeros(1, 1, 4, 4),))
