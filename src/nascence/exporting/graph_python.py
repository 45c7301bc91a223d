"""A graph network as one Python file: PyTorch, and PyTorch Geometric only where one of its layers is used."""

from __future__ import annotations

import inspect
import io
import pprint
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascence.exporting.check import TOLERANCE, UNTRAINED, ExportCheck, ExportError, evaluating
from nascence.exporting.python import import_file
from nascence.operations.graphs.attention import Attention, Gathered, softmax_by_target, with_self_loops
from nascence.operations.graphs.fusion import Fusion, Nothing
from nascence.seeding import generator
from nascence.spaces.sane import GraphNetwork
from nascence.tasks.base import Signature
from nascence.version import __version__
from nascence.writing import replacing

_HEADER = '''"""A classifier of a graph's nodes, found by architecture search.

Made by Nascence {version}. Needs PyTorch{library}: no part of Nascence is imported. The weights are in {weights},
beside this file. {about}

    from {module} import load, predict
    network = load()
    probabilities = predict(network, features, edges)
    # features: float [nodes, {features}], prepared as in training; edges: int64 [2, edges], from source to target; an
    # undirected edge stands twice
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
{imports}

ARCHITECTURE = {architecture!r}
CLASS_NAMES = {class_names}


'''
_NETWORK = '''class Layer(nn.Module):
    """act(norm(o(x, E) + linear(x))) of an aggregator o, with what of this there is."""

    def __init__(
        self, aggregator: nn.Module, linear: nn.Module | None, norm: nn.Module | None, activation: nn.Module
    ) -> None:
        super().__init__()
        self.aggregator, self.linear, self.norm, self.activation = aggregator, linear, norm, activation

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        y = self.aggregator(x, edges)
        if self.linear is not None:
            y = y + self.linear(x)
        return self.activation(y if self.norm is None else self.norm(y))


class Network(nn.Module):
    """Node features [nodes, {features}] and edges [2, edges] to outputs [nodes, {outputs}]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear({features}, {channels})
        self.blocks = nn.ModuleList(
            [
{blocks}
            ]
        )
        self.fusion = Fusion({channels}, {depth}, {mode!r})
        self.classifier = nn.Linear({channels}, {outputs})

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        x = self.stem(x)
        states = []
        for block in self.blocks:
            x = {step}
            states.append(x)
        kept = [state if used else torch.zeros_like(state) for state, used in zip(states, {used})]
        return self.classifier(self.fusion(kept))


def load(weights: str | Path = Path(__file__).with_name({weights!r})) -> Network:
    """The network with its weights, in evaluation mode."""
    network = Network()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


@torch.no_grad()
def predict(network: Network, features: Tensor, edges: Tensor) -> Tensor:
    """Probabilities [nodes, {outputs}]."""
    return network(features, edges).softmax(dim=1)
'''


