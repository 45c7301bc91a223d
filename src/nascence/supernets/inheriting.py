"""The weights that a derived network takes over from its supernet."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nascence.supernets.groups import MixingWeights
from nascence.supernets.mixed import MixedOperation, MixedResolution, MixedSupernet


def inherited_state(supernet: MixedSupernet, one_hot: MixingWeights, derived: nn.Module) -> dict[str, Tensor]:
    """A state dict for ``derived``, the network of the architecture whose mixing weights are ``one_hot``.

    Where the supernet has a :class:`MixedOperation`, the derived network has the chosen candidate under the same name,
    and where it has a :class:`MixedResolution`, the body. A tensor that is smaller in the derived network gets the
    first entries of the supernet's in every dimension, as reusable widths want it (the first w channels). Raises
    :class:`KeyError` where the supernet has no such tensor.
    """
    states = supernet.network.state_dict().items()
    source = {_name(supernet.network, name, one_hot): value for name, value in states}
    return {
        name: source[name][tuple(slice(length) for length in value.shape)].clone()
        for name, value in derived.state_dict().items()
    }


def _name(network: nn.Module, name: str, one_hot: MixingWeights) -> str | None:
    """The derived network's name of a tensor; None where it belongs to an option that was not chosen."""
    module: Any = network
    steps, kept = name.split("."), []
    while steps:
        step, *steps = steps
        if isinstance(module, MixedOperation) and step == "candidates":
            group, row = module.rows[0]
            option = int(steps.pop(0))
            if option != int(one_hot[group][row].argmax()):
                return None
            module = module.candidates[option]
            continue
        if not (isinstance(module, MixedResolution) and step == "body"):
            kept.append(step)
        module = getattr(module, step)
    return ".".join(kept)


__all__ = ["inherited_state"]
