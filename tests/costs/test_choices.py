import pytest

from nascence.costs.choices import ChoicePricing
from nascence.costs.networks import Networks
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature


def test_a_few_crossings_tell_what_is_no_sum(monkeypatch):
    """A large space whose costs are no sums is not priced option by option."""
    space = get_space("h-das-stages")
    pricing = ChoicePricing(Networks(space, NetworkConfig(channels=4), Signature("images", 3, 10, (8, 8))))
    monkeypatch.setattr(pricing, "_singles", lambda name: pytest.fail("priced option by option"))
    assert not pricing.exact
    assert len(pricing.groups) == len(space.choices)
