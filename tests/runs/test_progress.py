from __future__ import annotations

import io
import sys

import pytest

from nascence.runs.progress import ProgressBar, ProgressLines, duration, facts, named_progress, show_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_now_and_then_and_at_the_end() -> None:
    out, clock = io.StringIO(), Clock()
    progress = ProgressLines("search", file=out, clock=clock)
    progress.begin(100, 20)
    for done in range(21, 101):
        clock.now += 0.5
        progress.update(100, done, {"step": done, "loss": 0.25, "cell": "x"})
    progress.end()
    lines = out.getvalue().splitlines()
    assert lines[0] == "search: continuing at 20, 100 steps"
    assert lines[1] == "search: 40/100 steps (40%), 2/s, 30 s left, loss 0.25"
    assert lines[-1] == "search: 100/100 steps (100%), 2/s, 0 s left, loss 0.25"
    assert len(lines) == 1 + 4


def test_the_last_line_comes_even_when_it_is_early() -> None:
    out, clock = io.StringIO(), Clock()
    progress = ProgressLines("train", "epochs", file=out, clock=clock)
    progress.begin(3, 0)
    clock.now += 1
    progress.update(3, 1, {})
    assert out.getvalue().splitlines() == ["train: starting, 3 epochs"]
    progress.end()
    assert out.getvalue().splitlines()[1] == "train: 1/3 epochs (33%), 1/s, 2 s left"


def test_nothing_done_shows_only_the_beginning() -> None:
    out = io.StringIO()
    progress = ProgressLines("search", file=out)
    progress.begin(0, 0)
    progress.end()
    assert out.getvalue() == "search: starting, 0 steps\n"


def test_the_bar_shows_count_and_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = io.StringIO()
    bar = ProgressBar("search [s0]", file=out)
    bar.begin(4, 1)
    bar.update(4, 4, {"accuracy": 0.5})
    bar.end()
    assert "4/4" in out.getvalue()
    assert "search [s0], " in out.getvalue()
    assert "accuracy 0.5" in out.getvalue()


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_cuts_the_end_of_the_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    bar = ProgressBar("te-nas on nas-bench-201", "steps", file=out)
    bar.begin(12_000, 0)
    bar.update(12_000, 11_999, {"loss": 0.123456, "accuracy": 0.5, "temperature": 1.25})
    bar.end()
    (line,) = out.getvalue().splitlines()
    bar_, count, remaining, *rest = line.split()
    assert (set(bar_) <= set("━╸╺"), count) == (True, "11999/12000")
    assert remaining.count(":") == 2, "hours, minutes, seconds"
    assert len(line) <= columns
    assert " ".join(rest).startswith(("te-", "…"))


def test_a_terminal_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(show_progress("x"), ProgressLines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(show_progress("x"), ProgressBar)


def test_facts_are_the_first_measured_numbers() -> None:
    assert facts({"epoch": 1, "loss": 0.123456, "name": "a", "accuracy": 0.5}) == "loss 0.1235, accuracy 0.5"
    assert facts({"loss": 0.5, "test_accuracy": 91.0, "x": None}, ("test_accuracy", "x")) == "test accuracy 91"
    assert facts({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}) == "a 1, b 2, c 3"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (8.4, "8 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_progress_argument_is_none_the_usual_title_or_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert named_progress(False, "usual") is None
    for wanted, title in ((True, "usual"), ("mine, seed 3", "mine, seed 3")):
        progress = named_progress(wanted, "usual", "epochs")
        assert progress is not None
        progress.begin(5, 0)
        assert capsys.readouterr().err == f"{title}: starting, 5 epochs\n"


@pytest.mark.parametrize("make", [ProgressLines, ProgressBar])
def test_a_warning_is_shown_at_once(make: type) -> None:
    out = io.StringIO()
    progress = make("search", file=out)
    progress.begin(3, 0)
    progress.update(3, 1, {"loss": 1.0, "warning": "It [collapsed]."})
    assert "It [collapsed]." in out.getvalue()
    progress.update(3, 2, {"loss": 1.0})
    progress.end()
    assert out.getvalue().count("collapsed") == 1
