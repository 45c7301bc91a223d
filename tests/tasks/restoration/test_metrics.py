"""PSNR and SSIM against their formulas, written out plainly."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from nascence.tasks.restoration.metrics import cut_border, psnr, rounded, ssim


def pictures(seed, count=2):
    random = torch.Generator().manual_seed(seed)
    clean = torch.rand(count, 2, 20, 24, generator=random)
    return clean, (clean + 0.1 * torch.randn(clean.shape, generator=random))


def test_psnr_by_hand():
    target = torch.zeros(2, 1, 4, 4)
    output = target + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    assert psnr(output, target).tolist() == pytest.approx([20.0, 40.0], abs=1e-4)
    assert psnr(target, target).tolist() == [math.inf, math.inf]


def test_psnr_is_of_each_picture():
    clean, noisy = pictures(0)
    one_by_one = [psnr(noisy[at : at + 1], clean[at : at + 1]) for at in range(2)]
    torch.testing.assert_close(psnr(noisy, clean), torch.cat(one_by_one))


def plain_ssim(x, y):
    at = np.arange(11) - 5
    window = np.exp(-(at**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(a):
        return correlate1d(correlate1d(a, window, axis=0), window, axis=1)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    sxx, syy, sxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return (((2 * mx * my + c1) * (2 * sxy + c2)) / ((mx**2 + my**2 + c1) * (sxx + syy + c2))).mean()


def test_ssim_by_its_formula():
    clean, noisy = pictures(1)
    expected = [
        np.mean([plain_ssim(a.double().numpy(), b.double().numpy()) for a, b in zip(x, y, strict=True)])
        for x, y in zip(noisy, clean, strict=True)
    ]
    assert ssim(noisy, clean).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim(clean, clean).tolist() == pytest.approx([1.0, 1.0])


def test_ssim_needs_a_window():
    with pytest.raises(ValueError, match="11"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))


def test_borders_and_rounding():
    x_BCHW = torch.arange(36.0).view(1, 1, 6, 6)
    assert torch.equal(cut_border(x_BCHW, 2), x_BCHW[..., 2:4, 2:4])
    assert torch.equal(cut_border(x_BCHW, 0), x_BCHW)
    values = torch.tensor([-0.2, 0.5 / 255, 0.49 / 255, 1.3])
    torch.testing.assert_close(rounded(values), torch.tensor([0.0, 1 / 255, 0.0, 1.0]))
