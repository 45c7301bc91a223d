"""Graphs at the command line: from a file of one's own to an export, methods that nobody wrote for graphs, mistakes,
and what is said where PyTorch Geometric is missing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NODES = 60
SMALL = ("--space", "sane-1", "--data", "g.npz", "--threads", 1)


def save(name="g.npz", **changes):
    numbers = np.arange(NODES)
    arrays = {
        "features": np.random.default_rng(0).normal(size=(NODES, 8)).astype(np.float32),
        "labels": numbers % 3,
        "edges": np.stack([numbers, (numbers + 3) % NODES], 1),
    }
    np.savez(name, **{**arrays, **changes})
    return name


def test_from_a_file_to_a_tuned_and_exported_network(nascence_command):
    save()
    few = ("--set", "epochs=2", "--set", "warmup_epochs=1", "--set", "searches=1")
    found = nascence_command("search", "--space", "sane-1", "--data", "g.npz", "--out", "a", *few)
    assert found.code == 0, found.err
    assert "read as undirected" in found.err
    done = nascence_command("train", "a", "--epochs", 2, "--tune", 2, "--json")
    assert done.code == 0, done.err
    assert done.json["tuning"]["trials"] == 2
    assert done.json["without_edges"]["params"] > 0
    assert "without edges" in done.err
    assert "of 2: learning_rate" in done.err
    assert nascence_command("report", "a").code == 0
    page = Path("a/report.html").read_text(encoding="utf-8")
    for title in ("Tuning", "How much the graph helps", "Which classes are confused"):
        assert f">{title}</h2>" in page
    assert "<title>Network: " in page
    assert nascence_command("predict", "a", "--out", "nodes.parquet").code == 0
    assert nascence_command("export", "a", "--format", "python").code == 0


@pytest.mark.parametrize("method", ["random", "darts", "gdas", "drnas", "beta-darts", "evolution", "nasi", "rank"])
def test_methods_that_nobody_wrote_for_graphs(nascence_command, method):
    save()
    settings = {"random": (), "evolution": ("population=4", "generations=1", "epochs=1", "reevaluated=0")}
    settings |= {
        "nasi": ("steps=2",),
        "rank": ("exhaustive=0", "evaluations=4", "population=3", "finalists=2", "draws=2"),
    }
    few = [word for text in settings.get(method, ("epochs=2", "warmup_epochs=1")) for word in ("--set", text)]
    found = nascence_command("search", "--method", method, *SMALL, "--max-params", 12000, "--out", "a", *few, "--json")
    assert found.code == 0, found.err
    assert found.json["params"] <= 12000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("search", "--method", "rank", *SMALL, "--set", "aggregate=az-nas"),
            "az-expressivity works on images with a class",
        ),
        (("search", "--method", "rank", *SMALL, "--set", "network=deep"), "no network size 'deep'"),
        (
            ("score", "gcn||l_max", "--space", "sane-1", "--data", "g.npz", "--scores", "zico"),
            "zico works on separate images",
        ),
    ],
)
def test_what_needs_images_says_so(nascence_command, arguments, said):
    save()
    done = nascence_command(*arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def mask(start, end):
    return (np.arange(NODES) >= start) & (np.arange(NODES) < end)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": np.arange(NODES - 1) % 3}, "make them equal"),
        ({"edges": np.array([[0, NODES + 5]])}, "its nodes are 0 to 59"),
        ({"train_mask": mask(0, 30), "val_mask": mask(20, 45), "test_mask": mask(45, 60)}, "overlap in 10 nodes"),
        ({"train_mask": mask(0, 30), "val_mask": mask(0, 0), "test_mask": mask(45, 60)}, "validation mask"),
        ({"features": np.full((NODES, 8), np.nan, np.float32)}, "NaN or infinite"),
        (
            {
                "train_mask": mask(0, 30) & (np.arange(NODES) % 3 != 2),
                "val_mask": mask(30, 45),
                "test_mask": mask(45, 60),
            },
            "no training node",
        ),
    ],
)
def test_bad_graphs_end_in_one_sentence(nascence_command, changes, said):
    done = nascence_command("search", "--data", save(**changes), "--out", "a")
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("a").exists()


def test_without_the_library_every_command_names_the_extra(nascence_command):
    """In a program of its own, in which the library cannot be imported."""
    save()
    trained = nascence_command("train", "gcn||l_max", *SMALL, "--out", "t", "--epochs", 1)
    assert trained.code == 0, trained.err
    commands = [
        ["search", "--data", "g.npz", "--out", "q"],
        ["train", "gcn||l_max", "--space", "sane-1", "--data", "g.npz", "--out", "q"],
        ["predict", "t", "--out", "nodes.parquet"],
        ["export", "t", "--format", "python"],
        ["spaces"],
    ]
    program = (
        "import sys; sys.modules['torch_geometric'] = None\n"
        "from nascence.cli import main\n"
        f"print([main(words) for words in {commands!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.rstrip().endswith("[2, 2, 2, 2, 0]"), done.stderr
    assert done.stderr.count("pip install '.[graphs]'") == 4
    assert "Traceback" not in done.stderr
    assert not Path("q").exists()
