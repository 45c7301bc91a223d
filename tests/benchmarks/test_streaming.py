import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import plugin_scores
import pytest
from plugin_scores import NB201, Convolutions, Dice, few_images, stream

import nascence
from nascence.benchmarks.scores_file import read_scores
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import Loaded, ScoreStream
from nascence.engine.pool import Inline, LocalProcesses
from nascence.errors import DataError, RunError, SettingError
from nascence.scores import SCORES, evaluate
from nascence.testing import toy_space


class Listener:
    def __init__(self):
        self.told = []

    def begin(self, total, done):
        self.told.append((total, done))

    def update(self, total, done, event):
        self.told.append((total, done))

    def end(self):
        self.told.append("end")


def equivalents(count):
    """Different cells that compute the same function, and the cell that stands for them."""
    classes = {}
    for cell in NB201.enumerate():
        classes.setdefault(NB201.canonical(cell), []).append(cell)
    return next((stands, cells) for stands, cells in classes.items() if len(cells) >= count)


def test_values_are_those_of_evaluate(tmp_path):
    whole = stream(draws=3).run(out=tmp_path / "s.parquet")
    assert whole.architectures == [str(cell) for cell in stream().selection.architectures]
    single = [f"dice_draw{draw}" for draw in range(3)]
    assert list(whole.columns) == ["dice", "dice_std", *single, "convolutions", "convolutions_std"]
    assert whole.scores == ["dice", "convolutions"]
    assert whole.draws("convolutions").tolist() == [whole.columns["convolutions"].tolist()]
    checked = 0
    for at, cell in enumerate(stream().selection.architectures):
        values = evaluate([Dice()], NB201, NB201.canonical(cell), few_images(), draws=3)["dice"]
        assert whole.draws("dice")[:, at].tolist() == values
        if all(map(math.isfinite, values)):
            assert whole.columns["dice"][at] == pytest.approx(np.mean(values), rel=1e-15)
            assert whole.columns["dice_std"][at] == pytest.approx(np.std(values, ddof=1))
            checked += 1
        else:
            assert whole.columns["dice"][at] == -math.inf
            assert math.isnan(whole.columns["dice_std"][at])
    assert 10 < checked < 60
    assert (whole.columns["convolutions_std"] == 0).all()


def test_the_file_is_the_same_for_any_number_of_workers(tmp_path):
    real = [SCORES.get("ntk-trace")(images=4), Dice()]
    files = []
    for executor in (Inline(), LocalProcesses(1), LocalProcesses(3)):
        files.append(tmp_path / f"{len(files)}.parquet")
        stream(*real, count=16, draws=2).run(executor, out=files[-1])
    contents = {file.read_bytes() for file in files}
    assert len(contents) == 1
    assert not list(tmp_path.glob("*.part"))
    assert len(set(read_scores(files[0]).columns["ntk-trace"])) > 5


@pytest.mark.slow
def test_ray_gives_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(nascence.__file__).parents[1]))
    pytest.importorskip("ray", reason="Ray is an optional extra")
    import warnings

    from nascence.engine.ray_pool import RayActors

    scores = [SCORES.get("ntk-trace")(images=4), SCORES.get("params")()]
    one = replace(stream(*scores, count=10), load=Loaded(few_images()))
    one.run(LocalProcesses(1), out=tmp_path / "local.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves sockets and files to the garbage collector
        one.run(RayActors(2), out=tmp_path / "ray.parquet")
        import gc

        gc.collect()
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()


def test_equal_functions_are_scored_once_and_written_for_each(tmp_path):
    stands, cells = equivalents(4)
    log = tmp_path / "log"
    one = ScoreStream(
        space=NB201,
        selection=Selection.given(cells),
        scores=[Dice(log=str(log)), Convolutions()],
        load=few_images,
    )
    found = one.run()
    assert found.architectures == [str(cell) for cell in cells]
    assert len(set(found.columns["dice"])) == 1
    assert [line.split()[1:] for line in log.read_text().splitlines()] == [list(stands.answers)]
    # what depends on the writing is the writing's own
    assert found.columns["convolutions"].tolist() == [c.answers.count("nor_conv_3x3") for c in cells]


def test_progress_is_told():
    listener = Listener()
    stream(count=5).run(progress=listener)
    total = len({NB201.canonical(cell) for cell in stream(count=5).selection.architectures})
    sizes = [(total, 0)] * 5  # they come first, and do not count: they take no time
    assert listener.told == [*sizes, *((total, done) for done in range(total + 1)), "end"]


def start(out, log, gate):
    environment = {**os.environ, "PYTHONPATH": str(Path(nascence.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, plugin_scores.__file__, str(out), str(log), str(gate)], env=environment)


def wait_for(condition):
    """The time limit of every test is what ends it otherwise."""
    while not condition():
        time.sleep(0.005)


def test_killed_driver_and_worker(tmp_path):
    """The driver and then a worker are killed in the middle: the file is as if nothing had happened, each
    architecture is written once, and no more was computed again than was under way. A gate lets so many scores through
    that there is something left to compute however late the kills come."""
    out, log, part, gate = (tmp_path / name for name in ("s.parquet", "log", "s.parquet.part", "gate"))
    slow = Dice(log=str(log), gate=str(gate))

    def lines():
        return part.read_bytes().count(b"\n") if part.exists() else 0

    gate.write_text("16")
    driver = start(out, log, gate)
    wait_for(lambda: lines() > 60 + 10)  # sizes come first
    driver.kill()
    driver.wait()
    gate.write_text("1000")  # what each is at, it may end
    orphans = {int(line.split()[0]) for line in log.read_text().splitlines()}
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in orphans))  # they do not go on alone
    before = lines()
    assert not out.exists()
    with part.open("ab") as file:
        file.write(b"0badc0de [torn")  # as a kill within a write leaves it
    gate.write_text(str(plugin_scores.notes(str(log)) + 16))
    driver = start(out, log, gate)
    wait_for(lambda: lines() > before + 8)
    worker = int(log.read_text().splitlines()[-1].split()[0])
    assert worker not in orphans
    os.kill(worker, signal.SIGKILL)
    gate.write_text("1000")
    assert driver.wait() == 0
    assert not part.exists()
    stream(slow, Convolutions()).run(out=tmp_path / "undisturbed.parquet")
    assert out.read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()
    table = read_scores(out)
    assert len(set(table.architectures)) == len(table.architectures) == 60
    distinct = len({NB201.canonical(cell) for cell in stream().selection.architectures})
    calls = len(log.read_text().splitlines()) - distinct  # without the undisturbed run's
    assert distinct <= calls <= distinct + 2 * 2 + 1


