"""The sorting of paths by hand, and what it does to a descent."""

import pytest
import torch

from nascence.errors import SettingError
from nascence.objectives import Evaluated
from nascence.objectives.path_order import PathOrder, order
from nascence.relaxations import Softmax
from nascence.schedules import Constant, Moment
from nascence.spaces import get_space
from nascence.testing import toy_denoiser_space


def evaluated(relaxation):
    return Evaluated(None, None, relaxation, {}, None, torch.zeros(1), Moment(0, 1))


def test_which_path_begins_which():
    earlier, later, paths = order(("0", "0,1", "0,0", "0,0,1", "0,0,0"))
    assert list(zip(earlier.tolist(), later.tolist(), paths.tolist(), strict=True)) == [
        (0, 1, 1),
        (0, 2, 2),
        (2, 3, 1),
        (2, 4, 1),
    ]


def test_by_hand():
    space = get_space("path-tree-small")
    relaxation = Softmax(space)
    with torch.no_grad():
        relaxation.parameters["paths"].copy_(torch.tensor([[1.0, 3.0, 2.5]]))  # 0; 0,0; 0,0,0
    assert float(PathOrder(Constant(1.0)).term(evaluated(relaxation)).detach()) == pytest.approx(2.0)
    with torch.no_grad():
        relaxation.parameters["paths"].copy_(torch.tensor([[3.0, 2.0, 1.0]]))
    assert float(PathOrder(Constant(1.0)).term(evaluated(relaxation)).detach()) == 0


def test_descending_on_it_sorts():
    relaxation = Softmax(get_space("path-tree"), scale=1.0, seed=1)
    adam = torch.optim.Adam([relaxation.parameters["paths"]], 0.1)
    for _ in range(120):
        adam.zero_grad()
        term = PathOrder(Constant(1.0)).term(evaluated(relaxation))
        term.backward()
        adam.step()
    assert float(term.detach()) < 0.3


def test_without_paths_there_is_nothing_to_sort():
    with pytest.raises(SettingError, match="no paths"):
        PathOrder(Constant(1.0)).term(evaluated(Softmax(toy_denoiser_space())))
