"""ONNX of networks that are called with something else than images of one size: pictures, graphs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.exporting.check import TOLERANCE, UNTRAINED, ExportCheck, ExportError, evaluating
from nascence.exporting.onnx import OUTPUT, no_compiler_folder, quiet, session
from nascence.seeding import generator
from nascence.tasks.base import Signature
from nascence.version import __version__
from nascence.writing import write_bytes


@final
@dataclass(frozen=True)
class _Form:
    """``inputs``: names, and for each the names of its sizes that are free, by dimension. ``output``: its name."""

    inputs: Mapping[str, Mapping[int, str]]
    output: str
    text: str


_PICTURES = _Form(
    {"picture": {0: "batch", 2: "height", 3: "width"}}, "restored", "float32 NCHW, any height and width, in [0, 1]"
)
_GRAPH = _Form(
    {"features": {0: "nodes"}, "edges": {1: "number_of_edges"}},
    OUTPUT,
    "features: float32 [nodes, features]; edges: int64 [2, edges], from source to target",
)


def export_any_onnx(
    model: nn.Module,
    path: Path,
    signature: Signature,
    *,
    described: Mapping[str, Any],
    architecture: str | None = None,
    trained: bool = True,
) -> ExportCheck:
    """Write ``model`` for inputs of any size of the signature's kind, and compare ONNX Runtime with PyTorch at three.

    ``described``: what the run remembers of its task, which goes into the metadata. Raises :class:`ExportError`, with
    nothing written, when the exporter cannot translate the network or the outputs differ.
    """
    form = _GRAPH if signature.domain == "graph" else _PICTURES
    sizes = _sizes(signature)
    with evaluating(model):
        content = _translate(model, form, sizes[1])
        content = _with_metadata(content, form, described, architecture, trained)
        runtime = session(content, 1)
        difference = scale = 0.0
        for inputs in sizes:
            with torch.no_grad():
                expected = model(*inputs)
            fed = {name: value.numpy() for name, value in zip(form.inputs, inputs, strict=True)}
            try:
                got = torch.from_numpy(runtime.run([form.output], fed)[0])
            except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no class of their own
                raise ExportError(
                    f"The exported network cannot be called with inputs of another size ({str(error)[:160]}); nothing "
                    "was written."
                ) from None
            if got.shape != expected.shape:
                raise ExportError(
                    f"The exported network returns {list(got.shape)} where the original returns {list(expected.shape)}."
                )
            difference = max(difference, float((expected - got).abs().max()))
            scale = max(scale, float(expected.abs().max()))
    if not difference <= TOLERANCE * max(scale, 1e-3):
        raise ExportError(
            f"The exported network differs from the original by {difference:.2g} (outputs up to {scale:.3g}, allowed "
            f"{TOLERANCE:g} of that); nothing was written."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
    return ExportCheck("onnx", path, tuple(len(inputs[0]) for inputs in sizes), difference, scale, (), trained)


def _sizes(signature: Signature) -> list[tuple[Tensor, ...]]:
    """Random inputs of three sizes."""
    random = generator(0, "export")
    if signature.domain == "graph":
        found: list[tuple[Tensor, ...]] = []
        for nodes, edges in ((7, 20), (12, 40), (31, 90)):
            features = torch.rand(nodes, signature.features, generator=random)
            found.append((features, torch.randint(nodes, (2, edges), generator=random)))
        return found
    shapes = ((1, 24, 32), (2, 32, 40), (1, 48, 48))
    return [(torch.rand(n, signature.features, h, w, generator=random),) for n, h, w in shapes]


def _translate(model: nn.Module, form: _Form, example: Sequence[Tensor]) -> bytes:
    free = tuple(
        {at: torch.export.Dim(name, min=2, max=2**20) for at, name in sizes.items()} for sizes in form.inputs.values()
    )
    try:
        with warnings.catch_warnings(), no_compiler_folder(), quiet("torch.onnx", "onnxscript", "onnx_ir"):
            warnings.simplefilter("ignore")  # the exporter's notes to its own developers
            program = torch.onnx.export(
                model,
                tuple(example),
                dynamo=True,
                input_names=list(form.inputs),
                output_names=[form.output],
                dynamic_shapes=(free,) if _varargs(model) else free,
                verbose=False,
            )
    except (RuntimeError, TypeError, ValueError, AssertionError, LookupError) as error:
        lines = str(error).strip().splitlines()
        raise ExportError(
            f"The ONNX exporter cannot translate this network ({lines[0][:160] if lines else type(error).__name__})."
        ) from None
    assert program is not None
    return program.model_proto.SerializeToString()


def _varargs(model: nn.Module) -> bool:
    """Whether the network takes its inputs as ``*inputs``, of which the exporter makes one argument."""
    code = type(model).forward.__code__
    return bool(code.co_flags & 0x04)


def _with_metadata(
    content: bytes, form: _Form, described: Mapping[str, Any], architecture: str | None, trained: bool
) -> bytes:
    import onnx

    proto = onnx.load_from_string(content)
    texts = {
        "task": json.dumps(dict(described), ensure_ascii=False),
        "architecture": architecture,
        "input": form.text,
        "weights": "trained" if trained else UNTRAINED,
        "producer": f"nascence {__version__}",
    }
    for key, text in texts.items():
        if text is not None:
            proto.metadata_props.add(key=key, value=text)
    return proto.SerializeToString()


__all__ = ["export_any_onnx"]
