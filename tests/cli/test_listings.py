"""What the lists say is what is there, and costs no import of it."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from nascence.cli import listings
from nascence.cli.listings import asked, listed
from nascence.methods import METHODS
from nascence.scores import SCORES
from nascence.spaces import SPACES
from nascence.testing.toy_method import ToyMethod

REGISTRIES = {"methods": METHODS, "spaces": SPACES, "scores": SCORES}


@pytest.mark.parametrize("kind", ["methods", "spaces", "scores"])
def test_the_file_says_what_is_there(kind):
    there = [entry for entry in asked(kind) if comes_with_nascence(REGISTRIES[kind]._entries[entry["name"]])]
    said = json.loads(listings.FILE.read_text(encoding="utf-8"))[kind]
    assert said == json.loads(json.dumps(there)), "type: python -m nascence.cli.listings"


def comes_with_nascence(entry):
    """Whether a registry's entry is not one that a test added."""
    module = entry.partition(":")[0] if isinstance(entry, str) else entry.__module__
    return module.startswith("nascence.") and not module.startswith("nascence.testing.")


def test_the_text_is_the_file_of_all_kinds(monkeypatch):
    monkeypatch.setattr(listings, "asked", lambda kind: [{"name": kind}, {"name": "b"}])
    assert json.loads(listings.text()) == {kind: [{"name": kind}, {"name": "b"}] for kind in REGISTRIES}


def test_names_that_were_added_are_listed_too(monkeypatch):
    monkeypatch.setitem(METHODS._entries, "toy", ToyMethod)
    assert listed("methods")[-1]["name"] == "toy"


def test_a_package_with_names_of_its_own_makes_all_be_asked(monkeypatch):
    monkeypatch.delitem(sys.modules, "nascence.scores")
    monkeypatch.setattr(listings, "asked", lambda kind: [{"name": f"asked for {kind}"}])
    monkeypatch.setattr(listings, "entry_points", lambda group: [group] if group == "nascence.scores" else [])
    assert listed("scores") == [{"name": "asked for scores"}]
    monkeypatch.setattr(listings, "entry_points", lambda group: [])
    assert next(entry["name"] for entry in listed("scores")) == "ntk-condition"


def test_lists_and_help_import_no_pytorch(tmp_path):
    lines = ["methods", "methods --json", "spaces", "scores", "runs list", "--help", "measure --help", "score --help"]
    put_data_of_every_kind(tmp_path)
    code = f"""
import sys
from nascence.cli import main
for line in {lines!r}:
    assert main(line.split()) == 0, line
    found = [name for name in ("torch", "numpy", "pyarrow", "matplotlib") if name in sys.modules]
    assert not found, (line, found)
assert main("datasets --data-dir data".split()) == 0
assert not [name for name in ("torch", "matplotlib", "sklearn", "pandas") if name in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "te-nas" in done.stdout
    listed = done.stdout.partition("data set")[2]
    assert [name for name in ("digits", "graph", "cora", "noisy", "pets", "table") if name not in listed] == []


def put_data_of_every_kind(place):
    """What every loader looks into to recognise it."""
    data = place / "data"
    for folder in ("cora/raw", "noisy_pairs/noisy", "noisy_pairs/clean", "pets/cat", "pets/dog"):
        (data / folder).mkdir(parents=True)
    (data / "cora" / "raw" / "ind.cora.graph").touch()
    np.savez(data / "graph.npz", features=np.ones((2, 1)), labels=np.arange(2), edges=np.zeros((1, 2), int))
    for name, side in (("cat", 3), ("dog", 4)):
        Image.new("RGB", (side, side)).save(data / "pets" / name / "0.png")
    parquet.write_table(pa.table({"image": [b""], "label": [0]}), data / "table.parquet")
