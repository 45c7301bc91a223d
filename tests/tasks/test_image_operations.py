import pytest
import torch

from nascence.seeding import generator
from nascence.tasks.image_operations import IMAGE_OPERATIONS, grey

NAMES = IMAGE_OPERATIONS.names()


def images(count=3, channels=3, size=12):
    return torch.rand(count, channels, size, size, generator=generator(0, "images"))


def apply(name, x, strength, seed=0):
    return IMAGE_OPERATIONS.get(name)(x, strength, generator(seed, name))


def test_there_are_fifteen():
    assert len(NAMES) == 15


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_pixels_stay_pixels(name, channels):
    x = images(channels=channels)
    for strength in (0.0, 0.3, 1.0):
        out = apply(name, x, strength)
        assert out.shape == x.shape
        assert out.min() >= -1e-6
        assert out.max() <= 1 + 1e-6
    assert torch.equal(x, images(channels=channels)), "what is given stays as it is"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"AutoContrast", "Invert", "Equalize"}))
def test_strength_zero_changes_nothing_and_strength_one_something(name):
    x = (images() * 255).round() / 255
    torch.testing.assert_close(apply(name, x, 0.0), x, atol=1e-5, rtol=0)
    assert (apply(name, x, 1.0) - x).abs().max() > 0.05


def test_values_by_hand():
    x = torch.tensor([[0.2, 0.9]]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    torch.testing.assert_close(apply("Invert", x, 0.5), 1 - x)
    torch.testing.assert_close(apply("Solarize", x, 0.5)[0, 0, 0], torch.tensor([0.2, 0.1]))
    torch.testing.assert_close(apply("AutoContrast", x, 0.5)[0, 0, 0], torch.tensor([0.0, 1.0]))
    assert apply("Posterize", torch.tensor(200 / 255).view(1, 1, 1, 1), 1.0).item() == pytest.approx(192 / 255)
    values = {round(float(apply("Brightness", x, 1.0, seed)[0, 0, 0, 0]), 4) for seed in range(20)}
    assert values == {0.02, 0.38}, "a tenth, or 1.9 times"


def test_geometry_goes_either_way():
    x = torch.zeros(1, 1, 21, 21)
    x[0, 0, 10, 10] = 1.0
    columns = set()
    for seed in range(20):
        moved = apply("TranslateX", x, 331 / 150 * 4 / 21, seed)
        row, column = divmod(int(moved.flatten().argmax()), 21)
        columns.add(column)
        assert row == 10
    assert columns == {6, 14}
    shifted = apply("TranslateY", x, 1.0)
    assert float(shifted[0, 0].min()) == 0.0
    assert 0.5 in shifted.unique().tolist(), "mid-grey comes in"


def test_grey():
    assert grey(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).item() == pytest.approx(0.299)
    assert grey(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)).item() == pytest.approx(0.5)
