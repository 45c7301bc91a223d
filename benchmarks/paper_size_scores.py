"""Scores at the papers' network size on random NAS-Bench-201 cells, held against one published table.

    python benchmarks/paper_size_scores.py compute --out DIR [--cells 500] [--seed 0]     # resumable: the same again
    python benchmarks/paper_size_scores.py table DIR                                      # Markdown, of what is there

The network is ``evaluation`` (16 channels, 5 cells a stage), the images 32 x 32 of CIFAR-10, the batch 64, one draw, as
in the table of VKDNW (arXiv 2502.04975, table 1; code: NB201/ of ondratybl/VKDNW, after cvlab-yonsei/AZ-NAS); the dear
``zen``, ``swap``, ``vkdnw-entropy``, ``gradsign`` and ``grasp`` take 16 images, and ``ntk-condition``,
``linear-regions`` and ``ntk-trace`` are at their defaults, on small networks. Architectures are drawn uniformly from
all 15,625, as the published figures weight them, until ``--cells`` of them compute different functions; each of those
is scored once.

Needs about an hour and a half of one core for 500 cells (``--workers`` shares it out), and ``NASCENCE_DATA``.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, final

import numpy as np
import torch

from nascence.architecture import Architecture
from nascence.benchmarks.baselines import baselines
from nascence.benchmarks.correlation import kendall, oriented
from nascence.benchmarks.judging import Judgement, judge_scores
from nascence.benchmarks.scores_file import ScoreTable, read_scores
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import Loaded, ScoreStream
from nascence.benchmarks.tables import Table, load_table
from nascence.engine.pool import Inline, LocalProcesses
from nascence.runs import show_progress
from nascence.runs.journal import Journal
from nascence.scores import SCORES, Probe, Score
from nascence.scores.naswot import agreement_kernel, log_determinant
from nascence.scores.passes import training_pass
from nascence.spaces import Space, get_space
from nascence.tasks import find_data_dir, load_task
from nascence.tasks.base import Signature

_SMALL = {"network": "evaluation", "images": 16}
_LARGE = {"network": "evaluation", "images": 64}


def _same(names: str, **fields: Any) -> dict[str, dict[str, Any]]:
    return {name: dict(fields) for name in names.split()}


GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "shared": {
        **_same("params flops trainable-layers ntk-condition linear-regions ntk-trace"),
        **_same("grad-norm snip plain fisher jacob-cov naswot", **_LARGE),
        **_same("az-expressivity az-progressivity az-trainability intrain", **_LARGE),
        **_same("synflow meco l2-norm", network="evaluation"),
        **_same("zen swap vkdnw-entropy", **_SMALL),
    },
    "zico": {**_same("zico", **_LARGE, initialisation="default"), **_same("gradsign", **_SMALL)},
    "grasp": _same("grasp", **_SMALL),
}
"""The settings of every score by the file it goes to; ``shared`` is one forward and backward of images and of noise."""

ALL_CELLS = {
    "flops": (0.578, 0.753, 0.551, 0.727),
    "trainable-layers": (0.580, 0.723, 0.594, 0.737),
    "grad-norm": (0.356, 0.483, 0.359, 0.489),
    "grasp": (0.315, 0.454, 0.322, 0.461),
    "snip": (0.454, 0.615, 0.462, 0.620),
    "synflow": (0.571, 0.769, 0.565, 0.761),
    "jacob-cov": (0.545, 0.712, 0.554, 0.720),
    "naswot": (0.556, 0.742, 0.579, 0.768),
    "zen": (0.244, 0.321, 0.232, 0.300),
    "zico": (0.590, 0.785, 0.600, 0.794),
    "ntk-condition": (0.489, 0.676, 0.481, 0.664),
    "az-nas": (0.739, 0.912, 0.722, 0.899),
    "vkdnw-single": (0.604, 0.798, 0.607, 0.802),
    "vkdnw-agg": (0.740, 0.911, 0.735, 0.905),
}
LIVE_CELLS = {
    "flops": (0.623, 0.799, 0.586, 0.763),
    "trainable-layers": (0.626, 0.767, 0.646, 0.787),
    "grad-norm": (0.328, 0.438, 0.341, 0.451),
    "grasp": (0.352, 0.505, 0.349, 0.498),
    "snip": (0.431, 0.591, 0.440, 0.597),
    "synflow": (0.561, 0.758, 0.553, 0.750),
    "jacob-cov": (0.616, 0.800, 0.639, 0.820),
    "naswot": (0.571, 0.762, 0.607, 0.799),
    "zen": (0.102, 0.103, 0.079, 0.072),
    "zico": (0.607, 0.802, 0.614, 0.809),
    "ntk-condition": (0.536, 0.722, 0.537, 0.723),
    "az-nas": (0.712, 0.892, 0.696, 0.880),
    "vkdnw-single": (0.618, 0.815, 0.634, 0.829),
    "vkdnw-agg": (0.750, 0.919, 0.753, 0.919),
}
"""Kendall and Spearman on CIFAR-10, then on CIFAR-100: on all 15,625 cells, from the authors' own notebook
(NB201/paper_preparation.ipynb in the history of their repository), and on the 9,445 cells without dead operations
(:func:`is_live`), which are what the paper's table 1 is about."""
for _published in (ALL_CELLS, LIVE_CELLS):
    _published |= {"grad-norm-of-all": _published["grad-norm"], "naswot-of-noise": _published["naswot"]}


