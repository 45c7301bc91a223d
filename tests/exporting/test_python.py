from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nascence.errors import NascenceError
from nascence.exporting import ExportError, export_python
from nascence.spaces import SPACES, CellSpace, get_space

SHAPE = (3, 8, 8)
CELL_SPACES = [n for n in SPACES.names() if n[:3] != "toy" and isinstance(get_space(n), CellSpace)]

LOAD = """
import importlib, sys
from pathlib import Path
sys.modules["nascence"] = None  # whoever imports it fails
import torch
torch.set_num_threads(1)
images = torch.load("images.pt", weights_only=True)
for path in sorted(Path().glob("network_*.py")):
    sys.path.insert(0, str(path.parent))
    module = importlib.import_module(path.stem)
    network = module.load()
    with torch.no_grad():
        torch.save({"logits": network(images), "probabilities": module.predict(network, images)}, path.stem + ".out")
"""


def in_a_fresh_process(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-I", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_cell_spaces() -> None:
    assert {"nas-bench-201", "darts"} <= set(CELL_SPACES)


def test_random_architectures_of_every_cell_space_run_without_the_package(make, tmp_path: Path) -> None:
    images = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.save(images, tmp_path / "images.pt")
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    networks: dict[str, nn.Module] = {}
    for space in CELL_SPACES:
        for seed in range(3):
            name = f"network_{space.replace('-', '_')}_{seed}"
            networks[name] = make(space, seed=seed, depth=1 + 2 * seed)
            check = export_python(networks[name], tmp_path / f"{name}.py", SHAPE, mean=mean, std=std)
            assert check.max_difference <= 1e-6 * max(1.0, check.output_scale)
    (tmp_path / "load.py").write_text(LOAD)
    in_a_fresh_process(tmp_path, "load.py")
    for name, network in networks.items():
        got = torch.load(tmp_path / f"{name}.out", weights_only=True)
        with torch.no_grad():
            expected = network(images)
            normalised = (images - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
            probabilities = network(normalised).softmax(1)
        assert expected.std(0).max() > 1e-3  # the comparison means something
        torch.testing.assert_close(got["logits"], expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(got["probabilities"], probabilities, rtol=1e-5, atol=1e-6)


def test_the_file_says_what_it_is_when_run(make, tmp_path: Path) -> None:
    network = make()
    path = tmp_path / "model.py"
    export_python(network, path, SHAPE, class_names=["a'b", '"""', "<script>", "ü\n", "e"], architecture="|x~0|")
    shown = "import runpy; print(runpy.run_path('model.py', run_name='__main__')['CLASS_NAMES'])"
    printed = in_a_fresh_process(tmp_path, "-c", shown)
    parameters = sum(p.numel() for p in network.parameters())
    assert f"{parameters:,} parameters" in printed
    assert "[2, 3, 8, 8] -> [2, 5]" in printed
    assert printed.splitlines()[-1] == str(["a'b", '"""', "<script>", "ü\n", "e"])


def test_weights_are_those_of_the_network(make, tmp_path: Path) -> None:
    network = make("darts", seed=1)
    export_python(network, tmp_path / "found.py", SHAPE)
    saved = torch.load(tmp_path / "found_weights.pt", weights_only=True)
    assert list(saved) == list(network.state_dict())
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())
    assert "MEAN" not in (tmp_path / "found.py").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"found.py", "found_weights.pt"}


def test_modes_and_gradients_are_left_alone(make, tmp_path: Path) -> None:
    network = make().train()
    network.get_submodule("last").eval()
    export_python(network, tmp_path / "model.py", SHAPE)
    assert network.training
    assert not network.get_submodule("last").training


def test_a_failure_writes_nothing(make, tmp_path: Path) -> None:
    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Flatten()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x).to(torch.device("cpu"))

    with pytest.raises(NascenceError, match="cannot be exported"):
        export_python(Strange(), tmp_path / "model.py", SHAPE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, "both 'mean' and 'std'"),
        ({"mean": (0.5,), "std": (0.5,)}, "3 values"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.0, 0.5)}, "above 0"),
    ],
)
def test_a_wrong_normalisation_is_refused(make, tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        export_python(make(), tmp_path / "model.py", SHAPE, **options)


def test_a_wrong_shape_is_refused(make, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\(channels, height, width\)"):
        export_python(make(), tmp_path / "model.py", (8, 8))
