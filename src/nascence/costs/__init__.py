"""What a network costs: parameters, FLOPs, memory and latency, and budgets of them."""

from nascence.costs.budget import Budget, BudgetChecker, Repair
from nascence.costs.counting import flops, params
from nascence.costs.latency import LatencyMeasurement, latency_ms
from nascence.costs.latency_table import LatencyTable
from nascence.costs.memory import memory_mib
from nascence.costs.model import COST_NAMES, CostModel, Selected
from nascence.costs.registry import COSTS, Cost
from nascence.costs.survey import Survey, survey

__all__ = [
    "COSTS",
    "COST_NAMES",
    "Budget",
    "BudgetChecker",
    "Cost",
    "CostModel",
    "LatencyMeasurement",
    "LatencyTable",
    "Repair",
    "Selected",
    "Survey",
    "flops",
    "latency_ms",
    "memory_mib",
    "params",
    "survey",
]
