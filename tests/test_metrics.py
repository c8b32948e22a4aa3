import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clips import moving_pictures, ycbcr
from fieldpress.metrics import MS_SSIM_LEAST_SIDE, Quality, bits_per_pixel, luma, ms_ssim, picture_psnr, psnr, ssim


def pair(*shape: int, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    a = torch.rand(shape, generator=generator)
    return a, (a + noise * torch.randn(shape, generator=generator)).clamp(0, 1)


def test_psnr_worked_by_hand():
    reference = np.zeros((2, 1, 2), np.uint8)
    decoded = np.array([[[3, 1]], [[0, 2]]], np.uint8)  # mean squared errors 5 and 2
    expected = [10 * math.log10(65025 / 5), 10 * math.log10(65025 / 2)]
    assert [picture_psnr(r, d) for r, d in zip(reference, decoded, strict=True)] == pytest.approx(expected)
    assert psnr(reference, decoded) == pytest.approx(sum(expected) / 2)


def test_psnr_does_not_wrap_around():
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0


def test_a_perfect_picture_counts_100_db():
    picture = moving_pictures(2)
    assert psnr(picture, picture) == 100
    almost = picture.copy()
    almost[0, 0, 0, 0] ^= 1
    assert psnr(picture, almost) < 100


def test_psnr_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        psnr(np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 3), np.uint8))


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_luma_has_the_sources_codes(matrix, full_range):
    rgb = moving_pictures(2)
    expected = ycbcr(rgb, matrix, full_range)[..., 0]
    # float32 may fall on the other side of a half
    assert np.abs(luma(rgb, matrix, full_range).astype(int) - expected).max() <= 1
    assert np.mean(luma(rgb, matrix, full_range) != expected) < 0.001


def test_luma_of_rgb_sources_is_that_of_srgb():
    rgb = moving_pictures(1)
    assert np.array_equal(luma(rgb, "rgb", True), luma(rgb, "bt709", True))


@pytest.mark.parametrize("shape", [(2, 3, 64, 80), (1, 1, 12, 200), (1, 4, 11, 11)])
def test_ssim_is_torchmetrics_inside_the_border(shape):
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = pair(*shape)
    _, places = structural_similarity_index_measure(a, b, data_range=1.0, return_full_image=True)
    assert isinstance(places, Tensor)
    inside = places[..., 5:-5, 5:-5].mean()  # there the window hangs over a mirrored border
    assert float(ssim(a, b)) == pytest.approx(float(inside), abs=1e-5)


def test_ms_ssim_is_torchmetrics_but_for_its_border():
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    coarse, _ = pair(2, 3, 12, 14)
    a = F.interpolate(coarse, (192, 224), mode="bicubic").clamp(0, 1)
    b = (F.avg_pool2d(a, 17, 1, 8) + 0.2 * pair(2, 3, 192, 224)[0]).clamp(0, 1)
    theirs = multiscale_structural_similarity_index_measure(b, a, data_range=1.0)
    assert isinstance(theirs, Tensor)
    # Of the coarsest scale, 12 x 14, all but 2 x 4 places are theirs alone: the window hangs over a mirrored border.
    assert float(ms_ssim(a, b)) == pytest.approx(float(theirs), abs=5e-3)
    assert float(ms_ssim(a, b)) < 0.99


def test_ms_ssim_of_equal_pictures_is_one_and_of_small_ones_is_refused():
    a, _ = pair(1, 1, MS_SSIM_LEAST_SIDE, 180)
    assert float(ms_ssim(a, a)) == pytest.approx(1)
    with pytest.raises(ValueError, match="expected 176 at least"):
        ms_ssim(a[..., 1:, :], a[..., 1:, :])


def test_ssim_of_equal_pictures_is_one():
    a, _ = pair(1, 3, 20, 30)
    assert float(ssim(a, a)) == pytest.approx(1, abs=1e-6)


def test_ssim_of_flat_pictures_worked_by_hand():
    # No variance: only the means a = 0.2 and b = 0.6 count, (2ab + C1) / (a² + b² + C1).
    a, b = torch.full((1, 1, 16, 16), 0.2), torch.full((1, 1, 16, 16), 0.6)
    assert float(ssim(a, b)) == pytest.approx((0.24 + 1e-4) / (0.4 + 1e-4), abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (10, 10), (11, 4)])
def test_ssim_takes_small_pictures(size):
    a, b = pair(2, 3, *size)
    assert -1 <= float(ssim(a, b)) < 1
    assert float(ssim(a, a)) == pytest.approx(1, abs=1e-6)


def test_ssim_is_differentiable_in_both():
    a, b = (x.double().requires_grad_() for x in pair(1, 2, 12, 13))
    assert torch.autograd.gradcheck(ssim, (a, b))


def test_ssim_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match="expected two equal shapes"):
        ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))


def test_bits_per_pixel_counts_the_whole_file():
    assert bits_per_pixel(1000, frames=10, height=20, width=40) == 1.0


def test_quality_averages_over_frames():
    rgb = moving_pictures(3)
    decoded = np.clip(rgb.astype(int) + np.array([4, -4, 2]), 0, 255).astype(np.uint8)
    quality = Quality("bt601", False)
    frames = [quality.add(r, d) for r, d in zip(rgb, decoded, strict=True)]
    report = quality.report()
    assert report.psnr_rgb == pytest.approx(psnr(rgb, decoded))
    assert report.psnr_y == pytest.approx(psnr(luma(rgb, "bt601", False), luma(decoded, "bt601", False)))
    assert report.ssim == pytest.approx(sum(frame.ssim for frame in frames) / 3)
    planes = [torch.tensor(x).movedim(-1, 1) / 255 for x in (rgb, decoded)]
    assert report.ssim == pytest.approx(float(ssim(*planes)), abs=1e-6)


def test_quality_takes_the_sources_own_luma():
    rgb = moving_pictures(1)[0]
    own = luma(rgb, "bt601", False) - np.uint8(2)
    assert Quality("bt601", False).add(rgb, rgb, own).psnr_y == pytest.approx(10 * math.log10(65025 / 4))


def test_quality_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no frame was measured"):
        Quality("rgb", True).report()


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 40])
@pytest.mark.parametrize("size", [(25, 16), (5, 30), (18, 11)], ids=str)
def test_ssim_of_a_picture_in_bands_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], rows: int
):
    one, other = moving_pictures(2, *size)
    whole = float(ssim(*(torch.tensor(picture).permute(2, 0, 1)[None] / 255 for picture in (one, other))))
    monkeypatch.setattr("fieldpress.metrics._BAND_PIXELS", rows * size[1])
    assert Quality("rgb", True).add(one, other).ssim == pytest.approx(whole, abs=1e-6)
    assert whole < 0.99
