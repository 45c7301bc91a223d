"""Every method and training does what it did when its golden was recorded (make.py): to the bit with the arithmetic of
that time, else to a tolerance. Which of the two, the tests' names say."""

import json
from pathlib import Path

import pytest
import torch
from golden_cases import CASES, Search, Train
from golden_records import ARITHMETIC, FOLDER, arithmetic, differences, read, record, written

from nascence.methods import METHODS
from nascence.reading import read_json

KEPT = read_json(ARITHMETIC)
SAME = arithmetic() == KEPT
MODE = "to-the-bit" if SAME else "other-arithmetic-within-1e-3"
TOLERANCE = 0.0 if SAME else 1e-3


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}-{MODE}") for name in CASES])
def test_golden(name, tmp_path):
    found = differences(read(name), json.loads(written(record(name, tmp_path))), TOLERANCE)
    assert not found, f"{len(found)} differences from {name}.json, made with {KEPT}, now {arithmetic()}:\n" + "\n".join(
        found[:20]
    )


def test_every_method_and_every_file_has_a_case():
    methods = {case.method for case in CASES.values() if isinstance(case, Search)}
    assert methods == set(METHODS.names()) - {"toy"}
    assert any(isinstance(case, Train) for case in CASES.values())
    assert {path.stem for path in FOLDER.glob("*.json")} == {*CASES, "arithmetic"}


def test_the_arithmetic_is_that_of_one_thread(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = arithmetic()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert two == arithmetic()
    assert set(KEPT) == set(two)
    monkeypatch.setattr("torch.nn.functional.avg_pool2d", lambda x, *size: x * (1 + 1e-6))
    assert arithmetic()["operations"] != two["operations"]


class TestDifferences:
    kept = {
        "events": [{"loss": 1.25, "accuracy": 50.0, "step": 3, "cell": "a"}],
        "tensors": [["2x2", "aa", 1.5], ["4", "bb", 2.5]],
    }

    def with_event(self, **changes):
        return {**self.kept, "events": [{**self.kept["events"][0], **changes}]}

    def test_the_same_and_new_fields_and_tensors_are_none(self):
        assert differences(self.kept, self.kept, 0.0) == []
        more = {**self.with_event(new=1), "tensors": [["3", "cc", 0.5], *reversed(self.kept["tensors"])]}
        assert differences(self.kept, more, 0.0) == []

    @pytest.mark.parametrize(
        ("changes", "tolerance", "differs"),
        [
            ({"loss": 1.25 + 2**-40}, 0.0, True),
            ({"loss": 1.2501}, 1e-3, False),
            ({"loss": 1.26}, 1e-3, True),
            ({"accuracy": 56.25}, 0.0, True),
            ({"accuracy": 56.25}, 1e-3, False),
            ({"accuracy": 75.0}, 1e-3, True),
            ({"step": 4}, 1e-3, True),
            ({"step": 3.0}, 0.0, True),
            ({"cell": "b"}, 1e-3, True),
            ({"loss": None}, 1e-3, True),
        ],
    )
    def test_numbers(self, changes, tolerance, differs):
        assert bool(differences(self.kept, self.with_event(**changes), tolerance)) == differs

    def test_images_judged_otherwise(self):
        kept = {"results": {"confusion": [[5, 0], [0, 5]]}}
        for now, tolerance, differs in [([[4, 1], [0, 5]], 1e-3, False), ([[4, 1], [0, 5]], 0.0, True)]:
            assert bool(differences(kept, {"results": {"confusion": now}}, tolerance)) == differs
        assert differences(kept, {"results": {"confusion": [[2, 3], [0, 5]]}}, 1e-3)

    def test_what_is_lost_is_named(self):
        assert differences(self.kept, {**self.kept, "events": []}, 0.0) == [".events has 0 entries, kept were 1"]
        assert differences(self.kept, {"events": self.kept["events"]}, 0.0) == [".tensors is gone"]
        (lost,) = differences({**self.kept, "more": 1}, self.kept, 0.0)
        assert lost == ".more is gone"

    def test_tensors(self):
        def changed(*tensor):
            return {**self.kept, "tensors": [self.kept["tensors"][0], list(tensor)]}

        (told,) = differences(self.kept, changed("4", "cc", 2.5), 0.0)
        assert "[4] has the bits bb" in told
        assert differences(self.kept, changed("4", "cc", 2.5001), 1e-3) == []
        assert differences(self.kept, changed("4", "cc", 2.6), 1e-3)
        assert differences(self.kept, changed("2x2", "bb", 2.5), 1e-3), "of another shape"
        twice = {**self.kept, "tensors": [["4", "bb", 2.5]] * 2}
        assert differences(twice, {**twice, "tensors": [["4", "bb", 2.5]]}, 0.0), "each is there as often as it was"


def test_a_record_is_read_as_it_was_written():
    value = {"events": [{"a": 0.1, "b": [1, None]}, {}], "results": {}, "tensors": [["2", "aa", 1e-20]]}
    assert json.loads(written(value)) == value
    assert Path(FOLDER).is_dir()
