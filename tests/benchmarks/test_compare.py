import importlib
import json
import shutil

import pyarrow as pa
import pytest
from pyarrow import parquet
from torch import nn

from nascence.architecture import Architecture
from nascence.benchmarks import Comparison, PlainResNet, load_table
from nascence.benchmarks.compare import random_architecture
from nascence.costs import Budget, BudgetChecker, CostModel, params
from nascence.errors import RunError, SettingError, UnknownNameError
from nascence.reading import read_json
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature

NB201 = get_space("nas-bench-201")
NETWORK = NetworkConfig(channels=4, depth=1)

# The functions that stand in for a real run and a real training; a module of its own, so that workers can import it.
RUNS = '''
import json, os
from nascence.architecture import Architecture
from nascence.spaces import get_space

def search(method, seed, directory):
    """Methods "a" and "b" find cells 10 + seed and 20 + seed; every call leaves a trace."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "calls", "a") as file:
        file.write("x")
    if method == "dies":
        os._exit(9)
    if method == "fails" and seed == 1 and not (directory.parent / "mended").exists():
        raise RuntimeError("a fault of ours")
    cell = get_space("nas-bench-201").from_index({"a": 10, "b": 20}.get(method, 30) + seed)
    content = {"space": "nas-bench-201", "architecture": str(cell), "search_seconds": 2.0 + seed}
    (directory / "architecture.json").write_text(json.dumps(content))

def train(subject, seed, directory):
    with open(directory / "trained", "a") as file:
        file.write("x")
    return {"test_accuracy": 0.5 + seed / 10 + (0.0 if isinstance(subject, Architecture) else 0.2)}
'''


