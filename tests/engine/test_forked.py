"""Results do not depend on how many processes there are; errors and killed processes reach the caller."""

import gc
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from nascence.engine.forked import ParallelFunction, parallel_map
from nascence.errors import NascenceError, SettingError, UnknownNameError


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


def alive(process):
    """Whether a process of this number runs; one that ended and was not waited for does not."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(processes):
    """Waits until all have ended; the time limit of every test is what ends it otherwise."""
    while any(alive(process) for process in processes):
        time.sleep(0.01)
    return True


def meet(item):
    """The number of the process, once ``count`` processes of the same call are here: however slow one of them is to
    begin, the others do not do its part. ``item``: (a folder of the call's own, count)."""
    folder, count = item
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < count:
        time.sleep(0.001)
    return os.getpid()


@pytest.fixture
def own_processes(tmp_path):
    """The processes that work for a function that meets, which are ``count``."""

    def processes(function, count=2):
        return set(function([(Path(tempfile.mkdtemp(dir=tmp_path)), count)] * 2 * count))

    return processes


def test_processes_stay_for_later_calls_and_end_when_closed(threads, own_processes):
    threads(2)
    function = ParallelFunction(meet)
    first = own_processes(function)
    assert len(first) == 2
    assert own_processes(function) == first
    function.close()
    assert gone(first)
    later = own_processes(function)
    assert len(later) == 2
    assert not later & first
    function.close()
    function.close()  # once more is nothing


def test_processes_end_with_the_last_reference(threads, own_processes):
    threads(2)
    function = ParallelFunction(meet)
    processes = own_processes(function)
    del function
    gc.collect()
    assert gone(processes)


def test_more_processes_where_more_threads_are_allowed_later(threads, own_processes):
    threads(2)
    function = ParallelFunction(meet)
    two = own_processes(function)
    threads(3)
    three = own_processes(function, 3)
    assert two < three
    assert len(three) == 3
    threads(1)
    assert own_processes(function, 1) == {os.getpid()}
    function.close()


def test_after_an_error_there_are_new_processes(threads):
    threads(2)

    def work(item):
        if item == "fail":
            raise SettingError("no")
        return os.getpid()

    function = ParallelFunction(work)
    before = set(function(["a", "b", "c"]))
    with pytest.raises(SettingError, match="no"):
        function(["a", "fail"])
    assert gone(before)
    assert os.getpid() not in function(["a", "b"])
    function.close()


def test_a_process_killed_between_two_calls_is_one_sentence(threads, own_processes):
    threads(2)
    function = ParallelFunction(meet)
    victim, *_ = own_processes(function)
    os.kill(victim, signal.SIGKILL)
    assert gone([victim])
    with pytest.raises(NascenceError, match="worker process was killed"):
        own_processes(function)
    assert len(own_processes(function)) == 2
    function.close()


def test_a_function_keeps_what_it_had_when_the_processes_began(threads):
    threads(2)
    state = {"value": 1}
    function = ParallelFunction(lambda item: (item, state["value"]))
    assert function([1, 2]) == [(1, 1), (2, 1)]
    state["value"] = 2
    assert function([1, 2]) == [(1, 1), (2, 1)]
    function.close()
    assert function([1, 2]) == [(1, 2), (2, 2)]
    function.close()


def test_a_process_that_inherits_a_function_leaves_its_processes_alone(threads, own_processes):
    threads(2)
    function = ParallelFunction(meet)
    processes = own_processes(function)
    child = os.fork()
    if child == 0:
        try:
            function.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert own_processes(function) == processes
    function.close()


@pytest.mark.parametrize("number", [1, 2])
def test_errors_that_cannot_be_pickled_keep_their_message(threads, number):
    threads(number)

    class Own(Exception):
        pass

    def fail(kind):
        raise UnknownNameError("thing", "x", ["y"]) if kind == "known" else Own("odd")

    with pytest.raises(NascenceError, match="Unknown thing 'x'"):
        parallel_map(fail, ["known", "known"])
    with pytest.raises((Own, RuntimeError), match="odd"):
        parallel_map(fail, ["own", "own"])


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_processes_end_when_their_parent_is_killed(threads, own_processes):
    """Two functions, whose processes were forked in turn, so that the later ones hold what the earlier ones wait on."""
    threads(2)
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            functions = [ParallelFunction(meet) for _ in range(2)]
            own = set()
            for number in (2, 3):
                torch.set_num_threads(number)
                own = own.union(*(own_processes(function, number) for function in functions))
            os.write(writer, ",".join(map(str, own)).encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    processes = {int(one) for one in os.read(reader, 4096).split(b",")}
    os.close(reader)
    assert len(processes) == 6
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert gone(processes)
