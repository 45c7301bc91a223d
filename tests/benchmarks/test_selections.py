import pytest
import torch

from nascence.benchmarks.selections import Selection
from nascence.errors import DataError, SettingError
from nascence.spaces import get_space
from nascence.testing import toy_space

NB201 = get_space("nas-bench-201")
DARTS = get_space("darts")


def test_all():
    selection = Selection.all(toy_space())
    assert selection.architectures == tuple(toy_space().enumerate())
    assert selection.to_json()["count"] == 64
    with pytest.raises(SettingError, match=r"too many.*--sample"):
        Selection.all(DARTS)


@pytest.mark.parametrize("space", [NB201, DARTS])
def test_samples_are_distinct_seeded_and_nested(space):
    before = torch.get_rng_state()
    few, many = Selection.sample(space, 20, 1), Selection.sample(space, 50, 1)
    assert len(set(many.architectures)) == 50
    assert many.architectures[:20] == few.architectures
    assert set(Selection.sample(space, 20, 2).architectures) != set(few.architectures)
    assert few.to_json() != Selection.sample(space, 20, 2).to_json()
    assert torch.equal(before, torch.get_rng_state())


def test_a_sample_may_be_the_whole_space_but_not_more():
    assert set(Selection.sample(toy_space(), 64, 0).architectures) == set(toy_space().enumerate())
    for count in (0, -1, 65):
        with pytest.raises(SettingError, match="1 to 64"):
            Selection.sample(toy_space(), count, 0)
    with pytest.raises(SettingError, match="at most"):
        Selection.sample(DARTS, 10**6, 0)


def test_a_file_of_architectures(tmp_path):
    path = tmp_path / "cells.txt"
    cells = [NB201.from_index(at) for at in (4, 1, 4)]
    path.write_text(f"# mine\n{cells[0]}\n\n  {cells[1]}  \n{cells[2]}\n")
    found = Selection.file(NB201, path)
    assert found.architectures == (cells[0], cells[1])
    assert found.repeated == 1
    assert found.to_json() == Selection.given(cells).to_json()


def test_a_bad_line_is_named_by_its_number(tmp_path):
    path = tmp_path / "cells.txt"
    path.write_text(f"# mine\n{NB201.from_index(0)}\n\n|nonsense~0|\n{NB201.from_index(1)}\n")
    with pytest.raises(DataError, match=r"Line 4 of .*cells.txt is wrong: '\|nonsense~0\|'"):
        Selection.file(NB201, path)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00", None])
def test_files_without_architectures(tmp_path, content):
    path = tmp_path / "cells.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"cells\.txt"):
        Selection.file(NB201, path)
