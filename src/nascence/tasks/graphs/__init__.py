"""Node classification: a graph, whose nodes train and judge, whole or by sampled neighbourhoods."""

from typing import TYPE_CHECKING

from nascence.importing import later

if TYPE_CHECKING:
    from nascence.tasks.graphs.graph import UNKNOWN, Graph, make_graph
    from nascence.tasks.graphs.node_classification import NodeClassification, NodePart
    from nascence.tasks.graphs.splits import NodeSplit, given_split, random_split
else:
    __getattr__ = later(
        __name__,
        {
            "graph": ("UNKNOWN", "Graph", "make_graph"),
            "node_classification": ("NodeClassification", "NodePart"),
            "splits": ("NodeSplit", "given_split", "random_split"),
        },
    )

__all__ = [
    "UNKNOWN",
    "Graph",
    "NodeClassification",
    "NodePart",
    "NodeSplit",
    "given_split",
    "make_graph",
    "random_split",
]
