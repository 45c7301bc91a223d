import math
from multiprocessing import get_context

import pytest

from nascence.errors import RunError
from nascence.runs.journal import Journal

RECORDS = [["a", 0.1], ["b", [math.inf, -math.inf, 1e-323]], ["c", {"text": "ü\n|x~0|"}]]


@pytest.fixture
def path(tmp_path):
    with Journal(tmp_path / "j") as journal:
        assert journal.header is None
        journal.append({"seed": 0})
        for record in RECORDS:
            journal.append(record)
    return tmp_path / "j"


def read(path):
    with Journal(path) as journal:
        return journal.header, journal.records


def test_records_come_back_to_the_bit(path):
    assert read(path) == ({"seed": 0}, RECORDS)


def test_a_record_is_in_the_file_when_append_returns(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.append("header")
    journal.append([1])
    assert (tmp_path / "j").read_bytes().count(b"\n") == 2  # without closing
    journal.close()


def test_cut_anywhere_whole_records_stay_and_writing_goes_on(path):
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            kept = sum(end <= cut + (end > ends[0]) for end in ends)  # a record that lacks only its newline counts
            assert ([journal.header, *journal.records] if kept else []) == [{"seed": 0}, *RECORDS][:kept]
            if not kept:
                assert journal.header is None
                journal.append({"seed": 0})
            journal.append(["more", 1])
        header, records = read(path)
        assert header == {"seed": 0}
        assert records == [*RECORDS[: max(kept - 1, 0)], ["more", 1]]


def test_a_damaged_line_is_passed_over_and_the_rest_stays(path):
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"inf", b"Inf").replace(b"I", b"J")
    path.write_bytes(b"\n".join(lines))
    assert read(path)[1] == [RECORDS[0], RECORDS[2]]


@pytest.mark.parametrize("content", [b"hello", b"some\ntext\n", b"00000000 {}\n", b"PAR1\n\x00"])
def test_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(RunError, match="no journal"):
        Journal(path)
    assert path.read_bytes() == content
    path.unlink()


def _try(path, pipe):
    try:
        Journal(path).close()
        pipe.send("opened")
    except RunError as error:
        pipe.send(str(error))


def test_one_process_at_a_time(path):
    here, there = get_context("fork").Pipe()

    def other():
        process = get_context("fork").Process(target=_try, args=(path, there))
        process.start()
        process.join()
        return here.recv()

    with Journal(path):
        assert "another process" in other()
    assert other() == "opened"
