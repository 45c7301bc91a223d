"""Scores at the papers' network size on random NAS-Bench-201 cells, held against one published table.

    python benchmarks/paper_size_scores.py compute --out DIR [--cells 500] [--seed 0]     # resumable: the same again
    python benchmarks/paper_size_scores.py table DIR                                      # Markdown, C10 and C100

The network is ``evaluation`` (16 channels, 5 cells a stage), the images 32 x 32 of CIFAR-10, the batch 64, one draw, as
in the table of VKDNW (arXiv 2502.04975, table 1; code: NB201/ of ondratybl/VKDNW, after cvlab-yonsei/AZ-NAS). What the
settings below do not share with it is in :data:`REMARKS`. Architectures are drawn uniformly from all 15,625, as the
published figures weight them, until ``--cells`` of them compute different functions; each of those is scored once.

Needs one thread, about an hour for 500 cells, and ``NASCENCE_DATA``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import torch

from nascence.benchmarks.correlation import kendall, oriented
from nascence.benchmarks.judging import Judgement, judge_scores
from nascence.benchmarks.scores_file import ScoreTable, read_scores
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import ScoreStream
from nascence.benchmarks.tables import Table, load_table
from nascence.runs import show_progress
from nascence.scores import SCORES, Probe, Score
from nascence.scores.naswot import agreement_kernel, log_determinant
from nascence.scores.passes import training_pass
from nascence.spaces import Space, get_space
from nascence.tasks import find_data_dir, load_task

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

PUBLISHED = {
    "flops": (0.623, 0.799, 0.586, 0.763),
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
    "trainable-layers": (0.626, 0.767, 0.646, 0.787),
    "vkdnw-single": (0.618, 0.815, 0.634, 0.829),
    "vkdnw-agg": (0.750, 0.919, 0.753, 0.919),
    "intrain": (0.669, 0.86, 0.671, float("nan")),
}
"""Kendall and Spearman on CIFAR-10, then on CIFAR-100."""


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


def compute(out: Path, cells: int, seed: int, groups: list[str]) -> None:
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
            load=lambda: task,
            seed=seed,
        )
        progress = show_progress(f"Scoring ({group})", "evaluations")
        stream.run(out=out / f"{group}.parquet", resume=True, progress=progress, task=task)


def merged(directory: Path) -> ScoreTable:
    """All groups' columns in one table, with VKDNW_single from the number of tensors of the cell as written."""
    groups = [
        read_scores(directory / f"{group}.parquet") for group in GROUPS if (directory / f"{group}.parquet").is_file()
    ]
    if not groups:
        raise SystemExit(f"There are no scores in {directory}; run `compute --out {directory}` first.")
    settings = dict(groups[0].settings)
    settings["scores"] = {name: kept for group in groups for name, kept in group.settings["scores"].items()}
    columns = {name: values for group in groups for name, values in group.columns.items()}
    columns["vkdnw-single"] = columns["trainable-layers"] + columns["vkdnw-entropy"]
    settings["scores"]["vkdnw-single"] = {"larger_is_better": True}
    return ScoreTable(settings, groups[0].architectures, columns)


def print_table(directory: Path) -> None:
    """The Markdown table of the documentation."""
    scores, table = merged(directory), load_table("nas-bench-201", find_data_dir())
    judged = [judge_scores(scores, table, f"cifar{classes}_test_acc_200ep") for classes in (10, 100)]
    rows = [{row["score"]: row for row in judgement.rows} for judgement in judged]
    print(f"{judged[0].count} architectures, {len(scores.architectures)} scored\n")
    print("| score | C10 KT / SPR | published | difference | C100 KT / SPR | published | difference |")
    print("|---|---|---|---|---|---|---|")
    for name in sorted(rows[0], key=lambda name: -rows[0][name]["kendall"]):
        print(
            f"| `{name}` | " + " | ".join(_cells(rows[at][name], PUBLISHED.get(name), 2 * at) for at in (0, 1)) + " |"
        )
    print("\nThe sample's own luck (Kendall on the sample minus on all 15,625):")
    for name, luck in _luck(judged[0], table, scores).items():
        print(f"  {name}: {luck:+.3f}")


def _cells(row: Mapping[str, Any], published: tuple[float, ...] | None, at: int) -> str:
    ours = f"{row['kendall']:.3f} / {row['spearman']:.3f}"
    if published is None:
        return f"{ours} | - | -"
    tau, rho = published[at : at + 2]
    return f"{ours} | {tau:.3f} / {rho:.3f} | {row['kendall'] - tau:+.3f} / {row['spearman'] - rho:+.3f}"


def _luck(judged: Judgement, table: Table, scores: ScoreTable) -> dict[str, float]:
    """For what is known of every cell, how far Kendall on the sample lies from Kendall on the whole space."""
    from nascence.benchmarks.baselines import baselines

    data = scores.settings["data"]
    names = ("params", "flops", "trainable-layers")
    known = baselines(table.space, table.architectures(), names, tuple(data["shape"]), data["classes"])
    accuracy = table.column(judged.column)
    sampled = {row["score"]: row["kendall"] for row in judged.rows}
    known = {**known, "12-epoch validation accuracy": table.column("cifar10_valid_acc_12ep")}
    whole = {name: kendall(oriented(values, True), accuracy) for name, values in known.items()}
    return {name: sampled[name] - tau for name, tau in whole.items() if name in sampled and tau is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    computing = commands.add_parser("compute")
    computing.add_argument("--out", type=Path, required=True)
    computing.add_argument("--cells", type=int, default=500)
    computing.add_argument("--seed", type=int, default=0)
    computing.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    commands.add_parser("table").add_argument("directory", type=Path)
    options = parser.parse_args()
    if options.command == "compute":
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        compute(options.out, options.cells, options.seed, options.groups)
    else:
        print_table(options.directory)


if __name__ == "__main__":
    main()
