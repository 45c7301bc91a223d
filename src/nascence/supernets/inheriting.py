"""The weights that a derived network takes over from its supernet."""

from __future__ import annotations

from torch import Tensor, nn

from nascence.supernets.groups import MixingWeights
from nascence.supernets.mixed import MixedOperation, MixedSupernet


def inherited_state(supernet: MixedSupernet, one_hot: MixingWeights, derived: nn.Module) -> dict[str, Tensor]:
    """A state dict for ``derived``, the network of the architecture whose mixing weights are ``one_hot``.

    Where the supernet has a :class:`MixedOperation`, the derived network has the chosen candidate under the same name.
    A tensor that is smaller in the derived network gets the first entries of the supernet's in every dimension, as
    reusable widths want it (the first w channels). Raises :class:`KeyError` where the supernet has no such tensor.
    """
    chosen = {
        name: int(one_hot[part.group][part.row].argmax())
        for name, part in supernet.network.named_modules()
        if isinstance(part, MixedOperation)
    }
    source = supernet.network.state_dict()

    def named(name: str) -> str:
        found = name
        for prefix, option in chosen.items():
            if name.startswith(f"{prefix}."):
                found = f"{prefix}.candidates.{option}.{name[len(prefix) + 1 :]}"
        return found

    return {
        name: source[named(name)][tuple(slice(length) for length in value.shape)].clone()
        for name, value in derived.state_dict().items()
    }


__all__ = ["inherited_state"]
