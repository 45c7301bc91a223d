"""Training-free scores, one file each."""

from nascence.registry import Registry
from nascence.scores.aggregation import AGGREGATES
from nascence.scores.base import Probe, Score, evaluate

SCORES = Registry(
    "score",
    {
        "ntk-condition": "nascence.scores.ntk_condition:NTKCondition",
        "linear-regions": "nascence.scores.linear_regions:LinearRegions",
        "ntk-trace": "nascence.scores.ntk_trace:NTKTrace",
        "grad-norm": "nascence.scores.grad_norm:GradNorm",
        "snip": "nascence.scores.snip:SNIP",
        "plain": "nascence.scores.plain:Plain",
        "grasp": "nascence.scores.grasp:GraSP",
        "fisher": "nascence.scores.fisher:Fisher",
        "synflow": "nascence.scores.synflow:SynFlow",
        "l2-norm": "nascence.scores.l2_norm:L2Norm",
        "jacob-cov": "nascence.scores.jacob_cov:JacobCov",
        "naswot": "nascence.scores.naswot:NASWOT",
        "zen": "nascence.scores.zen:Zen",
        "swap": "nascence.scores.swap:SWAP",
        "meco": "nascence.scores.meco:MeCo",
        "zico": "nascence.scores.zico:ZiCo",
        "gradsign": "nascence.scores.gradsign:GradSign",
        "az-expressivity": "nascence.scores.az_nas:AZExpressivity",
        "az-progressivity": "nascence.scores.az_nas:AZProgressivity",
        "az-trainability": "nascence.scores.az_nas:AZTrainability",
        "vkdnw-entropy": "nascence.scores.vkdnw:VKDNWEntropy",
        "vkdnw": "nascence.scores.vkdnw:VKDNW",
        "intrain": "nascence.scores.intrain:InTrain",
        "nascence-expressivity": "nascence.scores.nascence:Expressivity",
        "nascence-trainability": "nascence.scores.nascence:Trainability",
        "nascence-layers": "nascence.scores.nascence:Layers",
        "nascence-separability": "nascence.scores.nascence:Separability",
        "nascence-activations": "nascence.scores.nascence:Activations",
        "nascence-patterns": "nascence.scores.nascence:Patterns",
        "trainable-layers": "nascence.scores.trainable_layers:TrainableLayers",
        "params": "nascence.scores.size:Params",
        "flops": "nascence.scores.size:FLOPs",
    },
)

__all__ = ["AGGREGATES", "SCORES", "Probe", "Score", "evaluate"]
