from __future__ import annotations

from typing import Any

SMALL = ("--channels", 2, "--depth", 1, "--no-measure")


def test_words_and_json(nascence_command: Any) -> None:
    done = nascence_command("plan", *SMALL, "--max-params", 3000)
    assert done.code == 0
    assert "nas-bench-201: 15,625 architectures" in done.out
    assert "params (parameters, batch 1, any device)" in done.out
    assert "memory-mib (MiB" in done.out
    assert "can be met, by " in done.out
    assert "of all" in done.out
    told = nascence_command("plan", *SMALL, "--max-params", 3000, "--json")
    assert told.json["budget"]["limits"] == {"params": 3000}
    assert [cost["name"] for cost in told.json["costs"]] == ["params", "flops", "memory-mib"]
    assert told.json["search"] is None


def test_a_budget_out_of_reach_is_an_answer(nascence_command: Any) -> None:
    done = nascence_command("plan", *SMALL, "--max-params", 3)
    assert done.code == 0
    assert "cannot be met: No architecture of nas-bench-201" in done.out
    assert nascence_command("plan", *SMALL).out.count("none") == 1


def test_what_search_refuses(nascence_command: Any) -> None:
    done = nascence_command("plan", *SMALL, "--max-params", -3)
    assert done.code == 2
    assert "positive" in done.err


def test_lines_about_time() -> None:
    from nascence.cli.plan import _budget, _noise, _time

    unknown = {"possible": None, "why": "nothing was measured"}
    assert _budget(unknown) == "not known: nothing was measured"
    fails = {"method": "nasi", "seconds": None, "why": "nasi needs cells.", "fails": True}
    assert _time(fails) == "nasi cannot begin: nasi needs cells."
    assert "can be met" not in _budget({"possible": True, "share": 0.5, "share_below": False, "of": "all"}, fails=True)
    assert _noise({"runtime": "onnx", "disturbed": []}) is None
    assert "other work" in str(_noise({"runtime": "onnx", "disturbed": ["60% of the passes were interrupted"]}))
    timed = {"method": "te-nas", "steps": 30, "timed": 4, "seconds": 95.0, "why": None}
    assert _time(timed) == "te-nas takes about 1 min 35 s on this machine (30 steps, 4 of them timed)"
    assert "was not timed: it has no cells" in str(_time({**timed, "seconds": None, "why": "it has no cells"}))
    assert _time(None) is None
    share = {"possible": True, "share": 3e-5, "share_below": True, "of": "100,000 random"}
    assert _budget(share) == "can be met, by less than 0.003 % of the space (of 100,000 random)"


def test_a_share_that_other_work_disturbed_says_from_where_to_where() -> None:
    from nascence.cli.plan import _budget

    share = {"possible": True, "share": 0.2, "share_below": False, "of": "all", "unsure": [0.08, 0.4]}
    assert _budget(share) == "can be met, by 20 % of the space (of all; 8 to 40 %, as other work disturbed latencies)"
