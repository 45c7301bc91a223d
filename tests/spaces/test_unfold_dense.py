"""The space unfold-dense: texts, what is built, and a supernet that is every network of it, at its exact cost."""

import pytest
import torch

from nascence.costs.counting import flops, params
from nascence.costs.terms import Terms
from nascence.errors import ArchitectureError, SettingError
from nascence.seeding import generator
from nascence.spaces.unfold_dense import INPUTS, LAYERS, UnfoldDense, UnfoldSize, needed
from nascence.supernets import inherited_state
from nascence.tasks.base import Signature

SPACE = UnfoldDense()
SIGNATURE = Signature("images", 1, 1, (8, 8), dense=True)
IDLE = "skip,skip<0,skip<0,skip<0"


def sampled(count, seed=0):
    draws = generator(seed, "unfold-dense")
    return [SPACE.sample(draws) for _ in range(count)]


def built(architecture, size, state=None, signature=SIGNATURE):
    network = SPACE.build(architecture, network=size, signature=signature)
    if state is not None:
        network.load_state_dict(state)
    return network


def test_choices():
    assert SPACE.size == 4 * (4 * 5 * 6**4 * 3 * 6 * 10) ** 2
    assert {group.role for group in SPACE.groups} == {"operation", "input", "exit", "width"}
    assert {row for group in SPACE.groups for row in group.rows} == {choice.name for choice in SPACE.choices}
    assert INPUTS[3] == ("0", "1", "2", "0+1", "0+2", "1+2")


def test_texts():
    text = "1.0|0.5,4,sep3x3,conv3x3<1,skip<0+2,sep5x5<3|0.75,0,skip,skip<0,skip<0,skip<0"
    assert SPACE.format(SPACE.parse(f" {text}\n")) == text
    for architecture in sampled(50):
        assert SPACE.parse(SPACE.format(architecture)) == architecture
    for bad in ("", text[:-2], text + "|", text.replace("sep3x3", "conv9x9"), text.replace("0+2", "0+3"), "1.0", "|||"):
        with pytest.raises(ArchitectureError):
            SPACE.parse(bad)


def test_which_layers_an_exit_needs():
    inputs = {2: (0,), 3: (1,), 4: (2, 3)}
    assert [needed(exit, inputs) for exit in range(5)] == [set(), {1}, {2}, {1, 3}, {1, 2, 3, 4}]


@pytest.mark.parametrize("unfolding", [0, 3])
def test_the_supernet_is_every_network_at_its_exact_cost(unfolding):
    size = UnfoldSize(channels=8, unfolding=unfolding)
    supernet = SPACE.supernet(size, SIGNATURE, seed=1)
    x_BCHW = torch.rand(1, 1, 9, 11, generator=generator(0, "x"))
    terms = Terms(SPACE, SPACE.cost_terms(size, SIGNATURE))
    for architecture in sampled(25):
        one_hot = SPACE.one_hot(architecture)
        network = built(architecture, size)
        network.load_state_dict(inherited_state(supernet, one_hot, network))
        with torch.no_grad():
            torch.testing.assert_close(supernet(x_BCHW, weights=one_hot), network(x_BCHW))
        assert float(supernet.expected("params", one_hot)) == params(network)
        assert float(supernet.expected("flops", one_hot)) == flops(network, (1, 8, 8))
        assert terms.cost("flops", architecture) == flops(network, (1, 8, 8))


def test_expected_costs_are_means_over_architectures():
    supernet = SPACE.supernet(UnfoldSize(channels=8), SIGNATURE)
    random = generator(3, "weights")
    weights = {g.name: (2 * torch.randn(g.shape, generator=random).double()).softmax(-1) for g in SPACE.groups}
    rows = {row: weights[g.name][number] for g in SPACE.groups for number, row in enumerate(g.rows)}
    values = []
    for _ in range(800):
        answers = [c.options[int(torch.multinomial(rows[c.name], 1, generator=random))] for c in SPACE.choices]
        values.append(float(supernet.expected("flops", SPACE.one_hot(SPACE.architecture(answers)))))
    drawn = torch.tensor(values)
    error = float(drawn.std()) / len(values) ** 0.5
    assert float(supernet.expected("flops", weights)) == pytest.approx(float(drawn.mean()), abs=4 * error)


