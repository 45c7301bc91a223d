"""Several outputs as one."""

import torch

from nascence.tasks import load_task
from nascence.tasks.combining import mean, mean_probability
from nascence.tasks.loaders import loader_of


def test_probabilities_are_averaged_and_shifts_do_not_matter():
    outputs = [torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[5.0, 6.0, 5.0]])]
    share = (outputs[0].softmax(1) + outputs[1].softmax(1)) / 2
    torch.testing.assert_close(mean_probability(outputs).exp(), share)
    torch.testing.assert_close(mean_probability([outputs[0] + 9, outputs[1]]).exp(), share)
    torch.testing.assert_close(mean([torch.ones(2), torch.zeros(2)]), torch.full((2,), 0.5))


def test_a_loader_combines_as_its_task_does():
    outputs = [torch.randn(4, 10, generator=torch.Generator().manual_seed(at)) for at in range(3)]
    loader, settings = loader_of({"data": "digits"})
    assert torch.equal(loader.combine(outputs), load_task("digits").combine(outputs))
    assert settings.test_fraction == 0.2
