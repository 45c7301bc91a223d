"""Export: the trained network of a run as a file that runs without Nascence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.api.ensembles import members_to_train
from nascence.api.inputs import described_signature
from nascence.api.training import fresh_model, load_model
from nascence.errors import RunError, SettingError, UnknownNameError
from nascence.runs import RunDirectory, files
from nascence.spaces import get_space
from nascence.tasks.base import Signature
from nascence.training.ensemble import Ensemble
from nascence.writing import check_out

if TYPE_CHECKING:
    from nascence.exporting import ExportCheck

EXPORTS = {"onnx": "model.onnx", "python": "model.py"}


def formats(run: RunDirectory) -> tuple[str, ...]:
    """What the trained network of ``run`` can be exported as. Raises :class:`RunError` where the run is damaged."""
    return _formats(described_signature(run.config["task"]), several=members_to_train(run) is not None)


def _formats(signature: Signature, several: bool) -> tuple[str, ...]:
    """One Python file is one network, and tells classes of images or nodes."""
    python = not several and (signature.classes or signature.domain == "graph")
    return tuple(name for name in EXPORTS if name != "python" or python)


def export(
    run: str | Path | RunDirectory,
    format: str = "onnx",
    out: str | Path | None = None,
    *,
    untrained: bool = False,
    overwrite: bool = False,
) -> ExportCheck:
    """Write the network trained in ``run`` as ``format`` (``onnx`` or ``python``), checked against the original.

    Without ``out`` the file belongs to the run (``model.onnx`` or ``model.py``), is made anew each time, and what was
    measured is kept in the run's ``exports.json``. ``untrained``: the found architecture freshly initialised, as its
    training would begin (weights that the user's own network brought are cut to size); the file
    (``untrained_model.onnx`` or ``.py``) and the check say so, and ``exports.json``, which is about the trained
    network, stays as it is.

    Raises :class:`RunError` when nothing is trained yet (``untrained``: nothing found yet) or when ``out`` exists and
    ``overwrite`` is not set, and :class:`nascence.exporting.ExportError` when the file computes something else.
    """
    from nascence.exporting import export_any_onnx, export_graph_python, export_onnx, export_python, flattened
    from nascence.reporting.report import renew_report

    if format not in EXPORTS:
        raise UnknownNameError("export format", format, EXPORTS)
    run = run if isinstance(run, RunDirectory) else RunDirectory.open(run)
    model = fresh_model(run) if untrained else load_model(run)
    path = Path(out) if out is not None else run.path / f"{'untrained_' if untrained else ''}{EXPORTS[format]}"
    check_out(path, overwrite or out is None)
    task = run.config["task"]
    needed = ("signature",) if "kind" in task else ("class_names", "mean", "std", "input_shape")
    missing = [name for name in needed if task.get(name) is None]
    if missing:
        raise RunError(f"{run.path / 'config.json'} is damaged: its 'task' has no '{missing[0]}'.")
    signature = described_signature(task)
    if format not in _formats(signature, several=isinstance(model, Ensemble)):
        what = "An ensemble" if isinstance(model, Ensemble) else f"A network for '{task.get('kind')}'"
        raise SettingError(f"{what} is exported as ONNX; leave --format out.")
    with files.explained(path):
        architecture = run.read_json("architecture.json", "architecture")["architecture"]
        if isinstance(model, Ensemble):
            architecture = " + ".join(row["architecture"] for row in run.read_json("found.json", "members")["members"])
        brought = untrained and get_space(run.config["space"]).brings_weights  # more than an initialisation
        about: dict[str, Any] = {"architecture": architecture, "trained": not untrained or brought}
        if signature.classes:
            known = {name: task[name] for name in ("class_names", "mean", "std")}
            write = export_onnx if format == "onnx" else export_python
            check = write(
                model if format == "onnx" else flattened(model), path, signature.input_shape, **about, **known
            )
        elif format == "python":
            check = export_graph_python(model, path, signature, described=task, **about)
        else:
            check = export_any_onnx(model, path, signature, described=task, **about)
    if out is None and not untrained:
        kept = run.read_json("exports.json") if run.has("exports.json") else {}
        run.write_json("exports.json", {**kept, format: check.to_dict()})
        renew_report(run.path)
    return check


__all__ = ["EXPORTS", "export", "formats"]