@pytest.fixture
def runs(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("modules")
    (place / "stand_in_runs.py").write_text(RUNS)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return importlib.import_module("stand_in_runs")


@pytest.fixture
def table(tmp_path_factory):
    """Accuracy of every cell: its index / 1000."""
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    cells = {"architecture": [str(NB201.from_index(at)) for at in range(NB201.size)]}
    parquet.write_table(pa.table({**cells, "accuracy": [at / 1000 for at in range(NB201.size)]}), path)
    return load_table(path, space="nas-bench-201")


@pytest.fixture
def make(tmp_path, runs, table):
    def comparison(**changes):
        settings = {
            "methods": ["a", "b"], "seeds": [0, 1, 2], "model": CostModel(NB201, NETWORK, Signature.images((3, 8, 8))),
            "search": runs.search, "out": tmp_path / "cmp", "table": table, "columns": ["accuracy"],
        }  # fmt: skip
        return Comparison(**{**settings, **changes})

    return comparison


def rows(result):
    return {row["name"]: row for row in result["rows"]}


def test_a_comparison_without_training(make, tmp_path):
    result = make().run()
    found = rows(result)
    assert list(found) == ["a", "b", "random-architectures", "largest"]
    assert found["a"]["values"]["accuracy"] == [0.01, 0.011, 0.012]
    assert found["b"]["summaries"]["accuracy"] == pytest.approx(
        {"mean": 0.021, "std": 0.001, "min": 0.02, "max": 0.022, "count": 3}
    )
    assert found["a"]["summaries"]["search_seconds"]["mean"] == 3.0
    for row in found.values():
        for text, counted in zip(row["architectures"], row["values"]["params"], strict=True):
            module = NB201.build(NB201.parse(text), network=NETWORK)
            assert params(module) == counted
    assert found["largest"]["architectures"] == [str(NB201.architecture(["nor_conv_3x3"] * 6))]
    assert len(set(found["random-architectures"]["architectures"])) == 3
    assert "search_seconds" not in found["random-architectures"]["summaries"]
    assert read_json(tmp_path / "cmp" / "comparison.json") == result


def test_the_random_architectures_follow_from_the_space_and_the_seeds_alone(make, tmp_path):
    found = rows(make().run())["random-architectures"]["architectures"]
    other = CostModel(NB201, NetworkConfig(channels=8, depth=2), Signature.images((1, 16, 16), 7))
    again = make(methods=["b"], seeds=[5, 2, 0], model=other, settings={"epochs": 3}, out=tmp_path / "other")
    assert rows(again.run())["random-architectures"]["architectures"][1:] == [found[2], found[0]]
    assert found[0] == "|skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_a_budget_takes_the_first_of_a_seed_s_draws_within_it(make):
    model = CostModel(NB201, NETWORK, Signature.images((3, 8, 8)))
    for seed in range(6):
        free = random_architecture(BudgetChecker(Budget(), model), seed)
        cost = model.params(free)
        assert random_architecture(BudgetChecker(Budget(max_params=cost), model), seed) == free
        if cost > model.range("params")[0]:
            below = random_architecture(BudgetChecker(Budget(max_params=cost - 1), model), seed)
            assert model.params(below) < cost


def test_what_nobody_searched_for_keeps_within_the_budget(make):
    model = CostModel(NB201, NETWORK, Signature.images((3, 8, 8)))
    low, high = model.range("params")
    limit = low + 0.2 * (high - low)
    found = rows(make(budget=Budget(max_params=limit), seeds=list(range(8))).run())
    for name in ("random-architectures", "largest"):
        assert max(found[name]["values"]["params"]) <= limit, name
    (largest,) = found["largest"]["values"]["params"]
    assert largest == max(c for c in map(model.params, NB201.enumerate()) if c <= limit)
    assert len(set(found["random-architectures"]["architectures"])) > 1


def test_the_largest_within_a_budget_is_left_out_where_it_is_no_sum_over_choices(make, monkeypatch):
    monkeypatch.setattr(CostModel, "adds_up", lambda self, name: False)
    found = rows(make(methods=["a"], seeds=[0], budget=Budget(max_params=1e9)).run())
    assert list(found) == ["a", "random-architectures"]


def test_a_space_that_needs_files_has_them_in_the_folder(make, tmp_path):
    asked = []

    def again():
        asked.append((tmp_path / "cmp" / "network").read_bytes())
        return NB201

    same = NB201.from_index(3)
    found = rows(make(kept={"network": b"its content"}, reopen=again, same_width=same).run())
    assert set(asked) == {b"its content"}
    assert list(found) == ["a", "b", "random-architectures", "largest", "same-width"]
    assert found["same-width"]["architectures"] == [str(same)]
    (tmp_path / "cmp" / "network").unlink()
    make(kept={"network": b"its content"}, reopen=again, same_width=same).run()
    assert (tmp_path / "cmp" / "network").is_file()


def test_the_markdown_table(make, tmp_path):
    make().run()
    lines = (tmp_path / "cmp" / "comparison.md").read_text().splitlines()
    assert lines[0] == "| | seeds | accuracy | params | flops | search_seconds |"
    assert lines[2].startswith("| a | 3 | 0.011 ± 0.001 (0.01 to 0.012) | ")
    assert lines[5].startswith("| largest | 1 | ")
    assert lines[5].endswith(" - |")
    assert len({line.count("|") for line in lines}) == 1


def test_training_adds_its_measures_and_a_plain_resnet_of_the_same_size(make, runs, tmp_path):
    subjects = []

    def train(subject, seed, directory):
        subjects.append(subject)
        return runs.train(subject, seed, directory)

    found = rows(make(train=train).run())
    assert list(found)[-1] == "plain-resnet"
    assert found["a"]["values"]["test_accuracy"] == [0.5, 0.6, 0.7]
    assert found["plain-resnet"]["values"]["test_accuracy"] == [0.7, 0.8, pytest.approx(0.9)]
    assert len(found["largest"]["values"]["test_accuracy"]) == 3
    networks = [subject for subject in subjects if isinstance(subject, nn.Module)]
    assert [type(network) for network in networks] == [PlainResNet] * 3
    assert len(subjects) - len(networks) == sum(isinstance(subject, Architecture) for subject in subjects) == 12
    sizes = sorted(found["a"]["values"]["params"] + found["b"]["values"]["params"])
    target = (sizes[2] + sizes[3]) / 2
    widths = [params(PlainResNet(width)) for width in range(1, 20)]
    assert found["plain-resnet"]["values"]["params"] == [min(widths, key=lambda size: abs(size - target))] * 3
    assert found["plain-resnet"]["architectures"] == [None] * 3


def test_finished_entries_are_not_computed_again(make, tmp_path):
    first = make().run()
    assert make().run() == first
    more = make(methods=["a", "b", "c"], seeds=[0, 1, 2, 3]).run()
    assert rows(more)["a"]["values"]["accuracy"][:3] == rows(first)["a"]["values"]["accuracy"]
    calls = sorted((tmp_path / "cmp").glob("*/seed-*/calls"))
    assert len(calls) == 3 * 4
    assert all(path.read_text() == "x" for path in calls)


def test_an_error_stops_it_and_the_next_start_continues(make, tmp_path):
    with pytest.raises(RuntimeError, match="a fault of ours"):
        make(methods=["a", "fails"]).run()
    assert not (tmp_path / "cmp" / "comparison.json").exists()
    (tmp_path / "cmp" / "fails" / "mended").touch()
    found = rows(make(methods=["a", "fails"]).run())
    assert found["fails"]["values"]["accuracy"] == [0.03, 0.031, 0.032]
    calls = {path.parent.name: path.read_text() for path in (tmp_path / "cmp" / "fails").glob("*/calls")}
    assert calls == {"seed-0": "x", "seed-1": "xx", "seed-2": "x"}


def test_workers_give_the_same_result(make, runs, tmp_path):
    one = make(train=runs.train, seeds=[1]).run()
    two = make(train=runs.train, seeds=[1], out=tmp_path / "parallel", workers=2).run()
    assert one == two


def test_a_worker_that_dies_is_reported_in_one_sentence(make, tmp_path):
    with pytest.raises(RunError, match=r"died 3 times on dies, seed 0 .*type the same command again"):
        make(methods=["dies"], seeds=[0, 1], workers=2).run()


def test_a_folder_of_something_else_is_refused(make, tmp_path):
    (tmp_path / "cmp").mkdir()
    (tmp_path / "cmp" / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="holds something else"):
        make().run()
    assert [path.name for path in (tmp_path / "cmp").iterdir()] == ["thesis.tex"]


def test_other_settings_are_refused(make, runs, tmp_path):
    make(settings={"epochs": 3}).run()
    before = (tmp_path / "cmp" / "comparison.json").read_text()
    for changes in ({"settings": {"epochs": 4}}, {"settings": {"epochs": 3}, "train": runs.train}):
        with pytest.raises(RunError, match="other settings"):
            make(**changes).run()
    assert (tmp_path / "cmp" / "comparison.json").read_text() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": []}, "at least one method"),
        ({"seeds": []}, "one seed"),
        ({"methods": ["a", "a"]}, "once"),
        ({"seeds": [1, 1]}, "once"),
        ({"methods": ["largest"]}, "'largest' is always in the comparison"),
        ({"workers": 0}, "workers"),
        ({"table": None}, "name the table"),
        ({"model": CostModel(get_space("darts"), NETWORK)}, "is about nas-bench-201, not darts"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(make, tmp_path, changes, message):
    with pytest.raises(SettingError, match=message):
        make(**changes).run()
    assert not (tmp_path / "cmp").exists()


def test_an_unknown_column_is_refused(make, tmp_path):
    with pytest.raises(UnknownNameError, match="Known: accuracy"):
        make(columns=["acuracy"]).run()
    assert not (tmp_path / "cmp").exists()


def test_a_search_that_leaves_nothing_is_an_error(make):
    with pytest.raises(RunError, match=r"Cannot read the result of the search, .*architecture\.json"):
        make(search=lambda method, seed, directory: None).run()


def test_what_an_ended_comparison_left_is_no_obstacle(make, tmp_path):
    """Ended at the rename of its first file: by this version, or by an earlier one."""
    whole = make(out=tmp_path / "whole").run()
    for name in ("plan.json.partial", ".plan.json.1234abcd.tmp"):
        out = tmp_path / name
        out.mkdir()
        (out / name).write_text('{"space": ')
        assert make(out=out).run() == whole
        assert sorted(path.name for path in out.iterdir()) == sorted(
            path.name for path in (tmp_path / "whole").iterdir()
        )


def test_nothing_is_written_through_links(make, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("a", "random-architectures"):
        make().run()
        shutil.rmtree(tmp_path / "cmp" / name)
        (tmp_path / "cmp" / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(RunError, match="is a link"):
            make().run()
        (tmp_path / "cmp" / name).unlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "outside").write_text("not ours")
    for name in ("comparison.json", "comparison.md", "comparison.json.partial", "plan.json.partial"):
        (tmp_path / "cmp" / name).unlink(missing_ok=True)
        (tmp_path / "cmp" / name).symlink_to(tmp_path / "outside")
    make().run()
    assert (tmp_path / "outside").read_text() == "not ours"


def test_an_entry_of_another_space_s_architecture_is_damaged(make, tmp_path):
    make().run()
    entry = tmp_path / "cmp" / "a" / "seed-0" / "entry.json"
    entry.write_text(json.dumps({**read_json(entry), "architecture": "nothing of this space"}))
    with pytest.raises(RunError, match=r"entry\.json is damaged: .* type: rm "):
        make().run()


@pytest.mark.parametrize("content", ["{", "[]", '{"space": 1}', "[" * 100_000, '{"space": "x", "trained": 1}', "\x00"])
def test_a_damaged_plan_or_entry_is_told(make, tmp_path, content):
    make().run()
    entry = tmp_path / "cmp" / "a" / "seed-0" / "entry.json"
    entry.write_text(content)
    with pytest.raises(RunError, match=r"entry\.json is damaged: .* type: rm "):
        make().run()
    (tmp_path / "cmp" / "plan.json").write_text(content)
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        make().run()
