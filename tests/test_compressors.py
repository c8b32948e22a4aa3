"""The laws of compressors, for every registered one, and what each promises beyond them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldpress.coding.steps import code_not_below, step_of
from fieldpress.compressors import (
    COMPRESSORS,
    Compressor,
    Dictionary,
    Entropy,
    LowRank,
    Octants,
    Raw,
    Tucker,
    Uniform,
    Video,
)
from fieldpress.config import from_plain, to_plain
from fieldpress.errors import ConfigError, FormatError

VARIANTS: dict[str, Compressor] = {
    "raw": Raw(),
    "raw float16": Raw(precision="float16"),
    "uniform": Uniform(),
    "uniform 1 bit": Uniform(bits=1),
    "uniform 16 bits, one range": Uniform(bits=16, per="tensor"),
    "entropy": Entropy(),
    "entropy absolute": Entropy(step=0.01, unit="absolute"),
    "entropy per channel": Entropy(unit="channel"),
    "uniform, 45 levels": Uniform(bits=5.5),
    "tucker": Tucker(),
    "tucker, other parts": Tucker(ranks=0.8, parts=Uniform(bits=12)),
    "lowrank": LowRank(),
    "lowrank, other parts": LowRank(rank=0.3, parts=Uniform(bits=12)),
    "octants": Octants(),
    "octants, other parts": Octants(parts=Entropy()),
    "video": Video(preset="veryfast"),
    "video intra, 12 bits": Video(codec="x265-intra", preset="veryfast", bits=12, per="tensor"),
    "video yuv444": Video(layout="yuv444", preset="veryfast", parts=Entropy()),
    "video atlas": Video(codec="x265-intra", preset="veryfast", layout="atlas"),
    "video av1": Video(codec="svt-av1", crf=40, preset="12"),
    "dictionary": Dictionary(bits=5),
    "dictionary, groups": Dictionary(bits=3, groups=2, entries=Entropy(step=0.01)),
    "dictionary, random codes": Dictionary(bits=8, codes="random"),
}
SHAPES = [(1,), (30,), (3, 4), (48, 40), (3, 30, 26), (2, 9, 11), (4, 3, 26, 24), (3, 4, 25, 33), (1, 1, 1, 1)]


def grid(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Smooth along the last axes, an offset and a size per channel, and some noise: like a trained grid."""
    random = np.random.default_rng(seed)
    wave = sum(np.sin(index / 4 + seed) for index in np.indices(shape)[1:]) if len(shape) > 1 else 0
    per_channel = (shape[0],) + (1,) * (len(shape) - 1)
    values = (
        random.normal(0, 1, per_channel) + random.uniform(0.5, 2, per_channel) * wave + random.normal(0, 0.1, shape)
    )
    return values.astype(np.float32)


every_compressor = pytest.mark.parametrize("name", VARIANTS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def test_every_registered_compressor_is_tested_here():
    assert {compressor.id for compressor in VARIANTS.values()} >= set(COMPRESSORS)


# Laws


@every_compressor
def test_a_config_survives_the_header(name: str):
    assert from_plain(Compressor, to_plain(VARIANTS[name]), "header") == VARIANTS[name]


@every_shape
@every_compressor
def test_decoded_arrays_have_the_shape_and_are_finite_float32(name: str, shape):
    decoded = VARIANTS[name].decode(VARIANTS[name].encode(grid(shape)), shape)
    assert decoded.shape == shape
    assert decoded.dtype == np.float32
    assert np.isfinite(decoded).all()


@every_shape
@every_compressor
def test_encoding_is_deterministic_where_it_says_so_and_decoding_always(name: str, shape):
    compressor = VARIANTS[name]
    first, second = compressor.encode(grid(shape)), compressor.encode(grid(shape))
    if compressor.deterministic:
        assert first == second
    np.testing.assert_array_equal(compressor.decode(first, shape), compressor.decode(first, shape))


@every_compressor
@pytest.mark.parametrize("shape", [(30,), (3, 30, 26), (3, 4, 25, 33)], ids=str)
@pytest.mark.parametrize("value", [0.0, -0.3, 1e20])
def test_a_constant_costs_next_to_nothing_and_stays_itself(name: str, shape, value: float):
    compressor = VARIANTS[name]
    if compressor == Raw(precision="float16") and value > 65504:
        pytest.skip("float16 refuses 1e20, as another test says")
    array = np.full(shape, value, dtype=np.float32)
    data = compressor.encode(array)
    # A step relative to the array's own size, 0.05, is the coarsest here; float16 has 11 bits.
    np.testing.assert_allclose(compressor.decode(data, shape), array, rtol=0.025, atol=0)
    if not isinstance(compressor, Raw):
        assert len(data) <= 13


@every_compressor
def test_zeros_cost_at_most_three_bytes(name: str):
    if isinstance(VARIANTS[name], Raw):
        pytest.skip("raw numbers have a fixed size")
    assert len(VARIANTS[name].encode(np.zeros((3, 4, 25, 33), np.float32))) <= 3


values = st.floats(width=32, allow_nan=False, allow_infinity=False)
small_shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "raw float16"])
@settings(max_examples=40, deadline=None)  # the first examples build tables
@given(shape=small_shapes, data=st.data())
def test_any_finite_numbers_come_back_finite(name: str, shape, data):
    size = int(np.prod(shape))
    array = np.array(data.draw(st.lists(values, min_size=size, max_size=size)), np.float32).reshape(shape)
    decoded = VARIANTS[name].decode(VARIANTS[name].encode(array), shape)
    assert decoded.shape == shape
    assert np.isfinite(decoded).all()