def export_graph_python(
    model: nn.Module,
    path: str | Path,
    signature: Signature,
    *,
    described: Mapping[str, Any],
    architecture: str | None = None,
    trained: bool = True,
) -> ExportCheck:
    """Write ``path`` and, beside it, ``<stem>_weights.pt``; then load the file back and compare its outputs.

    Raises :class:`ExportError`, with nothing written, when ``model`` is no network of the space ``sane`` or the file
    computes something else.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ExportError(
            f"'{path.name}' is no name of a Python file that can be imported; expected letters, digits and _, then .py."
        )
    if not isinstance(model, GraphNetwork) or not isinstance(model.fusion, Fusion):
        raise ExportError("Only networks of the space sane are exported as Python; leave --format out for ONNX.")
    weights = path.with_name(f"{path.stem}_weights.pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    difference = scale = 0.0
    with evaluating(model), replacing(path, ".tmp.py") as (file, source), replacing(weights) as (tensors, unfinished):
        file.write(_text(model, path, weights, signature, described, architecture, trained).encode())
        file.flush()
        buffer = io.BytesIO()  # torch.save to a full disk raises RuntimeError
        torch.save(model.state_dict(), buffer)
        tensors.write(buffer.getvalue())
        tensors.flush()
        network = import_file(source).Network().eval()
        network.load_state_dict(torch.load(unfinished, map_location="cpu", weights_only=True))
        for inputs in _examples(signature):
            with torch.no_grad():
                expected, got = model(*inputs), network(*inputs)
            difference = max(difference, float((expected - got).abs().max()))
            scale = max(scale, float(expected.abs().max()))
        if not difference <= TOLERANCE * max(scale, 1e-3):
            raise ExportError(
                f"The exported network differs from the original by {difference:.2g}; nothing was written."
            )
    sizes = tuple(len(inputs[0]) for inputs in _examples(signature))
    return ExportCheck("python", path, sizes, difference, scale, trained=trained)


def _examples(signature: Signature) -> list[tuple[Tensor, Tensor]]:
    """Random graphs of three sizes."""
    random = generator(0, "export")
    return [
        (torch.rand(nodes, signature.features, generator=random), torch.randint(nodes, (2, edges), generator=random))
        for nodes, edges in ((7, 20), (12, 40), (31, 90))
    ]


def _text(
    model: GraphNetwork,
    path: Path,
    weights: Path,
    signature: Signature,
    described: Mapping[str, Any],
    architecture: str | None,
    trained: bool,
) -> str:
    fusion = model.fusion
    assert isinstance(fusion, Fusion)
    layers = [_aggregator(block.get_submodule("aggregator")) for block in model.blocks]
    library = sorted({name for _, names, _ in layers for name in names})
    sources: dict[str, None] = {}
    for _, _, own in layers:
        sources.update(dict.fromkeys(own))
    header = _HEADER.format(
        version=__version__,
        library=" and PyTorch Geometric" if library else " only",
        weights=weights.name,
        about="Their names are those of the network that was trained." if trained else UNTRAINED,
        module=path.stem,
        features=signature.features,
        imports=f"from torch_geometric.nn import {', '.join(library)}\n" if library else "",
        architecture=architecture,
        class_names=pprint.pformat(list(described.get("class_names", ())), width=100, compact=True),
    )
    blocks = []
    for block, (call, _, _) in zip(model.blocks, layers, strict=True):
        linear = f"nn.Linear({fusion.channels}, {fusion.channels})" if block.linear is not None else "None"
        norm = f"nn.LayerNorm({fusion.channels})" if block.norm is not None else "None"
        blocks.append(f"                Layer({call}, {linear}, {norm}, nn.{type(block.activation).__name__}()),")
    network = _NETWORK.format(
        features=signature.features,
        outputs=signature.outputs,
        channels=fusion.channels,
        depth=len(model.blocks),
        mode=fusion.mode,
        blocks="\n".join(blocks),
        step="x + block(x, edges)" if model.residual else "block(x, edges)",
        used=[*(not isinstance(skip, Nothing) for skip in model.skips), True],
        weights=weights.name,
    )
    return header + "\n\n".join([*sources, inspect.getsource(Fusion) + "\n", network])


def _aggregator(module: nn.Module) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(the call that makes it, what it needs of PyTorch Geometric, sources of what it needs of ours)."""
    own = (inspect.getsource(with_self_loops) + "\n", inspect.getsource(softmax_by_target) + "\n")
    if isinstance(module, Gathered):
        source = inspect.getsource(Gathered) + "\n"
        return f"Gathered({module.channels}, {module.reduction!r}, 0.0)", (), (own[0], source)
    if isinstance(module, Attention):
        source = inspect.getsource(Attention) + "\n"
        return f"Attention({module.channels}, {module.score!r}, {module.heads}, 0.0)", (), (*own, source)
    name, found = type(module).__name__, vars(module)
    if name == "GeniePath":
        source = inspect.getsource(type(module)).replace("_conv.", "") + "\n"
        return f"GeniePath({found['channels']}, 0.0)", ("GATConv",), (source,)
    if name == "GCNConv":
        return f"GCNConv({found['in_channels']}, {found['out_channels']})", (name,), ()
    if name == "SAGEConv":
        return f"SAGEConv({found['in_channels']}, {found['out_channels']}, normalize=True)", (name,), ()
    if name == "GATConv":
        return (
            f"GATConv({found['in_channels']}, {found['out_channels']}, heads={found['heads']})",
            (name,),
            (),
        )
    assert name == "GINConv", name
    inner = module.get_submodule("nn")
    assert isinstance(inner, nn.Sequential)
    first, last = inner[0], inner[2]
    mlp = f"nn.Sequential(nn.Linear({first.in_features}, {first.out_features}), nn.ReLU(), "
    return f"GINConv({mlp}nn.Linear({last.in_features}, {last.out_features})))", (name,), ()


__all__ = ["export_graph_python"]
