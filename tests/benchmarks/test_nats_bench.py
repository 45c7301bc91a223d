import bz2
import collections
import pickle
import time

import numpy as np
import pytest

from nascence.benchmarks import import_nats_bench, load_table
from nascence.benchmarks.nats_bench import read_pickle
from nascence.errors import DataError
from nascence.spaces import get_space

NB201 = get_space("nas-bench-201")


def dump(path, value, protocol=4):
    path.write_bytes(bz2.compress(pickle.dumps(value, protocol=protocol)))


def trials(index, epochs, offset=0.0, datasets=("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120")):
    """One architecture's trials in the official layout, two seeds that differ by 2 %."""
    results = {}
    for place, dataset in enumerate(datasets):
        for extra, seed in enumerate((777, 888)):
            accuracies = {
                f"{name}@{epoch}": 10.0 * place + set_number + 2.0 * extra + offset + epoch / 1000
                for set_number, name in enumerate(("ori-test", "x-valid", "x-test"))
                for epoch in range(epochs)
            }
            results[dataset, seed] = {
                "name": dataset,
                "train_times": collections.OrderedDict({0: 1.5}),
                "params": np.float64(0.8),
                "latency": [np.float64(0.01)],
                "epochs": epochs,
                "eval_names": ["ori-test"],
                "eval_acc1es": accuracies,
                "net_state_dict": None,
            }
    return {
        "arch_index": index,
        "arch_str": str(NB201.from_index(index)),
        "dataset_seed": {dataset: [777, 888] for dataset in datasets},
        "clear_net_done": True,
        "all_results": results,
    }


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    place.mkdir()
    texts = [str(NB201.from_index(at)) for at in range(NB201.size)]
    dump(
        place / "meta.pickle.pbz2",
        {"meta_archs": texts, "total_archs": 15625, "evaluated_indexes": set()},
    )
    for index in (3, 11):
        content = {"12": trials(index, 12), "200": trials(index, 200, offset=50)}
        dump(place / f"{index:06d}.pickle.pbz2", collections.OrderedDict(content))
    return place


def test_accuracies_after_the_last_epoch_averaged_over_seeds(folder, tmp_path):
    table = load_table(import_nats_bench(folder, tmp_path / "own.parquet"))
    assert table.space.name == NB201.name
    assert table.architectures() == [NB201.from_index(3), NB201.from_index(11)]
    assert table.columns[0] == "cifar10_test_acc_200ep"
    assert len(table.columns) == 12
    expected = {  # 10 x place of the data set + number of the set + 1 (mean over seeds) + offset + last epoch / 1000
        "cifar10_test_acc_200ep": 0 + 0 + 1 + 50 + 0.199,
        "cifar10_valid_acc_200ep": 10 + 1 + 1 + 50 + 0.199,
        "cifar100_test_acc_200ep": 20 + 2 + 1 + 50 + 0.199,
        "cifar100_valid_acc_12ep": 20 + 1 + 1 + 0.011,
        "imagenet16_120_test_acc_12ep": 30 + 2 + 1 + 0.011,
    }
    found = {column: table.value(NB201.from_index(11), column) for column in expected}
    assert found == pytest.approx(expected)


def test_missing_data_sets_leave_empty_values(folder, tmp_path):
    dump(folder / "000020.pickle.pbz2", {"12": trials(20, 12, datasets=("cifar10",))})
    table = load_table(import_nats_bench(folder, tmp_path / "own.parquet"))
    assert table.value(NB201.from_index(20), "cifar10_test_acc_12ep") == pytest.approx(1.011)
    with pytest.raises(DataError, match="no cifar100_test_acc_200ep"):
        table.value(NB201.from_index(20), "cifar100_test_acc_200ep")


def test_an_existing_table_is_not_overwritten(folder, tmp_path):
    (tmp_path / "own.parquet").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        import_nats_bench(folder, tmp_path / "own.parquet")
    assert (tmp_path / "own.parquet").read_text() == "mine"


def test_wrong_folders_are_refused_and_leave_nothing(folder, tmp_path):
    with pytest.raises(DataError, match="no meta"):
        import_nats_bench(tmp_path, tmp_path / "own.parquet")
    dump(folder / "000003.pickle.pbz2", {"12": trials(4, 12)})
    with pytest.raises(DataError, match="not laid out like"):
        import_nats_bench(folder, tmp_path / "own.parquet")
    dump(folder / "000003.pickle.pbz2", {"12": {"arch_str": str(NB201.from_index(3))}})
    with pytest.raises(DataError, match="not laid out like"):
        import_nats_bench(folder, tmp_path / "own.parquet")
    for path in folder.glob("0*"):
        path.unlink()
    with pytest.raises(DataError, match="holds no architecture"):
        import_nats_bench(folder, tmp_path / "own.parquet")
    dump(folder / "meta.pickle.pbz2", {"meta_archs": ["a", "b"]})
    with pytest.raises(DataError, match="15,625"):
        import_nats_bench(folder, tmp_path / "own.parquet")
    assert not list(tmp_path.glob("own*"))


def test_texts_in_another_order_are_refused(folder, tmp_path):
    texts = [str(NB201.from_index(at)) for at in range(NB201.size)]
    texts[3], texts[4] = texts[4], texts[3]
    dump(folder / "meta.pickle.pbz2", {"meta_archs": texts})
    with pytest.raises(DataError, match="official index is 4"):
        import_nats_bench(folder, tmp_path / "own.parquet")


class Malicious:
    def __reduce__(self):
        return time.sleep, (0,)


@pytest.mark.parametrize(
    "value", [Malicious(), np.arange(3), np.str_("text"), pytest], ids=["call", "array", "text", "module"]
)
def test_anything_but_plain_data_is_refused(tmp_path, value):
    path = tmp_path / "x.pickle.pbz2"
    if value is pytest:
        path.write_bytes(bz2.compress(b"cos\nsystem\n."))
    else:
        dump(path, {"x": value})
    with pytest.raises(DataError, match="Cannot read"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", [4, 5])
def test_plain_data_and_numpy_numbers_are_read(tmp_path, protocol):
    value = {
        "a": [1, 2.5, "x", None, True],
        ("b", 1): {3},
        "c": np.float64(0.25),
        "d": np.int64(-7),
        "e": np.bool_(True),
    }
    dump(tmp_path / "x.pickle.pbz2", value, protocol)
    found = read_pickle(tmp_path / "x.pickle.pbz2")
    assert found == value
    assert type(found["c"]) is float
    assert type(found["d"]) is int


@pytest.mark.parametrize("content", [b"", b"no bz2", bz2.compress(b""), bz2.compress(b"\x80\x04no pickle")])
def test_broken_files(tmp_path, content):
    (tmp_path / "x.pickle.pbz2").write_bytes(content)
    with pytest.raises(DataError):
        read_pickle(tmp_path / "x.pickle.pbz2")
