"""The published table against kornia's copy of it."""

import pytest
import torch

from nascence.seeding import generator
from nascence.tasks.auto_augment import auto_augment
from nascence.tasks.policy import Policy

NEEDS_NO_STRENGTH = {"invert", "autocontrast", "equalize"}


def test_the_policy_is_the_published_one():
    referee = pytest.importorskip("kornia.augmentation.auto.autoaugment.autoaugment").cifar10_policy
    own = auto_augment().sub_policies
    assert len(own) == len(referee) == 25
    for sub, published in zip(own, referee, strict=True):
        for (name, chance, strength), (called, probability, level) in zip(sub.steps, published, strict=True):
            assert name.lower() == called.replace("_", "")
            assert chance == probability
            if name.lower() not in NEEDS_NO_STRENGTH:
                assert strength == pytest.approx(level / 9)


def test_it_changes_images_and_travels_as_a_file():
    policy = auto_augment()
    x = torch.rand(16, 3, 8, 8, generator=generator(0))
    y = policy(x, generator(1))
    assert y.shape == x.shape
    assert not torch.equal(x, y)
    assert 0 <= float(y.min()) <= float(y.max()) <= 1
    assert Policy.from_json(policy.to_json()) == policy
