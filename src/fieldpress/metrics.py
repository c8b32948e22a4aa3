"""How good decoded pictures are and what they cost.

Quality is measured on 8-bit pictures, as a file gives them, frame by frame, and averaged over frames: PSNR over all
three channels of RGB, PSNR over luma in the source's own codes, and SSIM over RGB. RGB alone would flatter a field
against a video codec that halves chroma, so both are reported.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fieldpress.signals.base import Matrix

MAX_PSNR = 100.0
"""Decibels that a perfect picture counts, so that an average over frames stays finite."""

LUMA_WEIGHTS: dict[Matrix, tuple[float, float, float]] = {
    "bt601": (0.299, 0.587, 0.114),
    "bt709": (0.2126, 0.7152, 0.0722),
    "bt2020": (0.2627, 0.6780, 0.0593),
    "rgb": (0.2126, 0.7152, 0.0722),
}
"""Weights of red, green and blue; a source without luma of its own takes BT.709's, the luma of its sRGB primaries."""

MS_SSIM_LEAST_SIDE = 176
"""Of pictures for :func:`ms_ssim`: after four halvings the window still has its 11 pixels."""

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_BAND_PIXELS = 1 << 20
"""Pixels that SSIM is measured on at a time."""


def bits_per_pixel(byte_count: int, frames: int, height: int, width: int) -> float:
    """What a pixel costs.

    Example:
        >>> bits_per_pixel(31_680, frames=132, height=180, width=320)
        0.03333333333333333
    """
    return 8 * byte_count / (frames * height * width)


def luma(rgb: NDArray[np.uint8], matrix: Matrix, full_range: bool) -> NDArray[np.uint8]:
    """Luma of full-range RGB in the source's codes: 0 to 255 for full range, 16 to 235 for limited.

    Source: ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance); all are applied to the values as they are.

    Args:
        rgb: (..., 3).
        matrix: Of the source's own luma.
        full_range: Of the source's own luma.

    Example:
        >>> luma(np.array([[255, 255, 255], [255, 0, 0]], np.uint8), "bt709", False)
        array([235,  63], dtype=uint8)
    """
    low, high = (0, 255) if full_range else (16, 235)
    weights = np.array(LUMA_WEIGHTS[matrix], np.float32) * np.float32((high - low) / 255)
    return np.rint(rgb @ weights + np.float32(low)).astype(np.uint8)


def picture_psnr(reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of one picture in decibels: 10 log10(255² / mean squared error), at most 100.

    Args:
        reference: Any shape.
        decoded: The same shape.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> round(picture_psnr(np.zeros(4, np.uint8), np.ones(4, np.uint8)), 2)
        48.13
    """
    if reference.shape != decoded.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {decoded.shape}")
    difference = np.subtract(reference, decoded, dtype=np.int32)
    error = int(np.square(difference).sum(dtype=np.int64)) / difference.size
    return MAX_PSNR if error == 0 else min(MAX_PSNR, 10 * math.log10(255**2 / error))


def psnr(reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """:func:`picture_psnr` averaged over the first axis: (frames, rows, columns, 3) or (frames, rows, columns).

    Raises:
        ValueError: The shapes differ.
    """
    if reference.shape != decoded.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {decoded.shape}")
    return math.fsum(map(picture_psnr, reference, decoded)) / len(reference)


def ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Structural similarity of pictures with values in [0, 1]: 1 for equal ones. Differentiable in both.

    Means, variances and covariance under an 11x11 Gaussian window (sigma 1.5) that stays inside the picture, per
    channel; the mean over places, channels and pictures. Along a side shorter than 11 the window is that short.
    Source: Wang, Bovik, Sheikh, Simoncelli 2004, with the settings and borders of its authors (K1 = 0.01,
    K2 = 0.03). pytorch-msssim gives the same; torchmetrics lets the window hang over a mirrored border instead.

    The window is separable, and only four filtered maps are needed (a, b, a² + b², ab), so it costs little
    beside a decoder and can stand in a training loss.

    Raises:
        ValueError: The shapes differ or are not of rank 4.
    """
    similarity, contrast = _similarity(a, b)
    return (similarity * contrast).mean()


def ms_ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Structural similarity at five scales of pictures with values in [0, 1]: 1 for equal ones.

    Contrast and structure at every scale, luminance at the coarsest; between scales the mean of 2x2 pixels. Means
    over places and channels are weighted per picture, as exponents, and multiplied; the mean over pictures.
    Source: Wang, Simoncelli, Bovik 2003, with its weights.

    Raises:
        ValueError: The shapes differ or are not of rank 4, or a side is below :data:`MS_SSIM_LEAST_SIDE`.
    """
    if min(a.shape[-2:]) < MS_SSIM_LEAST_SIDE:
        raise ValueError(f"sides are {tuple(a.shape[-2:])}; expected {MS_SSIM_LEAST_SIDE} at least")
    result = torch.ones(len(a), dtype=a.dtype, device=a.device)
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        similarity, contrast = _similarity(a, b)
        coarsest = scale == len(_SCALE_WEIGHTS) - 1
        likeness = (similarity * contrast if coarsest else contrast).mean(dim=(1, 2, 3))
        result = result * likeness.relu() ** weight
    return result.mean()


def _similarity(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n c i j"], Float[Tensor, "n c i j"]]:
    """Of the means under the window, and of contrast and structure; SSIM is the product.

    Raises:
        ValueError: The shapes differ or are not of rank 4.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"expected two equal shapes (n, c, h, w), not {tuple(a.shape)} and {tuple(b.shape)}")
    mean_a, mean_b, mean_squares, mean_product = _blur(torch.cat([a, b, a * a + b * b, a * b], dim=1)).chunk(4, dim=1)
    product, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
    contrast = (2 * (mean_product - product) + _C2) / (mean_squares - squares + _C2)
    return (2 * product + _C1) / (squares + _C1), contrast