def is_live(cell: Architecture) -> bool:
    """Whether every operation but ``none`` lies on a path from the cell's input to its output."""
    edges = [edge for edge, answer in zip(_EDGES, cell.answers, strict=True) if answer != "none"]
    fed, used = {0}, {3}
    for _ in range(3):
        fed |= {target for source, target in edges if source in fed}
        used |= {source for source, target in edges if target in used}
    return all(source in fed and target in used for source, target in edges)


_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@dataclass(frozen=True, kw_only=True)
class _OnNoise(Score):
    """A score as the table's code computes it: on 64 standard normal inputs with random labels."""

    description: ClassVar[str] = "the published table's variant"
    source: ClassVar[str] = "ondratybl/VKDNW, cvlab-yonsei/AZ-NAS"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -float("inf")
    images: int = 64
    initialisation: str = "kaiming-fan-in"

    def run(self, probe: Probe) -> Any:
        return training_pass(probe, "evaluation", self.initialisation, self.images, inputs="noise")


@final
@dataclass(frozen=True, kw_only=True)
class GlobalGradNorm(_OnNoise):
    """The norm of all gradients together, normalisation's included: not the sum of the layers' norms."""

    name: ClassVar[str] = "grad-norm-of-all"

    def __call__(self, probe: Probe) -> float:
        run = self.run(probe)
        return self.finite(sum(gradient.square().sum() for gradient in run.gradients.values()).sqrt())


@final
@dataclass(frozen=True, kw_only=True)
class NoiseNASWOT(_OnNoise):
    """naswot of noise."""

    name: ClassVar[str] = "naswot-of-noise"

    def __call__(self, probe: Probe) -> float:
        return self.finite(log_determinant(agreement_kernel(self.run(probe).active)))


PORTS: dict[str, tuple[Score, ...]] = {"shared": (GlobalGradNorm(), NoiseNASWOT())}
"""Variants that explain a difference, beside our scores of a group."""


def sample(space: Space, cells: int, seed: int) -> Selection:
    """The shortest beginning of a random order of the space that has ``cells`` distinct cells."""
    order = Selection.sample(space, space.size, seed).architectures
    distinct = set()
    for at, architecture in enumerate(order, start=1):
        distinct.add(space.canonical(architecture))
        if len(distinct) == cells:
            return Selection(f"the first {at} of seed {seed}, {cells} distinct", order[:at])
    raise SystemExit(f"{space.name} has {len(distinct)} distinct cells.")


def compute(out: Path, cells: int, seed: int, groups: list[str], workers: int) -> None:
    """Score group after group; what is there already is kept."""
    torch.set_num_threads(1)
    space = get_space("nas-bench-201")
    selection = sample(space, cells, seed)
    task = load_task("cifar10", find_data_dir())
    out.mkdir(parents=True, exist_ok=True)
    for group in groups:
        scores = [SCORES.get(name)(**fields) for name, fields in GROUPS[group].items()]
        stream = ScoreStream(
            space=space,
            selection=selection,
            scores=[*scores, *PORTS.get(group, ())],
            load=Loaded(task),
            seed=seed,
        )
        progress = show_progress(f"Scoring ({group})", "evaluations")
        executor = LocalProcesses(workers) if workers > 1 else Inline()
        stream.run(executor, out=out / f"{group}.parquet", resume=True, progress=progress, task=task)


def so_far(directory: Path, group: str, space: Space, selection: Selection) -> ScoreTable | None:
    """A group's scores; of an unfinished one those of the first architectures."""
    finished, unfinished = directory / f"{group}.parquet", directory / f"{group}.parquet.part"
    if finished.is_file():
        return read_scores(finished)
    if not unfinished.is_file():
        return None
    with TemporaryDirectory() as folder, Journal(Path(shutil.copy(unfinished, folder))) as journal:
        settings, values = dict(journal.header), dict(journal.records)
    rows = [values.get("\t".join(space.canonical(one).answers)) for one in selection.architectures]
    rows = rows[: rows.index(None) if None in rows else len(rows)]
    names = list(rows[0] or ()) if rows else []
    settings["scores"] = {name: settings["scores"][name] for name in names}
    texts = [space.format(one) for one in selection.architectures[: len(rows)]]
    return ScoreTable(settings, texts, {name: np.array([row[name][0] for row in rows if row]) for name in names})


