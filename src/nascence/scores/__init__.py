"""Training-free scores, one file each."""

from nascence.registry import Registry
from nascence.scores.base import Probe, Score, evaluate

SCORES = Registry(
    "score",
    {
        "ntk-condition": "nascence.scores.ntk_condition:NTKCondition",
        "linear-regions": "nascence.scores.linear_regions:LinearRegions",
        "ntk-trace": "nascence.scores.ntk_trace:NTKTrace",
        "params": "nascence.scores.size:Params",
        "flops": "nascence.scores.size:FLOPs",
    },
)

__all__ = ["SCORES", "Probe", "Score", "evaluate"]
