"""What is kept as goldens: searches by every method and trainings, each a fraction of a second, by the public functions
and their documented settings alone, so that nothing here changes with the inside of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Search:
    """``options``: of :func:`nascence.search`. ``needs``: ``latencies``, a file of measured networks of the toy space,
    ``table``, one of the space ``nas-bench-macro``, or ``pictures``, a folder that is searched on; all are made up."""

    method: str
    space: str = "toy"
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=lambda: SIZE)
    needs: str | None = None


@dataclass(frozen=True)
class Train:
    """Of an architecture's text; ``options``: of :func:`nascence.train`."""

    architecture: str
    space: str
    options: Mapping[str, Any]


SIZE = {"channels": 4, "depth": 2}
"""Of the network that would be trained in the end."""

SMALL = {
    "epochs": 2,
    "batch_size": 8,
    "channels": 4,
    "depth": 1,
    "train_images": 24,
    "valid_images": 24,
    "check_images": 16,
    "architecture_learning_rate": 0.02,
}
"""Three steps an epoch, and steps of the architecture that can be seen."""

CELLS = {**SMALL, "epochs": 1, "channels": 2, "depth": 2, "train_images": 16, "valid_images": 16}
"""The same for the spaces of papers."""

DENOISE = {"task": "denoise", "task_settings": ("sigma=25", "patch=8")}
DOUBLE = {"task": "super-resolve", "task_settings": ("scale=2", "patch=8")}
"""Of pictures; patches are of the degraded ones."""

BLOCKS = {
    "complexities": (0.0, 3.0),
    "epochs": 2,
    "warmup_epochs": 1,
    "batch_size": 16,
    "channels": 2,
    "depth": 2,
    "train_images": 16,
    "valid_images": 16,
    "check_images": 0,
    "typical_step": 0.5,
    "population": 2,
    "generations": 1,
    "reevaluated": 1,
    "reevaluation_epochs": 1,
    "value_epochs": 1,
    "value_batch_size": 16,
    "value_images": 40,
    "value_channels": 2,
}
SCORED = {"objectives": ("naswot", "params"), "population": 4, "generations": 2}


def small(method: str, **settings: Any) -> Search:
    return Search(method, settings={**SMALL, **settings})


def cells(method: str, space: str, **settings: Any) -> Search:
    return Search(method, space, {**CELLS, **settings})


def pictures(method: str, space: str, options: Mapping[str, Any], **settings: Any) -> Search:
    """Two steps an epoch; the second and last one moves the architecture."""
    shared = {"epochs": 2, "warmup_epochs": 1, "batch_size": 2, "epoch_images": 4, "check_images": 1}
    rates = {"size": "search-small", "architecture_learning_rate": 0.05}
    return Search(method, space, {**shared, **rates, **settings}, options, needs="pictures")


def latency(method: str, **settings: Any) -> Search:
    return Search(method, settings={**SMALL, **settings}, needs="latencies")


