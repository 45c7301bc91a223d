"""Methods, one file a paper."""

from nascence.methods.base import Method, Problem
from nascence.registry import Registry

METHODS = Registry(
    "method",
    {
        "random": "nascence.methods.random_search:RandomSearch",
        "te-nas": "nascence.methods.te_nas:TENAS",
        "rank": "nascence.methods.rank:Rank",
        "nasi": "nascence.methods.nasi:NASI",
        "darts": "nascence.methods.darts:DARTS",
        "sane": "nascence.methods.sane:SANE",
        "gdas": "nascence.methods.gdas:GDAS",
        "pc-darts": "nascence.methods.pc_darts:PCDARTS",
        "drnas": "nascence.methods.drnas:DrNAS",
        "la-darts": "nascence.methods.la_darts:LADARTS",
        "dmasking": "nascence.methods.dmasking:DMasking",
        "beta-darts": "nascence.methods.beta_darts:BetaDARTS",
        "eg-nas": "nascence.methods.eg_nas:EGNAS",
        "evolution": "nascence.methods.evolution:Evolution",
        "dots": "nascence.methods.dots:DOTS",
        "explicit-topology": "nascence.methods.explicit_topology:ExplicitTopologyNAS",
        "trilevel-sr": "nascence.methods.trilevel_sr:TrilevelSR",
        "mod-nas": "nascence.methods.mod_nas:MoDNAS",
        "msg-das": "nascence.methods.msg_das:MSGDAS",
        "e2rnas": "nascence.methods.e2rnas:E2RNAS",
        "toponas": "nascence.methods.toponas:TopoNAS",
        "h-das-cells": "nascence.methods.h_das:HDASCellSearch",
        "h-das-stages": "nascence.methods.h_das:HDASStageSearch",
        "daas": "nascence.methods.daas:DAAS",
        "ness": "nascence.methods.ness:NESS",
    },
)

__all__ = ["METHODS", "Method", "Problem"]
