"""How graphs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from nascence.declaring import Settings, setting
from nascence.errors import SettingError


@final
@dataclass(frozen=True, kw_only=True)
class NodeSettings(Settings):
    """How a graph with a class a node is read."""

    split: Literal["auto", "random", "given", "public"] = setting(
        "auto",
        "random (60/20/20 of every class, by split_seed), given (the masks in the file, number split_number of them), "
        "public (the 20 nodes a class of Planetoid), or auto for given where there are masks, else random.",
    )
    split_number: int = setting(0, "Of the given splits, from 0.")
    split_seed: int | None = setting(None, "Of the random split, none for the seed of the data.")
    scoring: Literal["auto", "accuracy", "macro_f1", "roc_auc"] = setting(
        "auto", "auto is roc_auc where there are two classes, else accuracy."
    )
    features: Literal["plain", "rows", "columns"] = setting(
        "plain",
        "rows divides every node's features by their sum, columns brings every feature to mean 0 and deviation 1, "
        "plain leaves them.",
    )
    directed: bool = setting(False, "Edges have one direction; otherwise they mean both.")
    fanouts: tuple[int, ...] | None = setting(
        None,
        "So many edges into a node are drawn, hop by hop, and batches are nodes with their neighbourhoods; 0 sees the "
        "whole graph at once; none for the whole graph where it is small enough.",
    )
    untrained_classes: bool = setting(False, "Classes without a training node are accepted.")

    def __post_init__(self) -> None:
        if self.fanouts and self.fanouts != (0,) and min(self.fanouts) < 1:
            raise SettingError(f"fanouts are numbers of edges, 1 or more for each hop, got {list(self.fanouts)}.")
        if self.split_number and self.split in ("random", "public"):
            raise SettingError(f"split_number is about given splits; it is of no use with split={self.split}.")
        if self.split_seed is not None and self.split in ("given", "public"):
            raise SettingError(f"split_seed is about random splits; it is of no use with split={self.split}.")


__all__ = ["NodeSettings"]
