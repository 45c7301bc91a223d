import copy

import torch
from torch import nn

from nascence.attacks.fgsm import FGSM
from nascence.attacks.hardening import hardened
from nascence.attacks.pgd import PGD


def test_the_batch_is_harder_and_the_model_as_it_was(trained, digits, batch):
    model = nn.Sequential(copy.deepcopy(trained), nn.Dropout(0.5)).train()
    model.zero_grad(set_to_none=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for attack in (FGSM(step=1.25, start="random"), PGD(steps=3)):
        hard = hardened(model, digits, batch, attack, 16 / 255, torch.Generator().manual_seed(0))
        assert torch.equal(hard.target, batch.target)
        moved = digits.box().pixels(hard.inputs[0]) - digits.box().pixels(batch.inputs[0])
        assert 0 < float(moved.abs().max()) <= 16 / 255 + 1e-5
        with torch.no_grad():
            model.eval()
            losses = [digits.loss(model(each.inputs[0]), each).item() for each in (batch, hard)]
            model.train()
        assert losses[1] > losses[0]
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
