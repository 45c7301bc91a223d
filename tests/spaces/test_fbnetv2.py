"""FBNetV2's space: its size, its text, where residuals and strides are, and costs without building anything."""

import itertools

import pytest
import torch
from torch import nn

from nascence.costs import CostModel, flops, params
from nascence.errors import ArchitectureError
from nascence.exporting import export_python
from nascence.operations.mobile_blocks import ConvNormAct, MobileBlock
from nascence.operations.resizing import Resize
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.fbnetv2_layers import BLOCKS, STAGES, FBNetV2Size
from nascence.supernets.extents import mean
from nascence.tasks.base import Signature
from nascence.testing import RelaxableSpaceConformance, SpaceConformance

SPACE = get_space("fbnetv2")
SMALL = Signature("images", 3, 10, (32, 32))


class TestFBNetV2(SpaceConformance, RelaxableSpaceConformance):
    space = SPACE
    supernet_size = "score"
    relaxed = 3


def smallest(block="k3-relu"):
    first = SPACE.architecture([choice.options[0] for choice in SPACE.choices])
    answers = [block if choice.name.endswith("/block") else answer for choice, answer in pairs(first)]
    return SPACE.architecture(answers)


def pairs(architecture):
    return zip(SPACE.choices, architecture.answers, strict=True)


def changed(architecture, **answers):
    named = {name.replace("_", "/"): answer for name, answer in answers.items()}
    return SPACE.architecture([named.get(choice.name, answer) for choice, answer in pairs(architecture)])


def test_as_many_networks_as_the_paper_says():
    assert 1e35 < SPACE.size < 1.2e35
    assert len(BLOCKS) == 8
    assert sum(stage.layers for stage in STAGES) == 18


def test_text_is_readable():
    text = str(SPACE.sample(generator(0)))
    assert text.startswith("6/7|12:k3-se-hswish|20:k5-hswish*3.25,k3-se-relu*0.75,")
    with pytest.raises(ArchitectureError, match="expected a resolution and 6 stages"):
        SPACE.parse("1|16:k3-relu")
    with pytest.raises(ArchitectureError, match="'13' is no option of fbnetv2's choice 'stage1/width'"):
        SPACE.parse(text.replace("|12:", "|13:"))


def test_a_skip_has_no_expansion():
    architecture = changed(smallest(), stage2_2_block="skip", stage2_2_expansion="3.25")
    canonical = SPACE.canonical(architecture)
    assert canonical == changed(smallest(), stage2_2_block="skip")
    assert SPACE.canonical(canonical) == canonical


@pytest.mark.parametrize(("size", "halvings"), [(224, 5), (128, 5), (64, 4), (32, 3), (28, 2), (8, 1), (2, 0)])
def test_small_images_are_halved_less_often(size, halvings):
    assert FBNetV2Size().halved((size, size)) == halvings
    network = SPACE.build(smallest(), network="score", signature=Signature("images", 3, 10, (size, size)))
    assert sum(part.stride == (2, 2) for part in network.modules() if isinstance(part, nn.Conv2d)) == halvings


def test_blocks_add_their_input_unless_they_are_first_of_their_stage():
    network = SPACE.build(smallest(), network="score")
    firsts = list(itertools.accumulate([0, *(stage.layers for stage in STAGES[:-1])]))
    residuals = [block.residual for block in network.blocks]
    assert residuals == [number not in firsts for number in range(18)]


def test_a_skip_is_a_convolution_in_the_first_layer_of_a_stage_only():
    network = SPACE.build(smallest("skip"), network="score")
    kinds = [type(block) for block in network.blocks]
    assert kinds.count(ConvNormAct) == 6
    assert kinds.count(nn.Identity) == 12
    assert MobileBlock not in kinds


def test_resolution_is_the_networks_own_business():
    half = SPACE.build(changed(smallest(), resolution="4/7"), network="score")
    assert isinstance(half.resize, Resize)
    sizes = []
    half.stem.register_forward_hook(lambda m, args, out: sizes.append(args[0].shape[-1]))
    half(torch.zeros(2, 3, 28, 28))
    assert sizes == [16]
    assert isinstance(SPACE.build(changed(smallest(), resolution="1")).resize, nn.Identity)


def test_costs_at_full_size_follow_from_the_terms_alone():
    signature = Signature("images", 3, 1000, (224, 224))
    terms = SPACE.cost_terms(FBNetV2Size(), signature)
    model = CostModel(SPACE, FBNetV2Size(), signature)
    draws = generator(5)
    for _ in range(3):
        architecture = SPACE.sample(draws)
        with torch.device("meta"):
            network = SPACE.assemble(architecture, FBNetV2Size(), signature)
        weights = {name: row[None] for name, row in SPACE.choice_scores(SPACE.one_hot(architecture)).items()}
        assert model.params(architecture) == float(mean(terms["params"], weights)) == params(network)
        assert model.flops(architecture) == float(mean(terms["flops"], weights)) == flops(network, signature)


def test_hidden_width_is_the_rounded_product_of_two_choices():
    """E[w_in * round(w_in * e)], not the product of means: exact under soft weights of both rows."""
    base = SPACE.one_hot(smallest())
    weights = {name: value.double() for name, value in base.items()}
    weights["stage2/width"] = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    weights["stage2/expansion"][1] = torch.tensor([0.1, 0.2, 0.3, 0.1, 0.1, 0.2], dtype=torch.float64)
    supernet = SPACE.supernet(SPACE.networks["score"], SMALL)
    expected = 0.0
    for i, j in itertools.product(range(3), range(6)):
        one = {name: value.clone() for name, value in weights.items()}
        one["stage2/width"] = torch.eye(3, dtype=torch.float64)[[i]]
        one["stage2/expansion"][1] = torch.eye(6, dtype=torch.float64)[j]
        chance = float(weights["stage2/width"][0, i] * weights["stage2/expansion"][1, j])
        expected += chance * float(supernet.expected("flops", one))
    assert float(supernet.expected("flops", weights)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("resolution", ["4/7", "1"])
def test_exports_to_one_python_file(tmp_path, resolution):
    """Sources are written from forward passes: nothing of ours may be called in them."""
    images = Signature.images((3, 16, 16), 5)
    mixed = changed(smallest("k3-se-hswish"), resolution=resolution, stage2_1_block="skip", stage2_2_block="k5-relu")
    network = SPACE.build(mixed, network="score", signature=images)
    network.train()(torch.rand(4, 3, 16, 16, generator=generator(0)))
    exported = export_python(network.eval(), tmp_path / "network.py", images.input_shape)
    assert exported.max_difference < 1e-5