def test_resuming_computes_what_is_missing_only(tmp_path):
    out, log = tmp_path / "s.parquet", tmp_path / "log"
    one = stream(Dice(log=str(log)), count=12)
    whole = one.run(out=out)
    done = len(log.read_text().splitlines())
    assert one.run(out=out, resume=True).columns["dice"].tolist() == whole.columns["dice"].tolist()
    assert len(log.read_text().splitlines()) == done  # nothing was left to do


def test_a_journal_that_a_kill_left_beside_the_finished_file_goes(tmp_path):
    out = tmp_path / "s.parquet"
    stream(count=4).run(out=out)
    part = tmp_path / "s.parquet.part"
    part.write_bytes(b"left")
    stream(count=4).run(out=out, resume=True)
    assert not part.exists()


@pytest.mark.parametrize("kind", ["finished", "unfinished"])
def test_other_settings_are_refused_and_listed(tmp_path, kind):
    out = tmp_path / "s.parquet"
    if kind == "finished":
        stream(count=4).run(out=out)
        kept = out
    else:
        kept = tmp_path / "s.parquet.part"
        from nascence.runs.journal import Journal

        with Journal(kept) as journal:
            journal.append(stream(count=4).settings(few_images()))
    before = kept.read_bytes()
    with pytest.raises(RunError, match="add --resume"):
        stream(count=4).run(out=out)
    with pytest.raises(RunError, match=r"seed 0, not 1; draws 1, not 2") as caught:
        stream(count=4, seed=1, draws=2).run(out=out, resume=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"scores.dice not asked for"):
        stream(Convolutions(), count=4).run(out=out, resume=True)
    with pytest.raises(RunError, match=r"architectures.selection sample 4 of seed 3, not sample 5 of seed 3"):
        stream(count=5).run(out=out, resume=True)
    toy = replace(stream(), space=toy_space(), selection=Selection.all(toy_space()))
    with pytest.raises(RunError, match=r"space nas-bench-201, not toy"):
        toy.run(out=out, resume=True)
    assert kept.read_bytes() == before


def test_another_version_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "s.parquet"
    stream(count=4).run(out=out)
    with monkeypatch.context() as patch:
        patch.setattr("nascence.version.__version__", "0.0.7")
        with pytest.raises(RunError, match=r"versions.nascence .*, not 0.0.7"):
            stream(count=4).run(out=out, resume=True)
    monkeypatch.setattr("nascence.benchmarks.scores_file.FORMAT", 2)
    with pytest.raises(DataError, match="of format 1"):
        stream(count=4).run(out=out, resume=True)


def test_what_cannot_be_asked(tmp_path):
    with pytest.raises(SettingError, match="draws"):
        stream(draws=0)
    with pytest.raises(SettingError, match="once"):
        stream(Dice(), Dice())
    with pytest.raises(RunError, match=r"s\.parquet, not"):
        stream().run(out=tmp_path / "s.csv")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"):
        stream(count=3).run(out=tmp_path / "file" / "s.parquet")


def test_data_that_changed_are_not_continued(tmp_path):
    out = tmp_path / "s.parquet"
    one, other = (replace(few_images(), digest=digest) for digest in ("one", "other"))
    kept = ScoreStream(space=NB201, selection=Selection.sample(NB201, 2, 0), scores=[Dice()], load=lambda: one)
    kept.run(out=out)
    changed = replace(kept, load=lambda: other)
    with pytest.raises(RunError, match=r"data\.digest one, not other"):
        changed.run(out=out, resume=True)
    older = replace(kept, load=lambda: replace(one, digest=""))
    older.run(out=tmp_path / "older.parquet")
    kept.run(out=tmp_path / "older.parquet", resume=True)  # of a version that remembered no digest