def test_expected_costs_have_gradients_towards_cheaper_answers():
    supernet = SPACE.supernet(UnfoldSize(channels=8), SIGNATURE)
    weights = {g.name: torch.full(g.shape, 1 / g.shape[1]).requires_grad_() for g in SPACE.groups}
    supernet.expected("flops", weights).backward()
    assert (weights["widths"].grad.diff(dim=1) > 0).all(), "wider costs more"
    operations = weights["operations"].grad
    assert (operations.argmin(1) == 5).all(), "nothing is cheaper than a skip"
    assert (weights["exits"].grad.argmin(1) == 0).all()


def test_canonical_architectures_compute_the_same():
    size = UnfoldSize(channels=8)
    supernet = SPACE.supernet(size, SIGNATURE)
    x_BCHW = torch.rand(1, 1, 6, 6, generator=generator(0, "x"))
    changed = 0
    for architecture in sampled(20, seed=2):
        canonical = SPACE.canonical(architecture)
        assert SPACE.canonical(canonical) == canonical
        changed += canonical != architecture
        with torch.no_grad():
            outputs = [supernet(x_BCHW, weights=SPACE.one_hot(each)) for each in (architecture, canonical)]
        torch.testing.assert_close(*outputs)
    assert changed > 10


def test_a_block_with_exit_0_is_not_there():
    size = UnfoldSize(channels=16)
    network = built(SPACE.parse(f"0.5|1.0,0,{IDLE}|1.0,0,{IDLE}"), size)
    assert params(network) == 8 * 10 + 8 * 9 + 1
    assert len(network.prior.blocks[0].layers) == 0


def test_the_plain_network_of_the_dossier_is_in_the_space():
    """Five 3 x 3 convolutions of 16 channels: 7,265 parameters, 7,200 multiply-adds a pixel (with residuals inside)."""
    text = f"0.5|0.5,3,conv3x3,conv3x3<1,conv3x3<2,skip<0|0.5,0,{IDLE}"
    network = built(SPACE.parse(text), UnfoldSize(channels=32))
    assert params(network) == 7265
    assert flops(network, (1, 8, 8)) == 2 * 64 * 7200
    assert params(built(SPACE.parse(text), UnfoldSize(channels=32, unfolding=1))) == 7267


def test_pictures_of_any_size_and_colour():
    signature = Signature("images", 3, 3, (8, 8), dense=True)
    for architecture in sampled(3):
        network = built(architecture, UnfoldSize(channels=8, unfolding=2), signature=signature)
        for shape in ((1, 3, 5, 9), (2, 3, 8, 8)):
            assert network(torch.zeros(shape)).shape == shape


def test_every_row_has_a_gradient():
    supernet = SPACE.supernet(UnfoldSize(channels=8, unfolding=2), SIGNATURE)
    weights = {g.name: torch.full(g.shape, 1 / g.shape[1]).requires_grad_() for g in SPACE.groups}
    supernet(torch.rand(1, 1, 8, 8, generator=generator(0, "x")), weights=weights).square().sum().backward()
    assert all(bool((value.grad.abs().sum(-1) > 0).all()) for value in weights.values())


def test_wrong_sizes_and_tasks_are_refused():
    for channels, unfolding in ((10, 0), (0, 0), (8, -1)):
        with pytest.raises(SettingError):
            UnfoldSize(channels=channels, unfolding=unfolding)
    for signature in (
        Signature("images", 1, 10, (8, 8)),
        Signature("images", 1, 1, (8, 8), dense=True, scale=2),
        Signature("images", 3, 1, (8, 8), dense=True),
    ):
        with pytest.raises(SettingError, match="denoise"):
            SPACE.supernet(UnfoldSize(channels=8), signature)


def test_layers_are_numbered_from_one():
    assert LAYERS == 4
    text = f"1.0|1.0,4,skip,sep3x3<0,skip<0,conv3x3<2|1.0,0,{IDLE}"
    network = built(SPACE.parse(text), UnfoldSize(channels=8))
    assert list(network.prior.blocks[0].layers) == ["2", "4"], "what the exit does not need is not built"