def _blur(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c i j"]:
    channels, height, width = maps.shape[1:]
    columns = _gaussian(min(_WINDOW, width), maps).expand(channels, 1, 1, -1)
    rows = _gaussian(min(_WINDOW, height), maps)[:, None].expand(channels, 1, -1, 1)
    return F.conv2d(F.conv2d(maps, columns, groups=channels), rows, groups=channels)


def _gaussian(size: int, like: Tensor) -> Float[Tensor, "size"]:
    distance = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    weights = torch.exp(-distance.square() / (2 * _SIGMA**2))
    return weights / weights.sum()


class QualityReport(NamedTuple):
    """Averages over frames."""

    psnr_rgb: float
    """Decibels, over the three channels of RGB together."""
    psnr_y: float
    """Decibels, over luma in the source's codes."""
    ssim: float
    """Over RGB; 1 is perfect."""


class Quality:
    """Measures a clip frame by frame, so that it need not be held.

    Args:
        matrix: Of the source's luma.
        full_range: Of the source's luma.
    """

    def __init__(self, matrix: Matrix, full_range: bool) -> None:
        self._matrix: Matrix = matrix
        self._full_range = full_range
        self._frames: list[QualityReport] = []

    def add(
        self,
        reference: NDArray[np.uint8],
        decoded: NDArray[np.uint8],
        reference_luma: NDArray[np.uint8] | None = None,
    ) -> QualityReport:
        """Measure one frame, and return its own figures.

        Args:
            reference: (rows, columns, 3).
            decoded: (rows, columns, 3).
            reference_luma: The source's own luma, (rows, columns); computed from the RGB where there is none.

        Raises:
            ValueError: The shapes differ.
        """
        if reference_luma is None:
            reference_luma = luma(reference, self._matrix, self._full_range)
        frame = QualityReport(
            picture_psnr(reference, decoded),
            picture_psnr(reference_luma, luma(decoded, self._matrix, self._full_range)),
            _picture_ssim(reference, decoded),
        )
        self._frames.append(frame)
        return frame

    def report(self) -> QualityReport:
        """The averages so far.

        Raises:
            ValueError: No frame was added.
        """
        if not self._frames:
            raise ValueError("no frame was measured")
        return QualityReport(*(math.fsum(column) / len(self._frames) for column in zip(*self._frames, strict=True)))


def _picture_ssim(reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """:func:`ssim` of one picture, in bands of rows: the maps of a large photograph take 200 times its memory."""
    height, width = reference.shape[:2]
    margin = min(_WINDOW, height) - 1
    rows = max(1, _BAND_PIXELS // width)
    total = 0.0
    for first in range(0, height - margin, rows):
        band = slice(first, min(first + rows, height - margin) + margin)
        likeness = float(ssim(_as_tensor(reference[band]), _as_tensor(decoded[band])))
        total += likeness * (band.stop - band.start - margin)
    return total / (height - margin)


def _as_tensor(rgb: NDArray[np.uint8]) -> Float[Tensor, "1 3 h w"]:
    return torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255
