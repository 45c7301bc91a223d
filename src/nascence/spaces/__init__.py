"""Search spaces, by name."""

from __future__ import annotations

from functools import cache

from nascence.architecture import known_by
from nascence.registry import Registry
from nascence.spaces.base import Choice, NetworkConfig, Size, Space, plain_size
from nascence.spaces.cells import CellShape, CellSpace
from nascence.spaces.chains import Chain, ChainSpace

SPACES = Registry(
    "space",
    {
        "nas-bench-201": "nascence.spaces.nas_bench_201:NASBench201",
        "darts": "nascence.spaces.darts:DARTSSpace",
        "nas-bench-macro": "nascence.spaces.nas_bench_macro:NASBenchMacro",
        "path-tree": "nascence.spaces.path_tree:path_tree",
        "path-tree-features": "nascence.spaces.path_tree:path_tree_features",
        "path-tree-small": "nascence.spaces.path_tree:path_tree_small",
        "unfold-dense": "nascence.spaces.unfold_dense:UnfoldDense",
        "channel-bench-macro-mobilenet": "nascence.spaces.channel_bench_macro:ChannelBenchMacroMobileNet",
        "fbnetv2": "nascence.spaces.fbnetv2:FBNetV2",
        "fbnetv2-models": "nascence.spaces.fbnetv2_models:FBNetV2Models",
        "h-das-cells": "nascence.spaces.h_das_cells:HDASCells",
        "h-das-stages": "nascence.spaces.h_das_stages:HDASStages",
        "eg": "nascence.spaces.eg:EG",
        "eg-light": "nascence.spaces.eg:light",
        "eg-one-input": "nascence.spaces.eg:one_input",
        "sane": "nascence.spaces.sane:Sane",
        "nas-bench-graph-chains": "nascence.spaces.nas_bench_graph:NASBenchGraphChains",
        **{f"sane-{depth}": f"nascence.spaces.sane:depth_{depth}" for depth in (1, 2, 4, 5, 6)},
    },
)


def get_space(name: str) -> Space:
    """The space called ``name``; of a network of somebody's own, where this process or a run that was opened knows it.
    Raises :class:`nascence.errors.UnknownNameError` and :class:`nascence.errors.ArchitectureError`."""
    if name.startswith("own-"):
        from nascence.spaces.own.known import own_space

        return own_space(name)
    return _listed(name)


@cache
def _listed(name: str) -> Space:
    space = SPACES.get(name)()
    assert isinstance(space, Space)
    return space


known_by(get_space)

__all__ = [
    "SPACES",
    "CellShape",
    "CellSpace",
    "Chain",
    "ChainSpace",
    "Choice",
    "NetworkConfig",
    "Size",
    "Space",
    "get_space",
    "plain_size",
]
