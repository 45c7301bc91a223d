from __future__ import annotations

import pytest
import torch

from nascence.errors import SettingError
from nascence.tasks import load_task
from nascence.tasks.base import Batch
from nascence.tasks.box import Box
from nascence.testing.toy_graph import toy_graph_task


def test_black_and_white_are_the_ends() -> None:
    box = Box.normalised([0.5, 0.25], [0.25, 0.5])
    assert box.low == (-2.0, -0.5)
    assert box.high == (2.0, 1.5)
    pixels = torch.rand(3, 2, 4, 4)
    mean, std = torch.tensor([0.5, 0.25])[:, None, None], torch.tensor([0.25, 0.5])[:, None, None]
    torch.testing.assert_close(box.pixels((pixels - mean) / std), pixels)


def test_the_images_of_a_task_fill_its_box() -> None:
    task = load_task("digits")
    x_BCHW = next(iter(task.part("test").passing(400))).inputs[0]
    pixels = task.box().pixels(x_BCHW)
    assert float(pixels.min()) == pytest.approx(0, abs=1e-6)
    assert float(pixels.max()) == pytest.approx(1, abs=1e-6)


def test_losses_of_each_image_have_the_tasks_loss_as_their_mean() -> None:
    task = load_task("digits")
    batch = next(iter(task.part("test").passing(50)))
    output = torch.randn(50, 10)
    losses, right = task.each(output, batch)
    torch.testing.assert_close(losses.mean(), task.loss(output, batch))
    assert int(right.sum()) == int(task.sums(output, batch)["right"])


def test_what_has_no_pixels_says_so() -> None:
    task = toy_graph_task()
    with pytest.raises(SettingError, match="no pixels"):
        task.box()
    with pytest.raises(SettingError, match="simply wrong"):
        task.each(torch.zeros(1), Batch((torch.zeros(1),), torch.zeros(1)))
