"""ONNX: one file for any runtime, compared with the original before it takes its place.

Input ``images``: float32 [batch, C, H, W], the batch free, values in [0, 1] (that is ``uint8 / 255``). The
normalisation of the training is a part of the graph, so that whoever uses the file cannot forget or mistake it.
Output :data:`OUTPUT`: float32 [batch, K], before any softmax. The metadata hold the class names and the rest as text.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascence.engine.threads import compute_threads
from nascence.exporting.check import (
    UNTRAINED,
    ExportCheck,
    Latency,
    Normalised,
    check_normalisation,
    check_shape,
    compare,
    evaluating,
    median_ms,
)
from nascence.libraries import no_compiler_folder, onnx_runtime
from nascence.runs import files
from nascence.version import __version__

OUTPUT = "logits"


def export_onnx(
    model: nn.Module,
    path: str | Path,
    input_shape: Sequence[int],
    *,
    class_names: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    architecture: str | None = None,
    trained: bool = True,
    include_normalisation: bool = True,
    batch_sizes: Sequence[int] = (1, 2, 7),
    latency_batch_size: int = 1,
    measure_latency: bool = True,
) -> ExportCheck:
    """Write ``model`` for images of ``input_shape`` (C, H, W), and compare ONNX Runtime with PyTorch.

    ``mean``, ``std``: per channel, of images in [0, 1]. Without ``include_normalisation`` the graph expects images that
    are normalised already; mean and std then stand in the metadata only. ``trained`` False is said in the metadata.
    Latency is measured on 1 thread and on each runtime's default. Raises :class:`ExportError`, with nothing written,
    when the outputs differ.
    """
    channels, height, width = check_shape(input_shape)
    check_normalisation(channels, mean, std)
    path = Path(path)
    inside = include_normalisation and mean is not None
    with evaluating(model):
        network = Normalised(model, mean, std) if inside else Normalised(model, None, None)
        network.eval()
        proto = graph(network, (channels, height, width))
        texts = {
            "class_names": None if class_names is None else json.dumps(list(class_names), ensure_ascii=False),
            "architecture": architecture,
            "normalisation": json.dumps({"mean": mean and list(mean), "std": std and list(std), "in_graph": inside}),
            "input": "float32 NCHW, values in [0, 1]" if inside or mean is None else "float32 NCHW, normalised",
            "output": f"{OUTPUT}, before softmax",
            "weights": "trained" if trained else UNTRAINED,
            "producer": f"nascence {__version__}",
        }
        for key, text in texts.items():
            if text is not None:
                proto.metadata_props.add(key=key, value=text)
        content = proto.SerializeToString()
        runtime = session(content, 1)
        difference, scale = compare(network, lambda x: _run(runtime, x), (channels, height, width), batch_sizes)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, content)
        images = torch.rand(latency_batch_size, channels, height, width)
        latencies = tuple(_latencies(network, content, images)) if measure_latency else ()
    return ExportCheck("onnx", path, tuple(batch_sizes), difference, scale, latencies, trained)


def graph(network: nn.Module, input_shape: tuple[int, int, int]) -> Any:
    """The ONNX model of ``images`` [batch, C, H, W] to :data:`OUTPUT`."""
    example = torch.zeros(2, *input_shape)
    with warnings.catch_warnings(), no_compiler_folder(), quiet("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")  # the exporter's notes to its own developers
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def quick_graph(network: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> bytes:
    """A serialised ONNX model of ``network`` on inputs of these very shapes and names, by the older exporter: made in a
    tenth of the time of :func:`graph`, and as quick, since ONNX Runtime optimises either. Only to be timed."""
    content = io.BytesIO()
    with warnings.catch_warnings(), no_compiler_folder(), quiet("torch.onnx"):
        warnings.simplefilter("ignore")  # that it is the older one
        torch.onnx.export(
            network,
            tuple(inputs),
            content,  # type: ignore[arg-type]  # its older form takes it
            dynamo=False,
            input_names=list(names),
            output_names=["output"],
        )
    return content.getvalue()


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Loggers that report only errors for a while."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def session(content: bytes, number_of_threads: int) -> Any:
    """ONNX Runtime on the CPU; 0 threads for its own default."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = number_of_threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: Any, images_BCHW: Tensor) -> Tensor:
    return torch.from_numpy(session.run([OUTPUT], {"images": images_BCHW.numpy()})[0])


def _latencies(network: nn.Module, content: bytes, images_BCHW: Tensor) -> Iterator[Latency]:
    for number in (1, 0):
        runtime = session(content, number)
        yield Latency("ONNX Runtime", len(images_BCHW), number, median_ms(lambda: _run(runtime, images_BCHW)))  # noqa: B023
        with compute_threads(number or None), torch.no_grad():
            yield Latency("PyTorch", len(images_BCHW), number, median_ms(lambda: network(images_BCHW)))


__all__ = ["export_onnx", "graph", "quick_graph", "session"]
