"""Methods, one file a paper."""

from nascence.methods.base import Method, Problem
from nascence.registry import Registry

METHODS = Registry(
    "method",
    {
        "random": "nascence.methods.random_search:RandomSearch",
        "te-nas": "nascence.methods.te_nas:TENAS",
        "nasi": "nascence.methods.nasi:NASI",
        "darts": "nascence.methods.darts:DARTS",
        "gdas": "nascence.methods.gdas:GDAS",
        "pc-darts": "nascence.methods.pc_darts:PCDARTS",
        "drnas": "nascence.methods.drnas:DrNAS",
        "beta-darts": "nascence.methods.beta_darts:BetaDARTS",
        "eg-nas": "nascence.methods.eg_nas:EGNAS",
        "evolution": "nascence.methods.evolution:Evolution",
    },
)

__all__ = ["METHODS", "Method", "Problem"]