@every_compressor
@pytest.mark.parametrize("shape", [(3, 30, 26), (4, 3, 26, 24)], ids=str)
def test_numbers_from_the_whole_range_of_float32_are_coded(name: str, shape):
    if name == "raw float16":
        pytest.skip("float16 refuses them, as another test says")
    wide = np.random.default_rng(0).choice(np.array([-3.4e38, -1.0, 0.0, 1e-40, 3.4e38], np.float32), shape)
    assert np.isfinite(VARIANTS[name].decode(VARIANTS[name].encode(wide), shape)).all()


@every_compressor
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(name: str, bad: float):
    array = grid((3, 30, 26))
    array[1, 2, 3] = bad
    with pytest.raises(ConfigError, match="1 of 2340 values are not finite"):
        VARIANTS[name].encode(array)


def decode_or_refuse(compressor: Compressor, data: bytes, shape: tuple[int, ...]) -> None:
    try:
        decoded = compressor.decode(data, shape)
    except FormatError:
        return
    assert decoded.shape == shape
    assert decoded.dtype == np.float32
    assert np.isfinite(decoded).all()


damaged_shapes = pytest.mark.parametrize("shape", [(30,), (12, 10), (3, 26, 30), (2, 3, 26, 30)], ids=str)


@damaged_shapes
@every_compressor
def test_flipped_bits_are_refused_or_keep_the_shape(name: str, shape):
    data = VARIANTS[name].encode(grid(shape))
    random = np.random.default_rng(0)
    for position in random.integers(0, 8 * len(data), 40).tolist():
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        decode_or_refuse(VARIANTS[name], bytes(flipped), shape)


@damaged_shapes
@every_compressor
def test_truncated_bytes_are_refused_or_keep_the_shape(name: str, shape):
    data = VARIANTS[name].encode(grid(shape))
    for length in np.unique(np.linspace(0, len(data) - 1, 30).astype(int)).tolist():
        decode_or_refuse(VARIANTS[name], data[:length], shape)


@damaged_shapes
@every_compressor
def test_garbage_is_refused_or_keeps_the_shape(name: str, shape):
    random = np.random.default_rng(0)
    for length in (0, 1, 2, 3, 5, 8, 20, 100, 1000):
        for _ in range(3):
            decode_or_refuse(VARIANTS[name], random.bytes(length), shape)
            decode_or_refuse(VARIANTS[name], b"\xff" * length, shape)


# Promises


def test_raw_float32_is_exact():
    array = grid((3, 5))
    np.testing.assert_array_equal(Raw().decode(Raw().encode(array), array.shape), array)


def test_raw_is_little_endian():
    assert Raw().encode(np.array([1.0], np.float32)) == b"\x00\x00\x80\x3f"
    assert Raw(precision="float16").encode(np.array([1.0], np.float32)) == b"\x00\x3c"


def test_raw_float16_refuses_what_it_cannot_hold():
    with pytest.raises(ConfigError, match="use precision float32"):
        Raw(precision="float16").encode(np.array([70000.0], np.float32))


def test_raw_refuses_bytes_of_another_shape():
    with pytest.raises(FormatError, match=r"\(2, 3\) take 24 bytes, found 20"):
        Raw().decode(bytes(20), (2, 3))


def test_raw_refuses_numbers_that_are_not_finite():
    with pytest.raises(FormatError, match="not finite"):
        Raw().decode(b"\x00\x00\xc0\x7f", (1,))


@every_shape
@pytest.mark.parametrize("bits", [1, 4, 8, 12])
def test_uniform_errs_by_at_most_half_a_step(bits: int, shape):
    array = grid(shape)
    compressor = Uniform(bits=bits, per="tensor")
    # The documented step: range / (levels - 9/8), at most a sixteenth more; float32 rounds on top.
    step = float(np.ptp(array.astype(np.float64))) / (2**bits - 9 / 8) * (1 + 1 / 16)
    error = np.abs(compressor.decode(compressor.encode(array), shape) - array.astype(np.float64)).max()
    assert error <= step / 2 + 2.0**-22 * np.abs(array).max()


