"""Tabular benchmarks, comparisons over seeds, and reference networks."""

from nascence.benchmarks.compare import Comparison
from nascence.benchmarks.nats_bench import import_nats_bench
from nascence.benchmarks.reference_networks import PlainResNet, plain_resnet
from nascence.benchmarks.statistics import Summary, bootstrap_interval
from nascence.benchmarks.tables import TABLES, Table, load_table, table_of

__all__ = [
    "TABLES",
    "Comparison",
    "PlainResNet",
    "Summary",
    "Table",
    "bootstrap_interval",
    "import_nats_bench",
    "load_table",
    "plain_resnet",
    "table_of",
]
