"""Latencies of parts stay for whoever asks next: the calmest measurement counts."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from nascence.cache import cache_folder
from nascence.costs import kept as kept_module
from nascence.costs.kept import Kept, KeptLatencies
from nascence.costs.networks import Networks
from nascence.costs.quiet import QuietTimes
from nascence.costs.timing import Passes
from nascence.reading import read_json
from nascence.spaces import get_space
from nascence.tasks.base import Signature

SHAPES = [(), (2,)]


def measured(value: float) -> list[np.ndarray]:
    return [np.array(value), np.array([value, 2 * value])]


def networks(folder: Path, *, anew: bool = False, least: float = 1.0) -> Networks:
    """With a reference of so many milliseconds at its quickest."""
    space = get_space("nas-bench-201")
    quiet = QuietTimes(lambda: None)
    found = Networks(
        space,
        space.networks["evaluation"],
        Signature.images((3, 8, 8), 2),
        threads=1,
        quiet=quiet,
        kept=KeptLatencies(lambda: folder),
        anew=anew,
    )
    quiet.least(found._reference_name(1), least)
    return found


def ask(found: Networks, value: float, *, slowdown: float, now: float = 9.0) -> tuple[float, int]:
    """What counts, and how often it was measured, when a measurement gives ``value``."""
    calls = itertools.count()

    def measure() -> list[np.ndarray]:
        next(calls)
        passes = Passes((value,), 0.0, slowdown)
        found._unrest.append(passes)
        if passes.disturbed:
            found.noise.append(passes.disturbed)
        return measured(value)

    found._now["unrest"] = now
    constant, part = found.calmest("parts", SHAPES, measure)
    assert part.tolist() == pytest.approx([float(constant), 2 * float(constant)])
    return float(constant), next(calls)


def test_what_was_measured_as_calmly_counts_again(tmp_path: Path) -> None:
    assert ask(networks(tmp_path), 3.0, slowdown=1.6) == (3.0, 1)
    later = networks(tmp_path)
    assert ask(later, 4.0, slowdown=1.6, now=1.6) == (3.0, 0)
    assert later.noise == ["a reference network took 1.6 times as long as at its quickest"], "and says so again"


def test_a_calmer_machine_measures_anew_and_the_calmer_one_counts(tmp_path: Path) -> None:
    assert ask(networks(tmp_path), 3.0, slowdown=1.6) == (3.0, 1)
    assert ask(networks(tmp_path), 4.0, slowdown=1.8, now=1.0) == (3.0, 1), "it became busy meanwhile"
    assert ask(networks(tmp_path), 2.0, slowdown=1.1, now=1.0) == (2.0, 1)
    assert ask(networks(tmp_path), 5.0, slowdown=1.0, now=1.0) == (2.0, 0), "a calm one is not repeated"
    assert ask(networks(tmp_path, anew=True), 5.0, slowdown=1.5, now=1.0) == (5.0, 1), "unless somebody says so"
    assert ask(networks(tmp_path), 5.0, slowdown=1.0) == (2.0, 0)


def test_what_is_learned_of_the_reference_later_scales_what_was_kept(tmp_path: Path) -> None:
    assert ask(networks(tmp_path, least=2.0), 3.0, slowdown=1.0) == (3.0, 1)
    assert ask(networks(tmp_path, least=1.0), 9.0, slowdown=1.0, now=2.0) == (1.5, 0)
    assert ask(networks(tmp_path, least=1.0), 2.0, slowdown=1.0, now=1.0) == (2.0, 1), "it was not so calm"


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.update(numbers=entry["numbers"][:-1]),
        lambda entry: entry.update(shapes=[[3]]),
        lambda entry: entry.update(what="something else"),
        lambda entry: entry.update(slowdown=0.0),
        lambda entry: entry.clear(),
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, change: object) -> None:
    ask(networks(tmp_path), 3.0, slowdown=1.0)
    (file,) = tmp_path.iterdir()
    entry = read_json(file)
    change(entry)  # type: ignore[operator]
    file.write_text(json.dumps(entry))
    assert ask(networks(tmp_path), 4.0, slowdown=1.0, now=1.0) == (4.0, 1)
    assert ask(networks(tmp_path), 5.0, slowdown=1.0, now=1.0) == (4.0, 0), "it was replaced"


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = KeptLatencies(lambda: tmp_path / "file" / "below")
    store.write("it", Kept((np.zeros(2),), 0.0, 1.0, 1.0, ()))
    assert store.read("it") is None
    assert KeptLatencies(lambda: None).read("it") is None


def test_unrest_knows_no_reference() -> None:
    kept = Kept((np.ones(1),), 0.25, 1.5, 2.0, ())
    assert kept.unrest(math.inf) == 1.75
    assert kept.unrest(4.0) == 1.75, "it was never quicker than now"
    assert kept.unrest(1.0) == 3.25


def test_the_usual_folder_is_in_the_cache() -> None:
    assert kept_module.usual_folder() is None, "in tests, so that none has what another one measured"
    assert cache_folder() is not None
