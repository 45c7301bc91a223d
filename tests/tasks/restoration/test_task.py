"""Patches by number, whole pictures with fixed noise, and what is measured on them."""

import numpy as np
import pytest
import torch

from nascence.errors import DataError
from nascence.tasks.base import Batch
from nascence.tasks.restoration import GaussianNoise, Picture, Restoration, Shrunk, load_restoration
from nascence.tasks.restoration.metrics import cut_border, psnr
from nascence.tasks.restoration.resizing import enlarge_batch
from nascence.training import TrainingConfig


def pictures(random_picture, *shapes, channels=1):
    return tuple(Picture(str(at), random_picture(*shape, channels, seed=at)) for at, shape in enumerate(shapes))


@pytest.fixture
def denoising(random_picture):
    made = pictures(random_picture, (24, 24), (24, 24), (16, 40), (20, 20), (20, 20))
    return Restoration("random", GaussianNoise(25, 25), made[:3], made[3:], patch=8)


@pytest.fixture
def enlarging(random_picture):
    made = [
        Picture(str(at), target, Shrunk(2).fixed(target))
        for at, target in enumerate(random_picture(32, 40, 1, seed=at) for at in range(4))
    ]
    return Restoration("random", Shrunk(2), tuple(made[:3]), tuple(made[3:]), patch=8, train_loss="l1")


def test_signatures(denoising, enlarging):
    signature = enlarging.signature
    assert (signature.dense, signature.scale, signature.size, signature.outputs) == (True, 2, (8, 8), 1)
    assert denoising.signature.scale == 1
    assert denoising.metric.name == "psnr"


def test_batches_depend_on_seed_name_and_number_alone(denoising):
    part = denoising.part("train")
    one, same, other = (part.batches(4, seed, "weights") for seed in (0, 0, 1))
    one(2)
    for number in (5, 0):
        assert torch.equal(one(number).inputs[0], same(number).inputs[0])
        assert torch.equal(one(number).target, same(number).target)
    assert not torch.equal(one(0).target, other(0).target)
    assert one(0).inputs[0].shape == (4, 1, 8, 8)
    noise = torch.cat([one(number).inputs[0] - one(number).target for number in range(40)])
    assert 255 * float(noise.std()) == pytest.approx(25, rel=0.03)


def test_a_pass_sees_about_every_pixel_once(denoising):
    assert len(denoising.part("train").batches(1, 0, "weights")) == 9 + 9 + 10
    assert len(denoising.part("train").batches(100, 0, "weights")) == 1, "few pictures make large batches too"


def test_patches_are_pieces_of_the_pictures(enlarging):
    """Every patch lies somewhere in a picture, in one of eight ways, and the input is that place of the small one."""
    batch = enlarging.part("train").batches(6, 0, "weights")(0)
    assert batch.target.shape == (6, 1, 16, 16)
    ways = set()
    for low, high in zip(batch.inputs[0], batch.target, strict=True):
        places = []
        for turn in range(8):
            back = [torch.rot90(x, -(turn % 4), (-2, -1)) for x in (low, high)]
            back = [x.flip(-1) for x in back] if turn >= 4 else back
            for picture in enlarging.train:
                small, large = torch.from_numpy(picture.degraded), torch.from_numpy(picture.target / 255).float()
                for y in range(16 - 8 + 1):
                    for x in range(20 - 8 + 1):
                        if torch.equal(small[:, y : y + 8, x : x + 8], back[0]):
                            assert torch.equal(large[:, 2 * y : 2 * y + 16, 2 * x : 2 * x + 16], back[1])
                            places.append(turn)
        assert len(places) == 1
        ways.update(places)
    assert len(ways) > 1


def test_smaller_patches(denoising):
    assert denoising.part("train").batches(2, 0, "weights", image_size=5)(0).target.shape == (2, 1, 5, 5)
    assert denoising.part("train").batches(2, 0, "weights", image_size=50)(0).target.shape == (2, 1, 8, 8)


def test_whole_pictures_with_fixed_noise(denoising, random_picture):
    together, alone = (list(denoising.part("test").passing(size)) for size in (8, 1))
    assert [len(batch.target) for batch in together] == [2]
    assert torch.equal(together[0].inputs[0], torch.cat([batch.inputs[0] for batch in alone]))
    shapes = [batch.target.shape for batch in denoising.part("train").passing()]
    assert shapes == [(2, 1, 24, 24), (1, 1, 16, 40)]
    middles = [batch.target for batch in denoising.part("train").passing(image_size=12)]
    assert [m.shape for m in middles] == [(3, 1, 12, 12)]
    assert np.array_equal((255 * middles[0][0]).round().numpy(), random_picture(24, 24, 1, seed=0)[:, 6:18, 6:18])