def test_uniform_has_at_most_two_to_the_bits_values_per_channel():
    array = grid((3, 40, 40))
    decoded = Uniform(bits=3).decode(Uniform(bits=3).encode(array), array.shape)
    assert all(len(np.unique(channel)) <= 8 for channel in decoded)


def test_uniform_per_channel_serves_small_channels_beside_large_ones():
    array = grid((2, 40, 40)) * np.array([1.0, 1e-4], np.float32)[:, None, None]
    small = Uniform(bits=8, per="channel").decode(Uniform(bits=8, per="channel").encode(array), array.shape)[1]
    # Half of 1/255 of the range, and a sixteenth more, is 0.0021.
    assert np.abs(small - array[1]).max() <= 0.0022 * np.ptp(array[1])


@every_shape
@pytest.mark.parametrize("step", [0.5, 0.01])
def test_entropy_errs_by_at_most_half_its_absolute_step(step: float, shape):
    array = grid(shape)
    compressor = Entropy(step=step, unit="absolute")
    error = np.abs(compressor.decode(compressor.encode(array), shape) - array.astype(np.float64)).max()
    assert error <= step / 2 + 2.0**-24 * np.abs(array).max()  # the multiple is rounded to float32


@every_shape
def test_entropy_errs_by_at_most_half_its_relative_step(shape):
    array = grid(shape)
    rms = float(np.sqrt(np.mean(np.square(array.astype(np.float64)))))
    step = step_of(code_not_below(0.1 * rms, 7), 7)
    compressor = Entropy(step=0.1, unit="rms")
    error = np.abs(compressor.decode(compressor.encode(array), shape) - array.astype(np.float64)).max()
    assert 0.1 * rms <= step <= 0.1 * rms * (1 + 2.0**-7)
    assert error <= step / 2 + 2.0**-24 * np.abs(array).max()


@every_shape
def test_entropy_with_an_absolute_step_is_stable(shape):
    compressor = Entropy(step=0.03, unit="absolute")
    data = compressor.encode(grid(shape))
    assert compressor.encode(compressor.decode(data, shape)) == data


def test_entropy_scales_with_its_tensor():
    assert len(Entropy().encode(grid((40,)))) == pytest.approx(len(Entropy().encode(1e6 * grid((40,)))), abs=2)


def test_entropy_doubles_a_step_that_float32_cannot_resolve():
    array = np.array([1e10, 3.0], np.float32)
    decoded = Entropy(step=0.01, unit="absolute").decode(Entropy(step=0.01, unit="absolute").encode(array), (2,))
    assert np.abs(decoded - array).max() <= 2.0**-23 * 1e10  # half of a step of at most 2 * 2**-23 of the largest


def test_entropy_of_a_small_decoder_costs_little_more_than_its_weights():
    random = np.random.default_rng(0)
    shapes = [(32, 16), (32,), (24, 32), (24,), (16, 24), (16,), (3, 16), (3,)]
    sizes = [len(Entropy(step=0.1).encode(random.normal(0, 0.2, shape).astype(np.float32))) for shape in shapes]
    # A normal number rounded to a tenth of its deviation: log2(sqrt(2 pi e) / 0.1) = 5.37 bits.
    ideal = sum(int(np.prod(shape)) for shape in shapes) * np.log2(np.sqrt(2 * np.pi * np.e) / 0.1) / 8
    assert sum(sizes) <= ideal * 1.02 + 5 * len(shapes)


@pytest.mark.parametrize("name", ["video", "video yuv444", "video av1", "video intra, 12 bits"])
@pytest.mark.parametrize("shape", [(48, 40), (3, 30, 26), (3, 4, 25, 33), (5, 2, 30, 30)], ids=str)
def test_video_keeps_smooth_grids_and_the_order_of_channels(name: str, shape):
    array = grid(shape)
    decoded = VARIANTS[name].decode(VARIANTS[name].encode(array), shape)
    within = tuple(range(1, len(shape))) if len(shape) > 2 else None  # a matrix is one channel
    error = np.sqrt(np.mean(np.square(decoded - array), axis=within))
    # Channels differ in offset and size: one in another's place, or turned, errs by about its deviation.
    assert (error < 0.4 * array.std(axis=within)).all()


def test_video_codes_fewer_bytes_for_a_greater_crf():
    array = grid((2, 8, 40, 40))
    sizes = [len(Video(crf=crf, preset="veryfast").encode(array)) for crf in (12.0, 24.0, 36.0)]
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2]


def test_video_yuv444_is_another_layout_for_three_channels_only():
    tiled, planar = Video(preset="veryfast"), Video(preset="veryfast", layout="yuv444")
    assert tiled.encode(grid((3, 4, 30, 30))) != planar.encode(grid((3, 4, 30, 30)))
    assert tiled.encode(grid((4, 4, 30, 30))) == planar.encode(grid((4, 4, 30, 30)))