CASES: dict[str, Search | Train] = {
    # Gradient methods on the toy space
    "darts": small("darts"),
    "darts-many-steps": small("darts", train_images=200, valid_images=200, epochs=1),
    "darts-second-order": small("darts", order=2),
    "darts-weights-first": small("darts", first="weights"),
    "darts-warmup": small("darts", warmup_epochs=1),
    "darts-nesterov-unclipped": small("darts", nesterov=True, clip_norm=0.0, final_learning_rate=0.0),
    "darts-edge-normalisation": small("darts", edge_normalisation=True),
    "darts-partial-channels": small("darts", partial_channels=2),
    "darts-stages": small("darts", stages=("1:4:2", "1:2:1")),
    "darts-exclude": small("darts", exclude="none", all_operations=False),
    "darts-epoch-images": small("darts", epoch_images=8),
    "darts-shrunk": small("darts", image_size=4),
    "darts-channels-last": small("darts", channels_last=True),
    "darts-beta-decay": small("darts", beta_decay=2.0),
    "darts-budget": Search("darts", settings=SMALL, options={**SIZE, "max_params": 700}),
    "gdas": small("gdas"),
    "gdas-second-order": small("gdas", order=2),
    "pc-darts": small("pc-darts", channels=8, warmup_epochs=1),
    "drnas": small("drnas"),
    "drnas-anchor": small("drnas", kl_anchor=0.1, architecture_weight_decay=0.0),
    "drnas-stages": small("drnas", epochs=3, warmup_epochs=1, stages=("2:4:2", "1:2:1"), architecture_learning_rate=1),
    "drnas-beta-decay": small("drnas", beta_decay=2.0, edge_normalisation=True),
    "beta-darts": small("beta-darts"),
    "la-darts": latency("la-darts"),
    "la-darts-soft": latency("la-darts", latency_codes="soft", latency_target=2.0),
    "la-darts-calibrated": latency("la-darts", latency_codes="calibrated"),
    "sane": small("sane", architecture_data="rest", searches=1, warmup_epochs=1),
    "dots": small("dots", epochs=4),
    "dots-partial-channels": small("dots", epochs=4, partial_channels=2),
    "explicit-topology": small("explicit-topology", edge_cost=0.1),
    "explicit-topology-gumbel": small("explicit-topology", sampler="gumbel"),
    "explicit-topology-dirichlet": small("explicit-topology", sampler="dirichlet"),
    "msg-das": small("msg-das", warmup_epochs=1, distillation_epochs=1),
    "msg-das-permuted": small("msg-das", warmup_epochs=0, sub_graphs=3, permute=True, distillation=0.0),
    "daas": small("daas", warmup_epochs=0, policy_wait=0.0, chunks=4),
    "h-das-cells": cells("h-das-cells", "h-das-cells", depth=5),
    "h-das-cells-tied": cells("h-das-cells", "h-das-cells", depth=5, tied=True),
    "h-das-stages": Search(
        "h-das-stages",
        "h-das-stages",
        {name: value for name, value in CELLS.items() if name != "depth"},
        {"channels": 4},
    ),
    "ness": small("ness", posterior_epochs=1, likelihoods=(1.0, 100.0), members=2, draws=2, svgd_steps=20),
    "e2rnas": small("e2rnas"),
    "e2rnas-pgd-first-order": small("e2rnas", order=1, attack="pgd", attack_steps=2, least_params=0.0),
    "toponas": small("toponas"),
    "toponas-partial": small("toponas", module_sharing="partial"),
    # Gradient methods on widths and on pictures
    "dmasking": Search(
        "dmasking",
        "toy-widths",
        {
            "size": "search-small",
            "epochs": 3,
            "warmup_epochs": 1,
            "batch_size": 16,
            "train_images": 48,
            "valid_images": 48,
            "check_images": 16,
            "architecture_learning_rate": 0.3,
        },
        {"channels": 8},
    ),
    "mod-nas": pictures("mod-nas", "unfold-dense", {"channels": 8, **DENOISE}, channels=8, unfolding=0),
    "trilevel-sr": pictures("trilevel-sr", "path-tree-small", {"channels": 8, **DOUBLE}, channels=8),
    # Gradient methods on the spaces of papers
    "darts-nas-bench-201": cells("darts", "nas-bench-201"),
    "gdas-nas-bench-201": cells("gdas", "nas-bench-201"),
    "drnas-nas-bench-201": cells("drnas", "nas-bench-201", stages=("1:5:2", "1:3:1"), epochs=2, warmup_epochs=0),
    "msg-das-nas-bench-201": cells("msg-das", "nas-bench-201", warmup_epochs=0, distillation_epochs=0),
    "darts-darts": cells("darts", "darts"),
    "pc-darts-darts": cells("pc-darts", "darts", channels=4, warmup_epochs=0, train_images=8, valid_images=8),
    "drnas-darts": cells(
        "drnas", "darts", channels=4, stages=("1:7:4", "1:4:2"), epochs=2, warmup_epochs=0, train_images=8
    ),
    "dots-darts": cells("dots", "darts", epochs=4, train_images=8, valid_images=8),
    "explicit-topology-darts": cells("explicit-topology", "darts", sampler="gumbel"),
    "toponas-darts": cells("toponas", "darts"),
    # Methods without descent on weights
    "random": Search("random", options={**SIZE, "max_params": 700}),
    "random-nas-bench-macro": Search("random", "nas-bench-macro", options={}),
    "te-nas": Search(
        "te-nas", "nas-bench-201", {"repeats": 1, "images": 4, "region_patches": 20, "region_networks": 1}
    ),
    "te-nas-train": Search(
        "te-nas",
        "nas-bench-201",
        {"repeats": 1, "images": 2, "batch_norm": "train", "indicators": "ntk-condition", "prune": 2},
        {**SIZE, "max_params": 2e4},
    ),
    "te-nas-regions": Search(
        "te-nas",
        "nas-bench-201",
        {
            "repeats": 1,
            "indicators": "linear-regions",
            "region_patches": 20,
            "region_networks": 1,
            "change": "relative",
        },
    ),
    "nasi": Search("nasi", settings={"steps": 3, "images": 4, "channels": 2, "depth": 2}, space="nas-bench-201"),
    "nasi-agnostic": Search(
        "nasi",
        "nas-bench-201",
        {"steps": 3, "images": 4, "channels": 2, "depth": 2, "labels": "random", "data": "noise", "nu": 20.0},
    ),
    "nasi-darts": Search("nasi", "darts", {"steps": 2, "images": 4, "channels": 2, "depth": 2, "mu": 2.0}),
    "rank-whole": Search("rank", settings={"finalists": 3, "draws": 2}, options={**SIZE, "max_params": 300}),
    "rank-evolution": Search(
        "rank",
        "nas-bench-201",
        {"exhaustive": 10, "evaluations": 4, "population": 3, "parents": 2, "finalists": 2, "draws": 2, "batch": 2},
    ),
    "evolution-scores": Search("evolution", "nas-bench-201", SCORED),
    "evolution-macro": Search("evolution", "nas-bench-macro", {**SCORED, "mutation": 0.3}, {"max_params": 1e6}),
    "evolution-training": Search(
        "evolution",
        settings={
            "population": 2,
            "generations": 1,
            "epochs": 1,
            "images": 200,
            "channels": 4,
            "depth": 1,
            "reevaluated": 0,
        },
    ),
    "evolution-supernet": Search(
        "evolution",
        settings={
            "value": "supernet",
            "population": 4,
            "generations": 1,
            "epochs": 1,
            "images": 400,
            "channels": 4,
            "depth": 1,
        },
    ),
    "evolution-table": Search(
        "evolution",
        "nas-bench-macro",
        {"value": "table", "population": 6, "generations": 3, "column": "test_acc"},
        options={},
        needs="table",
    ),
    "eg-nas": Search("eg-nas", "eg", BLOCKS, {"channels": 4}),
    "eg-nas-plain": Search(
        "eg-nas",
        "eg-one-input",
        {**BLOCKS, "gradient": "plain", "stacking": "random", "reevaluated": 0, "generations": 0},
        {"channels": 4},
    ),
    "eg-nas-darts-blocks": Search(
        "eg-nas", "eg-light", {**BLOCKS, "blocks": "darts", "generations": 0}, {"channels": 4}
    ),
    # Trainings
    "train-toy": Train("nor_conv_3x3,skip_connect,nor_conv_1x1", "toy", {"epochs": 2, "channels": 4, "depth": 1}),
    "train-nas-bench-201": Train(
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
        "nas-bench-201",
        {
            "epochs": 1,
            "batch_size": 128,
            "channels": 2,
            "depth": 1,
            "settings": {"label_smoothing": 0.1, "per_step": False, "nesterov": False, "augment": False},
        },
    ),
    "train-darts": Train(
        "normal:|sep_conv_3x3~0|dil_conv_3x3~1|+|skip_connect~0|max_pool_3x3~2|+|sep_conv_5x5~1|avg_pool_3x3~2|"
        "+|skip_connect~0|dil_conv_5x5~3|;"
        "reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|+|max_pool_3x3~0|skip_connect~2|"
        "+|max_pool_3x3~1|skip_connect~2|",
        "darts",
        {
            "epochs": 1,
            "batch_size": 480,
            "channels": 2,
            "depth": 3,
            "settings": {"auxiliary_weight": 0.4, "drop_path": 0.2, "cutout": 3, "clip_norm": 5.0},
        },
    ),
}


__all__ = ["CASES", "Search", "Train"]