def test_suggestions_make_a_training(denoising):
    config = TrainingConfig.suggested(denoising)
    assert (config.optimizer, config.batch_size, config.warmup_epochs) == ("adam", 16, 0)
    steps = denoising.part("train").steps(16)
    assert config.epochs == round(2000 / steps)
    assert denoising.examples == "pictures"


def test_parts(denoising):
    first, second = denoising.divided(0.5, 0)
    assert len(first) + len(second) == 3
    assert len(denoising.divided(0.001, 0)[0]) == 1
    assert len(denoising.union([first, second])) == 3
    assert len(denoising.part("test").first(1)) == 1
    with pytest.raises(DataError, match="validation"):
        denoising.part("validation")


def test_one_picture_cannot_be_divided(random_picture):
    (picture,) = pictures(random_picture, (20, 20))
    with pytest.raises(DataError, match="1 training picture"):
        Restoration("one", GaussianNoise(5, 5), (picture,), (picture,)).divided(0.5, 0)


def test_denoising_is_measured_as_it_is(denoising):
    (batch,) = denoising.part("test").passing()
    output = batch.target + 0.1
    sums = denoising.judge(output, batch)
    assert set(denoising.sums(output, batch)) == {"count", "psnr"}
    measures = denoising.measures(sums)
    assert float(sums["count"]) == 2
    assert measures["psnr"] == pytest.approx(20, abs=1e-3)
    assert measures["input_psnr"] == pytest.approx(20.17, abs=1)
    assert 0 < measures["input_ssim"] < 1
    scores = denoising.scores(output, batch.target)
    assert scores["psnr"].shape == (2,)


def test_super_resolution_is_measured_on_rounded_luma_without_border(enlarging):
    (batch,) = enlarging.part("test").passing()
    output = batch.target.clone()
    output[..., :2, :] = 0.5  # within the border
    output += 0.3 / 255  # rounded away
    assert enlarging.measures(enlarging.judge(output, batch))["psnr"] == float("inf")
    enlarged = enlarge_batch(batch.inputs[0], 2)
    expected = psnr(cut_border((255 * enlarged).round().clamp(0, 255) / 255, 2), cut_border(batch.target, 2))
    assert enlarging.measures(enlarging.judge(output, batch))["input_psnr"] == pytest.approx(float(expected), abs=0.01)


def test_small_pictures_have_no_ssim(random_picture):
    made = pictures(random_picture, (10, 10))
    task = Restoration("small", GaussianNoise(25, 25), made, made, patch=4)
    (batch,) = task.part("test").passing()
    assert set(task.measures(task.judge(batch.inputs[0], batch))) == {"psnr", "input_psnr", "loss"}


def test_losses_and_teachers(denoising, enlarging):
    target = torch.zeros(1, 1, 4, 4)
    batch = Batch((target,), target)
    output = torch.full_like(target, 0.5)
    assert float(denoising.loss(output, batch)) == 0.25
    assert float(enlarging.loss(output, batch)) == 0.5
    teacher = torch.full_like(target, 0.25).requires_grad_()
    student = output.clone().requires_grad_()
    distance = denoising.distance(student, teacher, batch)
    assert float(distance.detach()) == 0.0625
    distance.backward()
    assert student.grad is not None
    assert teacher.grad is None
    assert torch.equal(denoising.combine([output, teacher]), torch.full_like(target, 0.375))


@pytest.mark.data
@pytest.mark.parametrize(("sigma", "published"), [(15, 24.61), (25, 20.17), (50, 14.15)])
def test_noisy_pictures_of_the_public_sets(restoration_data, sigma, published):
    for name, count in (("Set12", 12), ("BSD68", 68)):
        if name == "BSD68" and sigma != 25:
            continue  # to be quick
        task = load_restoration(restoration_data / name, kind="denoise", sigma=sigma, test=[restoration_data / name])
        assert len(task.test) == count
        values = [psnr(batch.inputs[0], batch.target) for batch in task.part("test").passing()]
        assert float(torch.cat(values).mean()) == pytest.approx(published, abs=0.05)


@pytest.mark.data
@pytest.mark.parametrize(("name", "scale", "published"), [("Set5", 2, 33.66), ("Set5", 4, 28.42)])
def test_bicubic_baselines_of_the_public_sets(restoration_data, name, scale, published):
    pictures = restoration_data / "sr" / name / "HR"
    task = load_restoration(pictures, kind="super-resolve", scale=scale, test=[pictures], colours="grey", crop=True)
    totals: dict[str, float] = {}
    for batch in task.part("test").passing():
        for key, value in task.judge(batch.target, batch).items():
            totals[key] = totals.get(key, 0) + float(value)
    assert task.measures(totals)["input_psnr"] == pytest.approx(published, abs=0.005)
