"""Results do not depend on how many processes there are; errors and killed processes reach the caller."""

import os
import signal

import pytest
import torch

from nascence.errors import NascenceError, SettingError
from nascence.parallel import parallel_map


@pytest.fixture
def threads():
    """A function that sets PyTorch's threads; the number is put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_results_come_in_order_whatever_the_number(threads, number):
    threads(number)
    matrix = torch.arange(12.0).reshape(3, 4)
    results = parallel_map(lambda factor: (factor, matrix * factor), range(5))
    assert [factor for factor, _ in results] == list(range(5))
    assert all(torch.equal(result, matrix * factor) for factor, result in results)
    assert torch.get_num_threads() == number


@pytest.mark.parametrize("number", [1, 3])
def test_every_computation_has_one_thread(threads, number):
    threads(number)
    assert parallel_map(lambda _: torch.get_num_threads(), range(3)) == [1, 1, 1]


def test_processes_are_separate(threads):
    threads(3)
    processes = parallel_map(lambda _: os.getpid(), range(3))
    assert 1 <= len(set(processes)) <= 3
    assert os.getpid() not in processes


def test_a_long_item_keeps_nobody_waiting(threads):
    """The first item ends only when all others are done, which the other process does meanwhile."""
    threads(2)
    done, tell = os.pipe()

    def work(item):
        if item == 0:
            return sorted(os.read(done, 1)[0] for _ in range(7))
        os.write(tell, bytes([item]))
        return item

    assert parallel_map(work, range(8)) == [[1, 2, 3, 4, 5, 6, 7], 1, 2, 3, 4, 5, 6, 7]
    os.close(done)
    os.close(tell)


def test_the_largest_items_start_first(threads):
    """The process that begins with the largest is busy until the other one has done the rest, in this order."""
    threads(2)
    done, tell = os.pipe()

    def work(item):
        if item == 5:
            rest = []
            while 1 not in rest:
                rest.append(os.read(done, 1)[0])
            return rest
        os.write(tell, bytes([item]))
        return item

    assert parallel_map(work, [1, 4, 5, 2, 3], size=float) == [1, 4, [4, 3, 2, 1], 2, 3]
    os.close(done)
    os.close(tell)


def test_more_items_than_a_pipe_holds(threads):
    threads(2)
    assert parallel_map(lambda item: item, range(10_001)) == list(range(10_001))


def test_gradients_in_processes(threads):
    threads(2)

    def square(value):
        x = torch.tensor(float(value), requires_grad=True)
        return float(torch.autograd.grad(x * x, x)[0])

    assert parallel_map(square, [1, 2, 3]) == [2.0, 4.0, 6.0]


def test_nothing_to_do(threads):
    threads(2)
    assert parallel_map(lambda item: item, []) == []


@pytest.mark.parametrize("number", [1, 2])
def test_errors_are_raised_here(threads, number):
    threads(number)

    def fail(item):
        if item == 1:
            raise SettingError("item 1 is wrong")
        return item

    with pytest.raises(SettingError, match="item 1 is wrong"):
        parallel_map(fail, range(4))


def test_a_killed_process_is_one_sentence(threads):
    threads(2)

    def die(item):
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(NascenceError, match="worker process was killed"):
        parallel_map(die, range(4))