@pytest.mark.parametrize("shape", [(500,), (4, 100), (2, 11, 40), (3, 5, 4, 4)], ids=str)
def test_video_hands_what_makes_no_picture_to_its_inner_compressor(shape):
    array = grid(shape)
    assert Video(parts=Entropy()).encode(array) == Entropy().encode(array)


def test_video_keeps_a_constant_channel_exact_beside_others():
    array = grid((2, 4, 30, 30))
    array[1] = 0
    for codec, preset in (("x265", "veryfast"), ("svt-av1", "12")):
        compressor = Video(codec=codec, preset=preset, crf=50)
        assert not compressor.decode(compressor.encode(array), array.shape)[1].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(bits=0), "bits is 0; expected 1 to 16"),
        (lambda: Uniform(bits=17), "bits is 17; expected 1 to 16"),
        (lambda: Entropy(step=0.0), "step is 0.0; expected"),
        (lambda: Entropy(step=-1.0), "step is -1.0; expected"),
        (lambda: Entropy(step=float("nan")), "step is nan; expected"),
        (lambda: Video(preset="slowish"), "unknown x265 preset 'slowish'; did you mean 'slow'"),
        (lambda: Video(codec="svt-av1"), "unknown svt-av1 preset 'slow'; known: 0, 1"),
        (lambda: Video(codec="h264"), "unknown video codec 'h264'; known: x265"),  # pyright: ignore[reportArgumentType]
        (lambda: Video(crf=52.0), "crf is 52.0; x265 takes 0 to 51"),
        (lambda: Video(crf=float("nan")), "crf is nan"),
        (lambda: Video(codec="svt-av1", preset="8", crf=0.0), "crf is 0.0; svt-av1 takes 1 to 63"),
        (lambda: Video(bits=9), "bits is 9; x265 takes 8, 10, 12"),
        (lambda: Video(codec="svt-av1", preset="8", bits=12), "bits is 12; svt-av1 takes 8, 10"),
        (lambda: Video(codec="svt-av1", preset="8", layout="yuv444"), "svt-av1 has no yuv444 layout"),
    ],
)
def test_impossible_settings_are_refused_at_once(make, message: str):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_compressors_import_without_torch():
    check = "import sys, fieldpress.compressors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


# Several tensors in one chunk


def film(rows: int, columns: int) -> list[np.ndarray]:
    """A volume in two levels that makes a 4:2:0 film."""
    return [grid((1, 4, rows, columns)) / 8, grid((2, 4, -(-rows // 2), -(-columns // 2)), seed=1) / 8]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "video atlas"])  # whose tiles share a picture
def test_tensors_of_one_chunk_come_back_as_they_do_alone(name: str):
    compressor = VARIANTS[name]
    arrays = [grid(shape) for shape in SHAPES]
    decoded = compressor.decode_all(compressor.encode_all(arrays), SHAPES)
    for array, found in zip(arrays, decoded, strict=True):
        np.testing.assert_array_equal(found, compressor.decode(compressor.encode(array), array.shape))


@pytest.mark.parametrize("amplitude", [None, 1.0])
@pytest.mark.parametrize(("codec", "preset"), [("svt-av1", "12"), ("x265", "veryfast")])
@pytest.mark.parametrize("size", [(32, 48), (33, 45)], ids=str)
def test_a_film_is_coded_in_one_stream_and_comes_back_near(codec, preset, amplitude, size):
    compressor = Video(codec=codec, crf=12, preset=preset, amplitude=amplitude)
    arrays = film(*size)
    data = compressor.encode_all(arrays)
    decoded = compressor.decode_all(data, [array.shape for array in arrays])
    for array, found in zip(arrays, decoded, strict=True):
        assert found.shape == array.shape
        assert found.dtype == np.float32
        # A low crf is near transparent; the codec's steps are a few thousandths of the range.
        assert np.abs(found - array).mean() < 0.02
    assert len(data) < sum(len(compressor.encode(array)) for array in arrays)


def test_a_fixed_range_clips_what_lies_outside():
    compressor = Video(codec="svt-av1", crf=12, preset="12", amplitude=0.5)
    array = np.full((1, 2, 32, 32), 0.75, np.float32)
    found = compressor.decode(compressor.encode(array), array.shape)
    np.testing.assert_allclose(found, 0.5, atol=0.02)  # the last code is one step below the amplitude


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_damaged_film_is_refused(cut: int):
    compressor = Video(codec="svt-av1", crf=40, preset="12", amplitude=1.0)
    arrays = film(32, 48)
    with pytest.raises(FormatError):
        compressor.decode_all(compressor.encode_all(arrays)[:-cut], [array.shape for array in arrays])