def print_table(directory: Path, cells: int, seed: int) -> None:
    """The Markdown tables of the documentation: a group of scores on all its architectures, then on the live ones."""
    space, table = get_space("nas-bench-201"), load_table("nas-bench-201", find_data_dir())
    selection = sample(space, cells, seed)
    for group in GROUPS:
        scores = so_far(directory, group, space, selection)
        if scores is None or len(scores.architectures) < 3:
            continue
        live = np.array([is_live(space.parse(text)) for text in scores.architectures])
        for what, kept, published in (("all", np.ones(len(live), bool), ALL_CELLS), ("live", live, LIVE_CELLS)):
            part = ScoreTable(
                scores.settings,
                [text for text, keep in zip(scores.architectures, kept, strict=True) if keep],
                {name: values[kept] for name, values in scores.columns.items()},
            )
            part = with_single(part, space)
            distinct = len({space.canonical(space.parse(text)) for text in part.architectures})
            print(f"\n{group}, {what}: {len(part.architectures)} architectures, {distinct} distinct\n")
            print("| score | CIFAR-10 | published | difference | CIFAR-100 | published | difference |")
            print("|---|---|---|---|---|---|---|")
            judged = [judge_scores(part, table, f"cifar{number}_test_acc_200ep", resamples=1) for number in (10, 100)]
            rows = [{row["score"]: row for row in judgement.rows} for judgement in judged]
            for name in sorted(rows[0], key=lambda name: -(rows[0][name]["kendall"] or -2)):
                columns = (_cells(rows[at][name], published.get(name), 2 * at) for at in (0, 1))
                print(f"| `{name}` | " + " | ".join(columns) + " |")
        print("\nThe sample's own luck (Kendall on the sample minus on all 15,625):")
        whole = judge_scores(scores, table, "cifar10_test_acc_200ep", resamples=1)
        print(", ".join(f"{name} {luck:+.3f}" for name, luck in _luck(whole, table, scores).items()))


def with_single(scores: ScoreTable, space: Space) -> ScoreTable:
    """With VKDNW_single from the number of tensors of the cell as written: ``vkdnw`` for the aggregate."""
    if "vkdnw-entropy" not in scores.columns:
        return scores
    cells, data = [space.parse(text) for text in scores.architectures], scores.settings["data"]
    signature = Signature.images(tuple(data["shape"]), data["classes"])
    tensors = baselines(space, cells, ["trainable-layers"], signature)["trainable-layers"]
    single = tensors + scores.columns["vkdnw-entropy"]
    directions = {name: {"larger_is_better": True} for name in ("vkdnw-single", "vkdnw")}
    settings = {**scores.settings, "scores": {**scores.settings["scores"], **directions}}
    return ScoreTable(settings, scores.architectures, {**scores.columns, "vkdnw-single": single, "vkdnw": single})


def _cells(row: Mapping[str, Any], published: tuple[float, ...] | None, at: int) -> str:
    ours = f"{row['kendall']:.3f} / {row['spearman']:.3f}" if row["kendall"] is not None else "-"
    if published is None or row["kendall"] is None:
        return f"{ours} | - | -"
    tau, rho = published[at : at + 2]
    return f"{ours} | {tau:.3f} / {rho:.3f} | {row['kendall'] - tau:+.3f} / {row['spearman'] - rho:+.3f}"


def _luck(judged: Judgement, table: Table, scores: ScoreTable) -> dict[str, float]:
    """For what is known of every cell, how far Kendall on the sample lies from Kendall on the whole space."""
    data = scores.settings["data"]
    names = ("params", "flops", "trainable-layers")
    signature = Signature.images(tuple(data["shape"]), data["classes"])
    known = baselines(table.space, table.architectures(), names, signature)
    accuracy = table.column(judged.column)
    sampled = {row["score"]: row["kendall"] for row in judged.rows}
    known = {**known, "12-epoch validation accuracy": table.column("cifar10_valid_acc_12ep")}
    whole = {name: kendall(oriented(values, True), accuracy) for name, values in known.items()}
    return {name: sampled[name] - tau for name, tau in whole.items() if sampled.get(name) and tau is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    computing = commands.add_parser("compute")
    computing.add_argument("--out", type=Path, required=True)
    computing.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    computing.add_argument("--workers", type=int, default=1)
    printing = commands.add_parser("table")
    printing.add_argument("directory", type=Path)
    for command in (computing, printing):
        command.add_argument("--cells", type=int, default=500)
        command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.command == "compute":
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        compute(options.out, options.cells, options.seed, options.groups, options.workers)
    else:
        print_table(options.directory, options.cells, options.seed)


if __name__ == "__main__":
    main()
