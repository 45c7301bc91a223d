"""Checks that every relaxable space must pass, beside those of spaces. A test class inherits them::

class TestMySpace(SpaceConformance, RelaxableSpaceConformance):
    space = MySpace()
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.costs import flops, params
from nascence.engine.compute import Compute, devices
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets import MixedSupernet, Supernet, inherited_state
from nascence.tasks.base import Signature

_TOLERANCE = 1e-5
_DEVICES = 1e-2
"""GPUs multiply in a shorter format where they may."""


class RelaxableSpaceConformance:
    """Inherit, set :attr:`space`, and let pytest collect. ``supernet_size``: the name of a network size."""

    space: RelaxableSpace
    supernet_size: str = "search"
    signature: Signature = Signature("images", 3, 10, (8, 8))
    relaxed: int = 6
    """How many random architectures are looked at."""

    def some(self) -> list[Architecture]:
        draws = generator(1, "relaxable")
        return [self.space.sample(draws) for _ in range(self.relaxed)]

    def mixed(self, seed: int = 0) -> Supernet:
        return self.space.supernet(self.space.networks[self.supernet_size], self.signature, seed=seed)

    def inputs(self, count: int = 4) -> tuple[Tensor, ...]:
        draws = generator(0, "inputs")
        return tuple(torch.randn(each.shape, generator=draws) for each in self.signature.example(count))

    def derived(self, architecture: Architecture) -> nn.Module:
        return self.space.build(architecture, network=self.supernet_size, signature=self.signature)

    def uniform(self) -> dict[str, Tensor]:
        """Equal mixing weights, as leaves."""
        return {g.name: torch.full(g.shape, 1 / g.shape[1]).requires_grad_() for g in self.space.groups}

    def test_groups_are_well_formed(self) -> None:
        groups = self.space.groups
        assert len({group.name for group in groups}) == len(groups) >= 1
        for group in groups:
            assert len(set(group.rows)) == len(group.rows) >= 1
            assert len(set(group.options)) == len(group.options) >= 1
            assert group.allowed().any(-1).all(), f"{group.name} has a row without possible options"
        assert [group.shape for group in self.mixed().groups] == [group.shape for group in groups]

    def test_one_hot_weights_tell_architectures_apart(self) -> None:
        found = set()
        several = self.some()
        for architecture in several:
            weights = self.space.one_hot(architecture)
            assert {name: value.shape for name, value in weights.items()} == {
                g.name: g.shape for g in self.space.groups
            }
            for group in self.space.groups:
                assert set(weights[group.name].unique().tolist()) <= {0.0, 1.0}
                assert (weights[group.name].sum(-1) <= 1).all()
                assert not (weights[group.name].bool() & ~group.allowed()).any()
            found.add(tuple(tuple(value.flatten().tolist()) for value in weights.values()))
        assert len(found) == len(set(several))

    def test_one_hot_weights_equal_the_derived_network(self) -> None:
        """In training mode (statistics of the batch) and in evaluation mode (running statistics)."""
        supernet, inputs = self.mixed(), self.inputs()
        if not isinstance(supernet, MixedSupernet):
            return
        for architecture in self.some():
            weights, network = self.space.one_hot(architecture), self.derived(architecture)
            network.load_state_dict(inherited_state(supernet, weights, network))
            for mode in (True, False):
                with torch.no_grad():
                    mixed = supernet.train(mode)(*inputs, weights=weights)
                    alone = network.train(mode)(*inputs)
                assert (mixed - alone).abs().max() <= _TOLERANCE * (1 + alone.abs().max()), str(architecture)
            with torch.no_grad():  # other pictures move the running statistics, which are inherited afresh next time
                supernet.train()(*(2 * each + 1 for each in inputs), weights=weights)

    def test_every_row_gets_a_gradient(self) -> None:
        weights = self.uniform()
        output = self.mixed().train()(*self.inputs(), weights=weights)
        (output * torch.arange(output.numel()).view(output.shape)).sum().backward()
        for name, value in weights.items():
            assert value.grad is not None, name
            assert value.grad.isfinite().all(), name
            assert (value.grad.abs().sum(-1) > 0).all(), name

    def test_it_computes_alike_on_every_device(self) -> None:
        expected = None
        for device in devices():  # the CPU first
            compute = Compute(device=device)
            supernet, weights = compute.place(self.mixed().train()), compute.place(self.uniform())
            output = supernet(*compute.place(self.inputs()), weights=weights).detach()
            assert output.device.type == device.type
            expected = output if expected is None else expected
            assert (output.cpu() - expected).abs().max() <= _DEVICES * (1 + expected.abs().max()), str(device)

    def test_supernet_depends_on_the_seed_alone(self) -> None:
        one, same, other = (self.mixed(seed).state_dict() for seed in (3, 3, 4))
        assert all(torch.equal(value, same[name]) for name, value in one.items())
        assert any(not torch.equal(value, other[name]) for name, value in one.items())

    def test_expected_costs_are_exact_at_one_hot_weights(self) -> None:
        supernet = self.mixed()
        counts: dict[str, Callable[[nn.Module], int]] = {
            "params": params,
            "flops": lambda net: flops(net, self.signature),
        }
        for cost, count in counts.items():
            try:
                supernet.expected(cost, self.uniform())
            except SettingError:
                continue
            for architecture in self.some():
                weights, network = self.space.one_hot(architecture), self.derived(architecture)
                assert float(supernet.expected(cost, weights)) == count(network), str(architecture)


__all__ = ["RelaxableSpaceConformance"]
