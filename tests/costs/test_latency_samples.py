"""Measured networks in a file: which ones, one row each, whatever interrupts, and nothing foreign mixed in."""

import csv

import pytest

from nascence.api.measuring import measure_networks
from nascence.benchmarks.tables import load_table
from nascence.costs.latency_samples import LatencySamples, random_architectures
from nascence.costs.networks import Networks
from nascence.errors import RunError, SettingError
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature
from nascence.testing import toy_space
from nascence.writing import growing_alone

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def networks(channels=2, threads=1, runtime="torch"):
    size, signature = NetworkConfig(channels=channels, depth=1), Signature.images((1, 8, 8), 4)
    return Networks(NB201, size, signature, threads, runtime_name=runtime)


def measure(path, count, seed=0, **more):
    samples = LatencySamples(path, networks(**more))
    return list(samples.measure(random_architectures(NB201, count, seed), repeats=3, warm_up=1))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("space", [NB201, DARTS, get_space("nas-bench-macro")], ids=lambda space: space.name)
def test_random_architectures_are_different_repeatable_and_some_are_one_sided(space):
    found = random_architectures(space, 200)
    assert len(set(found)) == 200
    assert found[:50] == random_architectures(space, 50)
    assert found != random_architectures(space, 200, seed=1)
    most = [max(map(one.answers.count, one.answers)) / len(one.answers) for one in found]
    one_sided = most[4::5]
    assert sum(one_sided) / len(one_sided) > sum(most) / len(most)


def test_a_space_that_has_not_so_many_says_so():
    assert len(random_architectures(toy_space(), 60)) == 60
    with pytest.raises(SettingError, match="no 65 different architectures to measure, but 64"):
        random_architectures(toy_space(), 65)


def test_rows_are_a_table_with_all_that_a_number_means(tmp_path):
    path = tmp_path / "latencies.csv"
    found = measure(path, 25)
    table = load_table(path, space="nas-bench-201")
    assert table.architectures() == [one for one, _ in found] == random_architectures(NB201, 25)
    assert table.column("latency_ms") == pytest.approx([ms for _, ms in found], rel=1e-4)
    first = rows(path)[0]
    about = {"space": "nas-bench-201", "channels": "2", "depth": "1", "in_channels": "1", "height": "8", "threads": "1"}
    assert {name: first[name] for name in about} == about
    assert "PyTorch" in first["device"]
    measure(tmp_path / "onnx.csv", 2, runtime="onnx")
    assert "ONNX Runtime" in rows(tmp_path / "onnx.csv")[0]["device"]
    with pytest.raises(RunError, match=r"measured with the device '.*ONNX Runtime.*', not '.*PyTorch"):
        measure(tmp_path / "onnx.csv", 3)
    assert all(float(row["reference_ms"]) > 0 for row in rows(path))


def test_stopped_at_any_byte_it_goes_on(tmp_path):
    path = tmp_path / "latencies.csv"
    measure(path, 6)
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    for cut in (0, 5, header, header + 3, len(whole) - 1, len(whole)):
        path.write_bytes(whole[:cut])
        kept = [line for line in whole[:cut].splitlines(keepends=True) if line.endswith(b"\n")]
        found = measure(path, 8)
        assert len(found) == 8 - max(0, len(kept) - 1)
        assert path.read_bytes().startswith(b"".join(kept))
        assert [row["architecture"] for row in rows(path)] == list(map(NB201.format, random_architectures(NB201, 8)))


def test_nothing_foreign_is_mixed_in(tmp_path):
    path = tmp_path / "latencies.csv"
    measure(path, 2)
    before = path.read_bytes()
    with pytest.raises(RunError, match="measured with the channels '2', not '3'"):
        measure(path, 3, channels=3)
    with pytest.raises(RunError, match="measured with the threads '1', not '2'"):
        measure(path, 3, threads=2)
    assert path.read_bytes() == before
    other = tmp_path / "other.csv"
    for content in (b"architecture,accuracy\na,1\n", b"\xff\xfe\n", b"a,b\n", b"no line at all"):
        other.write_bytes(content)
        with pytest.raises(RunError, match="is no file of measured networks"):
            measure(other, 3)
        assert other.read_bytes() == content


def test_a_file_grows_in_one_process_only(tmp_path):
    """A second measurement of the same file is refused; what a kill left is free."""
    path = tmp_path / "latencies.csv"
    measure(path, 1)
    with growing_alone(path), pytest.raises(RunError, match="being written by another process"):
        measure_networks(2, path, channels=2, depth=1, repeats=1, warm_up=0)
    assert len(rows(path)) == 1
    with growing_alone(tmp_path / "new.csv"):
        pass
    assert not (tmp_path / "new.csv").exists()


def test_nothing_is_appended_through_a_link(tmp_path):
    (tmp_path / "other.csv").write_text("")
    (tmp_path / "link.csv").symlink_to(tmp_path / "other.csv")
    with pytest.raises(RunError, match="is a link"):
        measure_networks(2, tmp_path / "link.csv", channels=2, depth=1, repeats=1, warm_up=0)
    assert (tmp_path / "other.csv").read_text() == ""
