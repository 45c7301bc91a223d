"""A found network as a file that runs without Nascence: ONNX, or stand-alone Python with its weights."""

from nascence.exporting.any_task import export_any_onnx
from nascence.exporting.check import ExportCheck, ExportError, Latency
from nascence.exporting.graph_python import export_graph_python
from nascence.exporting.onnx import export_onnx
from nascence.exporting.own_python import flattened
from nascence.exporting.python import export_python

__all__ = [
    "ExportCheck",
    "ExportError",
    "Latency",
    "export_any_onnx",
    "export_graph_python",
    "export_onnx",
    "export_python",
    "flattened",
]
