"""One Python file that needs only PyTorch, and the weights beside it."""

from __future__ import annotations

import importlib.util
import io
import pprint
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from nascence.exporting.check import (
    UNTRAINED,
    ExportCheck,
    ExportError,
    check_normalisation,
    check_shape,
    compare,
    evaluating,
)
from nascence.exporting.source import write_classes
from nascence.runs import files
from nascence.version import __version__

_HEADER = '''"""{title}

Made by Nascence {version}. Needs only PyTorch: no part of Nascence is imported. The weights are in {weights}, beside
this file. {about}

    from {module} import load, predict
    network = load()
    probabilities = predict(network, images)   # images: float [B, {channels}, {height}, {width}], values in [0, 1]
"""

from pathlib import Path

import torch
from torch import Tensor, nn

'''

_FOOTER = '''

def load(weights: str | Path = Path(__file__).with_name({weights!r})) -> Network:
    """The network with its weights, in evaluation mode."""
    network = Network()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()

{normalise}
@torch.no_grad()
def predict(network: Network, images: Tensor) -> Tensor:
    """Probabilities [B, {classes}] for images [B, {channels}, {height}, {width}] with values in [0, 1]."""
    return network({argument}).softmax(dim=1)


if __name__ == "__main__":
    network = load()
    images = torch.rand(2, *INPUT_SHAPE)
    print(f"{{sum(p.numel() for p in network.parameters()):,}} parameters")
    print(f"{{list(images.shape)}} -> {{list(predict(network, images).shape)}}")
'''

_NORMALISE = '''
def normalise(images: Tensor) -> Tensor:
    """Images with values in [0, 1] as the network was trained on them."""
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    return (images - mean) / std

'''


def export_python(
    model: nn.Module,
    path: str | Path,
    input_shape: Sequence[int],
    *,
    class_names: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    architecture: str | None = None,
    trained: bool = True,
    batch_sizes: Sequence[int] = (1, 2, 7),
) -> ExportCheck:
    """Write ``path`` and, beside it, ``<stem>_weights.pt``; then load the file back and compare its outputs.

    The file's ``Network`` has the state dictionary of ``model`` (without modules that only training uses) and takes
    normalised images; its ``predict`` normalises images in [0, 1] by ``mean`` and ``std``. What only training uses
    (drop path, an auxiliary head) is left out. ``trained`` False is said in the file's first lines.

    Raises :class:`ExportError` or another :class:`nascence.errors.NascenceError`, with nothing written, when ``model``
    cannot be written down or the file computes something else.
    """
    channels, height, width = check_shape(input_shape)
    check_normalisation(channels, mean, std)
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ExportError(
            f"'{path.name}' is no name of a Python file that can be imported; expected letters, digits and _, then .py."
        )
    weights = path.with_name(f"{path.stem}_weights.pt")
    with evaluating(model):
        example = torch.zeros(2, channels, height, width)
        classes = write_classes(model, example, "The whole network: images [B, C, H, W] to outputs [B, K].")
        with torch.no_grad():
            num_classes = model(example).shape[1]
        text = _HEADER.format(
            title="An image classifier found by architecture search.",
            about="Their names are those of the network that was trained." if trained else UNTRAINED,
            version=__version__,
            weights=weights.name,
            module=path.stem,
            channels=channels,
            height=height,
            width=width,
        )
        text += _constants(architecture, class_names, (channels, height, width), mean, std) + "\n\n" + classes
        text += _FOOTER.format(
            weights=weights.name,
            normalise="" if mean is None else _NORMALISE,
            argument="images" if mean is None else "normalise(images)",
            classes=num_classes,
            channels=channels,
            height=height,
            width=width,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path, ".tmp.py") as (file, source):
            file.write(text.encode())
            file.flush()
            network = import_file(source).Network().eval()
            kept = {name: t for name, t in model.state_dict().items() if name in network.state_dict()}
            with files.replacing(weights) as (tensors, unfinished):
                buffer = io.BytesIO()  # torch.save to a full disk raises RuntimeError
                torch.save(kept, buffer)
                tensors.write(buffer.getvalue())
                tensors.flush()
                network.load_state_dict(torch.load(unfinished, map_location="cpu", weights_only=True))
                difference, scale = compare(model, network, (channels, height, width), batch_sizes)
    return ExportCheck("python", path, tuple(batch_sizes), difference, scale, trained=trained)


def _constants(
    architecture: str | None,
    class_names: Sequence[str] | None,
    input_shape: tuple[int, int, int],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> str:
    lines = []
    if architecture is not None:
        parts = textwrap.wrap(architecture, 90, break_on_hyphens=False) or [""]
        lines.append(f"ARCHITECTURE = {_joined(parts)}")
    if class_names is not None:
        lines.append(f"CLASS_NAMES = {pprint.pformat(list(class_names), width=100, compact=True)}")
    lines.append(f"INPUT_SHAPE = {input_shape}")
    if mean is not None and std is not None:
        lines += [f"MEAN = {tuple(float(value) for value in mean)}", f"STD = {tuple(float(value) for value in std)}"]
    return "\n".join(lines) + "\n"


def _joined(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return repr(parts[0])
    return "(\n" + "".join(f"    {part!r}\n" for part in parts) + ")"


def import_file(path: Path) -> ModuleType:
    """The file as a module of its own, without leaving compiled files or a name in ``sys.modules``."""
    spec = importlib.util.spec_from_file_location("exported_network", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


__all__ = ["export_python", "import_file"]
