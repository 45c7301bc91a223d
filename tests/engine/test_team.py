"""Processes that share batches compute what one process computes, and none is left when they are done."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for plugin_team.py, here and in the others

from plugin_team import STEPS, Broken, searching, training

from nascence.engine.compute import Compute
from nascence.engine.team import check, together
from nascence.errors import NascenceError, SettingError

TWO = Compute(world=2)


def steps(work, count):
    """The events of so many steps."""
    return [work.advance() for _ in range(count)]


def ended(process):
    """Whether there is no process of this number any more; ours are waited for when a team ends."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def near(one, other, tolerance=1e-5):
    """Numbers of two events or states."""
    for name, value in one.items():
        if isinstance(value, float) and name not in ("seconds", "images_per_second"):
            assert other[name] == pytest.approx(value, abs=tolerance, rel=tolerance), name
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            assert (value - other[name]).abs().max() <= tolerance, name


def test_two_processes_search_as_one_does():
    """Ten steps of weights and architecture, on shares of the same batches, with several objectives combined."""
    settings: dict = {}
    alone = searching("darts", settings, 1, 0, 1)
    events = steps(alone, STEPS)
    shared = searching("darts", settings, 2, 0, 1)
    with together(shared, TWO, partial(searching, "darts", settings, 2)) as work:
        assert (work.total_steps, work.steps_done, work.done) == (alone.total_steps, 0, False)
        found = steps(work, 5)
        state = work.state_dict()
        work.advance()
        work.load_state_dict(state)  # all go back
        found += steps(work, STEPS - 5)
    for one, other in zip(events, found, strict=True):
        near(one, other)
    near(alone.supernet.state_dict(), shared.supernet.state_dict())
    near(alone.relaxation.parameters, shared.relaxation.parameters)
    assert not torch.distributed.is_initialized()


def test_two_processes_train_as_one_does():
    """Also with a last batch that is smaller; what is judged is judged by both."""
    alone, shared = training(1, 0, 1), training(2, 0, 1)
    events = steps(alone, 2)
    with together(shared, TWO, partial(training, 2)) as work:
        found = steps(work, 2)
    for one, other in zip(events, found, strict=True):
        near(one, other)
    near(alone.model.state_dict(), shared.model.state_dict())
    assert alone.evaluation.measures["confusion"] == shared.evaluation.measures["confusion"]


@pytest.mark.parametrize(
    ("how", "told"), [("raises", "ValueError: something odd"), ("killed", "processes that share the batches ended")]
)
def test_what_happens_to_another_process_is_told_and_none_is_left(tmp_path, how, told):
    make = partial(Broken, how, str(tmp_path))
    error = RuntimeError if how == "raises" else NascenceError
    with pytest.raises(error, match=told), together(make(0, 1), TWO, make) as work:
        work.advance()
    others = [int(note.name) for note in tmp_path.iterdir() if note.name != str(os.getpid())]
    assert len(others) == 1
    assert ended(others[0])
    assert not torch.distributed.is_initialized()


def test_one_process_needs_no_others():
    work = object()
    with together(work, Compute(), None) as found:
        assert found is work


def test_processes_that_cannot_be(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingError, match="2 processes need a GPU each, and there are 1"):
        check(Compute(device=torch.device("cuda", 0), world=2))
    with pytest.raises(SettingError, match="not on mps"):
        check(Compute(device=torch.device("mps"), world=2))
    with pytest.raises(SettingError, match="5 processes cannot share batches of 8"):
        searching("darts", {}, 5, 0, 1)
    with pytest.raises(SettingError, match="40 processes cannot share batches of 64"):
        training(40, 0, 1)
