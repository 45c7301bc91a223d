"""A network of the user's own: what is refused, and the way from a file to a thinner network."""

import json
import sys

import pytest
import torch
from torch import nn

import nascence
from nascence.api.exporting import export
from nascence.api.models import OwnModel
from nascence.api.planning import plan
from nascence.api.searching import priced
from nascence.api.training import load_model, train
from nascence.cli import main
from nascence.costs import Budget
from nascence.errors import BudgetError, NascenceError, RunError, SettingError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.spaces.own import known
from nascence.tasks.base import Signature

DIGITS = Signature.images((1, 8, 8), 10)
SMALL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.last = nn.Linear(8, classes)

    def forward(self, x):
        x = self.stem(x)
        return self.last((x + self.body(x)).mean(dim=(2, 3)))

def build(classes=10, channels=1):
    return Net(classes, channels)
"""
QUICK = {"epochs": 2, "warmup_epochs": 1, "epoch_images": 200}


@pytest.fixture
def mynet(tmp_path):
    path = tmp_path / "mynet.py"
    path.write_text(SMALL)
    return path


def weights_of(path, folder):
    module = OwnModel.given(path)
    own = module.space(DIGITS)
    file = folder / "weights.pt"
    torch.save(own.state, file)
    return file


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_library_at_all", "cannot be imported (ModuleNotFoundError: No module named 'no_such"),
        ("def build(:", "cannot be imported (SyntaxError"),
        ("raise SystemExit(3)", "cannot be imported (SystemExit: 3)"),
        ("x = 1", "has no 'build'"),
        ("build = 3", "'build' in net.py is no function, but int"),
        ("def build(size): pass", "needs arguments (size)"),
        ("def build(): raise OSError('no disk')", "fails (OSError: no disk)"),
        ("def build(): return [1]", "returns list; expected a torch.nn.Module"),
        ("from torch import nn\ndef build(): return nn.ReLU()", "no convolution and no linear layer"),
        (
            "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(9, 10))",
            "cannot be called with",
        ),
        ("from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))", "expects [3, 10]"),
        (
            "from torch import nn\nclass N(nn.Sequential):\n  def forward(s, x):\n    x = s[0](x.flatten(1))\n"
            "    return x if x.sum() > 0 else -x\ndef build(): return N(nn.Linear(64, 10))",
            "cannot be traced",
        ),
        (
            "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))",
            "Nothing of this network",
        ),
    ],
)
def test_a_network_that_will_not_do_is_refused_in_a_sentence(source, told, tmp_path):
    path = tmp_path / "net.py"
    path.write_text(source)
    with pytest.raises(SettingError) as caught:
        nascence.search(model=path, data="digits", out=tmp_path / "run", progress=False)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_names_that_name_nothing_are_refused(tmp_path, mynet):
    for model in ("mynet", tmp_path / "absent.py", f"{mynet}:no-name", 3):
        with pytest.raises(SettingError):
            OwnModel.given(model)
    with pytest.raises(SettingError, match="leave --space darts out"):
        nascence.search(model=mynet, space="darts")
    with pytest.raises(SettingError, match="--model"):
        nascence.search(weights=tmp_path / "w.pt")


def test_weights_that_do_not_fit_are_refused(tmp_path, mynet):
    good = torch.load(weights_of(mynet, tmp_path), weights_only=True)
    cases = {
        "missing": {name: value for name, value in good.items() if name != "last.bias"},
        "foreign": {**good, "more": torch.zeros(1)},
        "shaped": {**good, "last.bias": torch.zeros(3)},
        "nested": {"state_dict": {name: value for name, value in good.items() if name != "last.bias"}},
    }
    for name, state in cases.items():
        torch.save(state, tmp_path / f"{name}.pt")
        with pytest.raises(SettingError, match="do not fit Net"):
            OwnModel.given(mynet, tmp_path / f"{name}.pt").space(DIGITS)
    (tmp_path / "text.pt").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "pickle.pt")
    for name in ("text", "list", "pickle"):
        with pytest.raises(SettingError, match="holds no"):
            OwnModel.given(mynet, tmp_path / f"{name}.pt")


def test_weights_decide_whether_there_is_anything_to_keep(tmp_path, mynet):
    assert not OwnModel.given(mynet).space(DIGITS).trained
    assert OwnModel.given(mynet).space(DIGITS).name == OwnModel.given(f"{mynet}:build").space(DIGITS).name
    file = weights_of(mynet, tmp_path)
    trained = torch.load(file, weights_only=True)
    torch.save({f"module.{name}": value + 1 for name, value in trained.items()}, file)
    own = OwnModel.given(mynet, file).space(DIGITS)
    assert own.trained
    assert torch.equal(own.state["last.bias"], trained["last.bias"] + 1)


def test_the_file_sees_its_own_classes_and_leaves_no_trace(tmp_path):
    path = tmp_path / "with_data.py"
    path.write_text(
        "from __future__ import annotations\nimport dataclasses\nfrom torch import nn\n@dataclasses.dataclass\n"
        "class Shape:\n  width: int = 8\nprint('words')\ndef build(classes):\n"
        "  layers = nn.Conv2d(1, Shape().width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)\n"
        "  return nn.Sequential(*layers)\n"
    )
    before = (list(sys.path), set(sys.modules))
    assert OwnModel.given(path).space(DIGITS).choices[0].name == "0"
    assert list(sys.path) == before[0]
    assert "nascence_own_network" not in sys.modules
    assert sorted(each.name for each in tmp_path.iterdir()) == ["with_data.py"]


def test_a_budget_below_the_thinnest_is_refused_and_nothing_is_overwritten(tmp_path, mynet):
    first = nascence.search("random", model=mynet, data="digits", out=tmp_path / "run", progress=False)
    content = (tmp_path / "run" / "architecture.json").read_bytes()
    with pytest.raises(BudgetError, match="reachable: FLOPs from"):
        nascence.search(model=mynet, data="digits", max_flops=10, out=tmp_path / "run", overwrite=True, progress=False)
    assert (tmp_path / "run" / "architecture.json").read_bytes() == content
    assert first.record["own"]["model"] == "mynet.py:build"


def test_from_a_file_to_a_thinner_network(tmp_path, mynet):
    """Searched, trained from the weights, taught, exported; all of it without the file and the weights."""
    file, out = weights_of(mynet, tmp_path), tmp_path / "run"
    whole = nascence.search("random", model=mynet, data="digits", out=tmp_path / "other", progress=False).record["own"]
    found = nascence.search(
        model=f"{mynet}:build",
        weights=file,
        data="digits",
        max_flops=0.5 * whole["flops"],
        out=out,
        progress=False,
        **QUICK,
    )
    assert found.record["flops"] <= 0.5 * whole["flops"] < found.record["own"]["flops"]
    assert read_json(out / "config.json")["preset"] == "laptop-own"
    mynet.unlink()
    file.unlink()
    known._known.clear()  # as in another process
    assert export(out, untrained=True).trained, "the weights are those that were brought, cut to size"
    trained = train(out, epochs=1, teacher=True, progress=False)
    assert trained.metrics["training"]["teacher"] is True
    assert trained.metrics["training"]["settings"]["learning_rate"] == pytest.approx(0.2 * 0.05)
    model = load_model(out)
    assert sum(p.numel() for p in model.parameters()) == found.record["params"]
    export(out)
    export(out, "python")
    assert (out / "model.onnx").stat().st_size > 0
    scratch = train(
        out / "architecture.json", data="digits", out=tmp_path / "scratch", epochs=1, from_scratch=True, progress=False
    )
    assert scratch.metrics["training"]["from_scratch"] is True
    assert (tmp_path / "scratch" / known.GRAPH).is_file()


def test_the_module_from_python(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 8, 3), nn.Linear(8, 10)

        def forward(self, x):
            return self.last(self.first(x).relu().mean(dim=(2, 3)))

    module = Own()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = nascence.search("random", model=module, data="digits", out=tmp_path / "run", progress=False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    known._known.clear()
    run = RunDirectory.open(found.run.path)
    assert train(run, epochs=1, progress=False).metrics["params"] == found.record["params"]


def test_an_architecture_alone_says_where_its_network_is(tmp_path, mynet):
    found = nascence.search("random", model=mynet, data="digits", out=tmp_path / "run", progress=False)
    record = read_json(found.run.path / "architecture.json")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "architecture.json").write_text(json.dumps({**record, "space": "own-0123456789ab"}))
    with pytest.raises(NascenceError, match="kept in the run directory"):
        nascence.Architecture.load(alone / "architecture.json")


WITH_A_RIDDLE = (
    SMALL.replace(
        "class Net",
        "class Riddle(nn.Module):\n    def forward(self, x):\n        return x if x.shape[0] >= 0 else -x\n\nclass Net",
    )
    .replace("self.last((x + self.body(x))", "self.last(self.riddle(x + self.body(x))")
    .replace("        self.last = ", "        self.riddle = Riddle()\n        self.last = ")
)


def test_what_cannot_be_traced_is_left_whole_and_named(tmp_path):
    path = tmp_path / "riddle.py"
    path.write_text(WITH_A_RIDDLE)
    own = OwnModel.given(path).space(DIGITS)
    assert own.borrowed, own.table()
    told = {part["part"]: part["whole"] for part in own.table()}
    assert "cannot be traced" in told["riddle"]
    assert told["stem.0"].startswith("Riddle (riddle) reads it")
    out = tmp_path / "run"
    found = nascence.search("random", model=path, data="digits", out=out, progress=False)
    known._known.clear()
    path.unlink()
    assert train(out, epochs=1, progress=False).metrics["params"] == found.record["params"]
    known._known.clear()
    (out / known.SOURCE).write_text("print('changed')")
    with pytest.raises(RunError, match="was changed since"):
        train(out, epochs=2, overwrite=True, progress=False)


def test_a_stranger_s_program_runs_only_when_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NASCENCE_TRUSTED", "")
    path = tmp_path / "riddle.py"
    path.write_text(WITH_A_RIDDLE + f"\n(__import__('pathlib').Path({str(tmp_path)!r}) / 'was-run').touch()\n")
    out, ran = tmp_path / "run", tmp_path / "was-run"
    nascence.search("random", model=path, data="digits", out=out, progress=False)
    ran.unlink()

    def reported(*more):
        known._known.clear()
        return main(["report", str(out), *more])

    assert reported() == 0, "by the user who ran it"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("NASCENCE_TRUSTED", "")
    ran.unlink(missing_ok=True)
    assert reported() == 2
    assert not ran.exists()
    assert reported("--trust") == 0
    assert ran.exists()
    assert reported() == 0, "trusted once"


def test_plan_knows_one_s_own_network(mynet):
    told = plan(model=mynet, data="digits", max_params=500, measure=False)
    assert told["space"].startswith("own-")
    assert told["budget"]["possible"]


def test_the_price_is_on_what_is_limited():
    assert priced("dmasking", Budget(max_params=10), (), {}) == {"cost": "params"}
    assert priced("dmasking", Budget(max_flops=10), (), {}) == {}
    assert priced("dmasking", Budget(max_params=10, max_flops=10), (), {}) == {}
    assert priced("dmasking", Budget(max_params=10), ["cost=flops"], {}) == {}
    assert priced("dmasking", Budget(max_params=10), (), {"price.of": "flops"}) == {}
    assert priced("random", Budget(max_params=10), (), {}) == {}
