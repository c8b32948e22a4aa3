import gc
import importlib
import random
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame

from clips import (
    BT709_LIMITED,
    frame_of,
    moving_pictures,
    rgb_frame,
    rgb_of,
    with_orientation,
    with_png_chunk,
    write_clip,
    write_picture,
    write_song,
    ycbcr,
    ycbcr_frame,
)
from fieldpress.errors import SourceError
from fieldpress.signals.image import Image
from fieldpress.signals.video import Video
from fieldpress.sources import Observations, load, memory
from fieldpress.sources.folder import natural
from fieldpress.sources.still import read_still
from fieldpress.sources.timing import timing

TAG = {"bt601": 6, "bt709": 1, "bt2020": 9}
RANGE = {False: 1, True: 2}
LOSSLESS_264 = {"qp": "0", "preset": "ultrafast"}


def lossless(path: Path, frames: list, pixel_format: str, **how) -> Observations:
    """What is read of frames in FFV1, which changes no code."""
    return load(write_clip(path, frames, "ffv1", pixel_format, **how))


def difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def video(observations: Observations) -> Video:
    assert isinstance(observations.signal, Video)
    return observations.signal


def error_of(path: Path, **how) -> str:
    with pytest.raises(SourceError) as caught:
        load(path, **how)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Colour


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize(("pixel_format", "bits"), [("yuv444p", 8), ("yuv444p10le", 10), ("yuv444p12le", 12)])
def test_rgb_follows_matrix_range_and_depth(tmp_path, pixel_format, bits, matrix, full_range):
    codes = ycbcr(moving_pictures(2), matrix, full_range, bits)
    tags = {"colorspace": TAG[matrix], "color_range": RANGE[full_range]}
    read = lossless(tmp_path / "a.mkv", [ycbcr_frame(c, pixel_format) for c in codes], pixel_format, tags=tags)
    assert (video(read).matrix, video(read).full_range) == (matrix, full_range)
    # libswscale computes in 15 bits: one code of 255
    assert difference(read.rgb, rgb_of(codes, matrix, full_range, bits)) <= 1


@pytest.mark.parametrize("wrong", [("bt601", False), ("bt2020", False), ("bt709", True)])
def test_another_matrix_or_range_would_be_seen(tmp_path, wrong):
    codes = ycbcr(moving_pictures(1), "bt709", False)
    read = lossless(tmp_path / "a.mkv", [ycbcr_frame(codes[0], "yuv444p")], "yuv444p", tags=BT709_LIMITED)
    assert difference(read.rgb, rgb_of(codes, *wrong)) > 5


@pytest.mark.parametrize(
    ("height", "width", "matrix"), [(48, 64, "bt601"), (720, 64, "bt601"), (16, 1280, "bt709"), (720, 720, "bt709")]
)
def test_untagged_video_is_limited_and_bt709_from_hd_on(tmp_path, height, width, matrix):
    codes = np.full((height, width, 3), 100, np.uint16)
    signal = video(lossless(tmp_path / "a.mkv", [ycbcr_frame(codes, "yuv444p")], "yuv444p"))
    assert (signal.matrix, signal.full_range) == (matrix, False)


def test_yuvj_is_full_range(tmp_path):
    codes = ycbcr(moving_pictures(1), "bt601", True)
    frame = ycbcr_frame(codes[0], "yuvj444p")
    read = load(write_clip(tmp_path / "a.mkv", [frame], "mjpeg", "yuvj444p", options={"qmin": "1", "qmax": "1"}))
    assert video(read).full_range
    assert difference(read.rgb, rgb_of(codes, "bt601", True)) < 12  # JPEG's own loss; limited range would be 35 off


def test_an_unknown_matrix_is_refused(tmp_path):
    codes = ycbcr(moving_pictures(1), "bt709", False)
    path = write_clip(
        tmp_path / "a.mkv",
        [ycbcr_frame(codes[0], "yuv444p")],
        "ffv1",
        "yuv444p",
        tags={"colorspace": 8, "color_range": 1},
    )
    assert error_of(path) == f"{path}: colour matrix YCgCo is not supported; known: bt2020, bt601, bt709; " + (
        "convert the source first"
    )


def test_luma_is_the_sources_own_plane(tmp_path):
    codes = ycbcr(moving_pictures(2), "bt709", False)
    frames = [ycbcr_frame(c, "yuv444p") for c in codes]
    read = lossless(tmp_path / "a.mkv", frames, "yuv444p", tags=BT709_LIMITED)
    assert read.luma is not None
    assert np.array_equal(read.luma, codes[..., 0])


@pytest.mark.parametrize(("full_range", "expected"), [(False, [16, 126, 126, 235]), (True, [16, 126, 126, 234])])
def test_deep_luma_is_rounded_to_8_bits(tmp_path, full_range, expected):
    codes = np.zeros((2, 4, 3), np.uint16) + 512
    codes[..., 0] = [64, 503, 505, 940]  # quarters of 16, 125.75, 126.25, 235; of 1023: 15.95, 125.4, 125.9, 234.3
    if full_range:
        expected = [16, 125, 126, 234]
    tags = {"colorspace": 1, "color_range": RANGE[full_range]}
    read = lossless(tmp_path / "a.mkv", [ycbcr_frame(codes, "yuv444p10le")], "yuv444p10le", tags=tags)
    assert read.luma is not None
    assert read.luma[0, 0].tolist() == expected


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (179, 321)], ids=["even", "odd"])
def test_subsampled_chroma_is_interpolated(tmp_path, pixel_format, height, width):
    # A ramp has no detail for subsampling to lose, so interpolation brings it back and nearest chroma does not.
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = np.linspace(40, 200, width)
    ramp[..., 2] = np.linspace(200, 40, width)
    codes = ycbcr(ramp, "bt709", False)
    rows, columns = (2, 2) if pixel_format == "yuv420p" else (1, 2)
    planes = [codes[..., 0], codes[::rows, ::columns, 1], codes[::rows, ::columns, 2]]
    frame = frame_of([plane.astype(np.uint8) for plane in planes], pixel_format, height, width)
    read = lossless(tmp_path / "a.mkv", [frame], pixel_format, tags=BT709_LIMITED)
    assert read.rgb.shape == (1, height, width, 3)
    assert difference(read.rgb[0, :, 2:-2], ramp[:, 2:-2]) <= 4  # rounding of chroma, times up to 2.1


@pytest.mark.parametrize(
    ("pixel_format", "suffix", "codec"),
    [("bgr0", ".mkv", "ffv1"), ("gbrp", ".avi", "utvideo"), ("bgr24", ".avi", "rawvideo"), ("rgb24", ".mov", "png")],
)
def test_rgb_video_is_exact(tmp_path, pixel_format, suffix, codec):
    pictures = moving_pictures(3)
    path = write_clip(tmp_path / f"a{suffix}", [rgb_frame(p) for p in pictures], codec, pixel_format)
    read = load(path)
    assert np.array_equal(read.rgb, pictures)
    assert read.luma is None
    assert video(read).matrix == "rgb"


@pytest.mark.parametrize("pixel_format", ["rgb48be", "gbrp10le", "gbrp12le"])
def test_deep_rgb_is_rounded(tmp_path, pixel_format):
    bits = {"rgb48be": 16, "gbrp10le": 10, "gbrp12le": 12}[pixel_format]
    samples = np.random.default_rng(1).integers(0, 2**bits, (16, 16, 3))
    if pixel_format == "rgb48be":
        frame = frame_of([samples.astype(">u2").reshape(16, -1)], pixel_format, 16, 16)
        read = load(write_picture(tmp_path / "a.png", frame, "png"))
    else:
        planes = [samples[..., i].astype("<u2") for i in (1, 2, 0)]
        read = lossless(tmp_path / "a.mkv", [frame_of(planes, pixel_format, 16, 16)], pixel_format)
    assert np.array_equal(read.rgb[0], np.rint(samples * 255 / (2**bits - 1)))


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_grey_gives_equal_channels(tmp_path, bits):
    top = 2**bits - 1
    grey = np.linspace(0, top, 256).astype(np.uint8 if bits == 8 else "<u2").reshape(16, 16)
    pixel_format = "gray" if bits == 8 else f"gray{bits}le"
    read = lossless(tmp_path / "a.mkv", [frame_of([grey], pixel_format, 16, 16)], pixel_format)
    expected = np.rint(grey * (255 / top))
    assert np.array_equal(read.rgb[0], np.repeat(expected[..., None], 3, 2))
    assert read.luma is not None
    assert np.array_equal(read.luma[0], expected)


def test_limited_grey_is_stretched(tmp_path):
    grey = np.array([[16, 126, 235, 250]] * 4, np.uint8)
    frame = frame_of([grey], "gray", 4, 4)
    read = lossless(tmp_path / "a.mkv", [frame], "gray", tags={"colorspace": 1, "color_range": 1})
    assert read.rgb[0, 0, :, 0].tolist() == [0, 128, 255, 255]  # (126 - 16) · 255 / 219 = 128.08
    assert read.luma is not None
    assert read.luma[0, 0].tolist() == [16, 126, 235, 250]


def test_interleaved_ycbcr_keeps_its_luma(tmp_path):
    codes = np.full((4, 8), 128, np.uint8)
    codes[:, ::2] = [40, 80, 120, 200]  # Y U Y V
    frame = frame_of([codes], "yuyv422", 4, 4)
    read = load(write_clip(tmp_path / "a.avi", [frame], "rawvideo", "yuyv422"))
    assert read.luma is not None
    assert read.luma[0, 0].tolist() == [40, 80, 120, 200]


def test_transparency_is_laid_over_black(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3] = [200, 100, 50]
    rgba[..., 3] = [0, 128, 255]
    read = load(write_picture(tmp_path / "a.png", frame_of([rgba.reshape(2, -1)], "rgba", 2, 3), "png"))
    assert read.rgb[0, 0].tolist() == [[0, 0, 0], [100, 50, 25], [200, 100, 50]]  # 200 · 128 / 255 = 100.4


def test_palette_pictures_are_exact(tmp_path):
    pictures = (moving_pictures(1) // 128) * 255  # eight colours
    path = tmp_path / "a.png"
    graph = av.filter.Graph()
    start = graph.add_buffer(width=64, height=48, format=av.VideoFormat("rgb24"), time_base=Fraction(1))
    split, palette, use = graph.add("split"), graph.add("palettegen"), graph.add("paletteuse", "dither=none")
    start.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    frame = rgb_frame(pictures[0])
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    with_palette = graph.vpull()
    assert with_palette.format.name == "pal8"
    assert np.array_equal(load(write_picture(path, with_palette, "png")).rgb, pictures)


# Time


def test_a_constant_rate_survives_milliseconds(tmp_path):
    frames = [rgb_frame(p) for p in moving_pictures(40)]
    signal = video(lossless(tmp_path / "a.mkv", frames, "bgr0", rate=Fraction(30000, 1001)))
    assert (signal.frame_rate, signal.timestamps) == ((30000, 1001), None)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"), [(".mp4", "libx264", "yuv420p"), (".mkv", "ffv1", "bgr0")]
)
def test_a_variable_rate_keeps_every_time(tmp_path, suffix, codec, pixel_format):
    frames = [rgb_frame(p) for p in moving_pictures(5)]
    times = [0, 40, 120, 160, 400]
    path = write_clip(tmp_path / f"a{suffix}", frames, codec, pixel_format, times=times, time_base=Fraction(1, 1000))
    signal = video(load(path))
    assert [signal.seconds(i) * 1000 for i in range(5)] == times
    assert signal.timestamps == (0, 1, 3, 4, 10)  # in units of 40 ms, so that the header stays small
    assert signal.frame_rate == (10, 1)


def test_a_clip_need_not_start_at_zero(tmp_path):
    frames = [rgb_frame(p) for p in moving_pictures(4)]
    path = write_clip(tmp_path / "a.ts", frames, "libx264", "yuv420p", times=[50, 51, 52, 53])
    signal = video(load(path))
    assert (signal.frames, signal.timestamps, signal.seconds(3)) == (4, None, Fraction(3, 25))


def noise(frames: int) -> np.ndarray:
    """Pictures without likeness, so that each is known by its looks and all packets are of like size."""
    return np.random.default_rng(3).integers(0, 256, (frames, 16, 16, 3), dtype=np.uint8)


def write_b_frames(path: Path, pictures: np.ndarray, parameters: str = "") -> list[int]:
    """Nearly lossless (no step is smaller) but with B frames, which lossless has not. Times in storage order."""
    options = {"qp": "1", "bf": "3", "x264-params": f"b-adapt=0:scenecut=0:{parameters}"}
    write_clip(path, [rgb_frame(p) for p in pictures], "libx264rgb", "rgb24", options=options)
    with av.open(str(path)) as container:
        return [packet.pts for packet in container.demux() if packet.size and packet.pts is not None]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_frames_that_are_stored_out_of_order_come_in_order(tmp_path, suffix):
    path, pictures = tmp_path / f"a{suffix}", noise(12)
    stored = write_b_frames(path, pictures)
    assert suffix == ".avi" or stored != sorted(stored)
    assert difference(load(path).rgb, pictures) <= 4


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_clip_of_one_frame_is_a_video(tmp_path, suffix):
    path = write_clip(tmp_path / f"a{suffix}", [rgb_frame(moving_pictures(1)[0])], "libx264", "yuv420p")
    signal = video(load(path))
    assert (signal.frames, signal.frame_rate) == (1, (25, 1))


def test_missing_times_mean_a_constant_rate():
    assert timing([None, 40, 80], Fraction(1, 1000), [Fraction(24)]).frame_rate == (24, 1)
    assert timing([None, 40, 80], Fraction(1, 1000), [None, Fraction(0)]).frame_rate == (25, 1)


def test_times_that_do_not_rise_mean_a_constant_rate():
    assert timing([0, 40, 40, 80], Fraction(1, 1000), [Fraction(24)]).timestamps is None


def test_a_dropped_frame_is_no_rounding():
    # AVI counts in frames: one unit is a whole frame, and a jump of two is a gap
    assert timing([0, 1, 3], Fraction(1, 25), [Fraction(25)]).timestamps == (0, 1, 3)


# Orientation


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_display_matrix_is_followed(tmp_path, degrees):
    pictures = moving_pictures(2)
    frames = [rgb_frame(p) for p in pictures]
    path = write_clip(tmp_path / "a.mp4", frames, "libx264rgb", "rgb24", options=LOSSLESS_264, rotation=degrees)
    read = load(path)
    assert np.array_equal(read.rgb, np.rot90(pictures, degrees // 90, axes=(1, 2)))
    assert (read.signal.height, read.signal.width) == read.rgb.shape[1:3]


def test_luma_is_turned_with_the_picture(tmp_path):
    codes = ycbcr(moving_pictures(1), "bt709", False)
    frames = [ycbcr_frame(codes[0], "yuv444p")]
    how = {"options": LOSSLESS_264, "rotation": 90, "tags": BT709_LIMITED}
    read = load(write_clip(tmp_path / "a.mp4", frames, "libx264", "yuv444p", **how))
    assert read.luma is not None
    assert np.array_equal(read.luma[0], np.rot90(codes[0, ..., 0]))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize(
    ("number", "upright"),
    [
        (1, lambda stored: stored),
        (2, lambda stored: stored[:, ::-1]),
        (3, lambda stored: stored[::-1, ::-1]),
        (4, lambda stored: stored[::-1]),
        (5, lambda stored: stored.swapaxes(0, 1)),
        (6, lambda stored: np.rot90(stored, -1)),
        (7, lambda stored: np.rot90(stored, 2).swapaxes(0, 1)),
        (8, lambda stored: np.rot90(stored)),
    ],
)
def test_the_exif_orientation_is_followed(tmp_path, suffix, number, upright):
    frame = rgb_frame(moving_pictures(1)[0])
    plain = tmp_path / f"plain{suffix}"
    if suffix == ".jpg":
        write_picture(plain, frame.reformat(format="yuvj444p"), "mjpeg")
    else:
        write_picture(plain, frame, "png")
    turned = with_orientation(plain, tmp_path / f"turned{suffix}", number)
    assert np.array_equal(load(turned).rgb[0], upright(load(plain).rgb[0]))


def test_a_png_may_have_a_colour_profile(tmp_path):
    plain = write_picture(tmp_path / "plain.png", rgb_frame(moving_pictures(1)[0]), "png")
    profile = b"a profile\0\0" + zlib.compress(bytes(128))
    path = with_png_chunk(plain, tmp_path / "profile.png", b"iCCP", profile)
    for _ in range(5):  # what a library frees twice does not fail at once
        assert np.array_equal(load(path).rgb, load(plain).rgb)
        gc.collect()


# Pictures and folders


@pytest.mark.parametrize(
    ("name", "codec"), [("a.png", "png"), ("a.bmp", "bmp"), ("a.ppm", "ppm"), ("a.tif", "tiff"), ("a%03d.png", "png")]
)
def test_a_picture_file_is_an_image(tmp_path, name, codec):
    picture = moving_pictures(1)[0]
    frame = rgb_frame(picture).reformat(format="bgr24" if codec == "bmp" else "rgb24")
    path = write_picture(tmp_path / "plain", frame, codec).rename(tmp_path / name)
    read = load(path)
    assert read.signal == Image(48, 64, "rgb", True)
    assert np.array_equal(read.rgb, picture[None])
    assert read.name == name


def test_a_jpeg_carries_full_range_bt601_luma(tmp_path):
    read = load(
        write_picture(tmp_path / "a.jpg", rgb_frame(moving_pictures(1)[0]).reformat(format="yuvj420p"), "mjpeg")
    )
    assert read.signal == Image(48, 64, "bt601", True)
    assert read.luma is not None


def test_a_folder_comes_in_natural_order(tmp_path):
    pictures = moving_pictures(12)
    for i in np.random.default_rng(0).permutation(12):
        write_picture(tmp_path / f"img{i}.png", rgb_frame(pictures[i]), "png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".img5.png").write_text("hidden")
    (tmp_path / "more").mkdir()
    read = load(tmp_path)
    assert np.array_equal(read.rgb, pictures)
    assert (video(read).frame_rate, read.name) == ((25, 1), tmp_path.name)


def test_natural_order_takes_digits_as_numbers():
    names = ["img10.png", "img2.png", "Img1.png", "img002.png", "a"]
    assert sorted(names, key=natural) == ["a", "Img1.png", "img002.png", "img2.png", "img10.png"]


def test_one_odd_size_in_a_folder_is_named(tmp_path):
    for i in range(3):
        write_picture(tmp_path / f"{i}.png", rgb_frame(moving_pictures(1, height=24 + 8 * (i == 2))[0]), "png")
    assert error_of(tmp_path) == (f"{tmp_path}: 2.png is 64x32, but 0.png is 64x24; all pictures must have one size")


def test_pictures_of_differing_colour_have_no_common_luma(tmp_path):
    picture = moving_pictures(1)[0]
    write_picture(tmp_path / "0.jpg", rgb_frame(picture).reformat(format="yuvj420p"), "mjpeg")
    write_picture(tmp_path / "1.png", rgb_frame(picture), "png")
    read = load(tmp_path)
    assert (read.luma, video(read).matrix, video(read).frames) == (None, "rgb", 2)


@pytest.mark.parametrize("read", [load, read_still], ids=["as a clip", "as a photograph"])
def test_an_animated_webp_is_refused_with_what_to_do(tmp_path, read):
    # libwebp writes one picture as such, and several as an animation.
    options = {"codec": "libwebp_anim", "pixel_format": "yuv420p"}
    still = write_clip(tmp_path / "still.webp", [rgb_frame(picture) for picture in moving_pictures(1)], **options)
    moving = write_clip(tmp_path / "anim.webp", [rgb_frame(picture) for picture in moving_pictures(3)], **options)
    assert b"ANIM" in moving.read_bytes()
    assert read(still).rgb.shape[-1] == 3
    with pytest.raises(SourceError) as caught:
        read(moving)
    wanted = "animated WebP is not supported; convert it to a folder of PNGs, and name that as the source"
    assert str(caught.value) == f"{moving}: {wanted}"


def test_an_animated_avif_is_a_clip(tmp_path):
    # Beside the pictures that move it has a still one, as a stream of its own.
    frames = [rgb_frame(picture) for picture in moving_pictures(5)]
    assert len(load(write_clip(tmp_path / "a.avif", frames, "libsvtav1", "yuv420p", options={"preset": "10"})).rgb) == 5
    still = load(write_clip(tmp_path / "b.avif", frames[:1], "libsvtav1", "yuv420p", options={"preset": "10"}))
    assert isinstance(still.signal, Image)


def test_of_several_streams_the_default_one_is_taken(tmp_path):
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as container:
        streams = [
            container.add_stream("mpeg4", rate=25, width=width, height=48, pix_fmt="yuv420p") for width in (64, 96)
        ]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream in streams:
            frame = VideoFrame(stream.width, 48, "yuv420p")
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            container.mux([*stream.encode(frame), *stream.encode()])
    assert load(path).rgb.shape == (1, 48, 96, 3)


def test_a_packet_that_repeats_a_picture_is_no_damage(tmp_path):
    # As Theora has them: of no bytes, with a time.
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        for time, picture in zip((0, 1, 3, 4), moving_pictures(4), strict=True):
            frame = rgb_frame(picture).reformat(format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
            if time == 1:
                repeat = av.Packet(b"")
                repeat.stream, repeat.pts, repeat.dts, repeat.time_base = stream, 2, 2, Fraction(1, 25)
                container.mux(repeat)
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert [packet.size > 0 for packet in container.demux(video=0)] == [True, True, False, True, True, False]
    read = load(path)
    assert len(read.rgb) == 4
    assert video(read).timestamps == (0, 1, 3, 4)


def test_a_damaged_picture_in_a_folder_is_left_out_only_on_request_and_said(tmp_path, caplog):
    pictures = moving_pictures(3)
    for i in range(3):
        write_picture(tmp_path / f"{i}.png", rgb_frame(pictures[i]), "png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    assert error_of(tmp_path) == (
        f"{tmp_path}: 2 of 3 pictures are good; use them with --force "
        f"(the first bad one: {tmp_path / '1.png'}: the picture is damaged)"
    )
    assert not caplog.messages
    assert np.array_equal(load(tmp_path, force=True).rgb, pictures[[0, 2]])
    told = f"2 of 3 pictures are good (the first bad one: {tmp_path / '1.png'}: the picture is damaged)"
    assert caplog.messages == [f"{tmp_path}: {told}"]


# Damage


def clip_bytes(path: Path, frames: int = 24, **how) -> tuple[bytes, np.ndarray]:
    pictures = moving_pictures(frames)
    codec, pixel_format = ("ffv1", "bgr0") if path.suffix == ".mkv" else ("libx264rgb", "rgb24")
    options = {"g": "1"} if path.suffix == ".mkv" else {**LOSSLESS_264, "g": "1"}  # so that all packets are alike
    write_clip(path, [rgb_frame(p) for p in pictures], codec, pixel_format, options=options, **how)
    return path.read_bytes(), pictures


@pytest.mark.parametrize("share", [0.4, 0.75, 0.95])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_good_frames_of_a_truncated_clip_are_counted_and_kept(tmp_path, name, share, caplog):
    path = tmp_path / name
    how = {"container_options": {"movflags": "faststart"}} if name == "a.mp4" else {}
    data, pictures = clip_bytes(path, **how)
    path.write_bytes(data[: int(len(data) * share)])
    kept = load(path, force=True)
    good = len(kept.rgb)
    assert 1 < good < 24
    assert abs(good - 24 * share) < 5  # the container's own bytes, and frames of unequal size
    assert caplog.messages == [f"{path}: {good} of about 24 frames are good"]
    assert error_of(path) == f"{path}: {good} of about 24 frames are good; use them with --force"
    assert np.array_equal(kept.rgb, pictures[:good])


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_frames_with_b_frames_missing_between_them_are_not_good(tmp_path, share):
    path, pictures = tmp_path / "a.mkv", noise(24)
    write_b_frames(path, pictures)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    kept = load(path, force=True).rgb
    assert len(kept) > 24 * share - 6
    assert difference(kept, pictures[: len(kept)]) <= 4


def test_an_mp4_without_its_index_cannot_be_read(tmp_path):
    path = tmp_path / "a.mp4"
    data, _ = clip_bytes(path)
    path.write_bytes(data[: len(data) // 2])
    assert error_of(path) == f"{path}: is not a video or a picture that can be read, or is damaged"


def test_one_flipped_bit_is_noticed(tmp_path):
    pictures = moving_pictures(8)
    path = write_clip(tmp_path / "a.mov", [rgb_frame(p) for p in pictures], "png", "rgb24")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.rindex(b"IDAT") + 40] ^= 4
    path.write_bytes(damaged)
    assert error_of(path) == f"{path}: 7 of about 8 frames are good; use them with --force"
    assert np.array_equal(load(path, force=True).rgb, pictures[:7])


@pytest.mark.parametrize("keep", [0.97, 1.0])
def test_bytes_missing_after_the_last_frame_do_no_harm(tmp_path, keep):
    path = tmp_path / "a.mkv"
    data, pictures = clip_bytes(path)
    end_of_frames = data.rindex(bytes.fromhex("1c53bb6b"))  # the index that Matroska puts behind the frames
    path.write_bytes(data[: end_of_frames + int((len(data) - end_of_frames) * keep)])
    assert np.array_equal(load(path).rgb, pictures)


def test_a_truncated_gif_loses_its_half_frame(tmp_path):
    path = tmp_path / "a.gif"
    write_clip(path, [rgb_frame(p) for p in moving_pictures(8)], "gif", "rgb8")
    whole = load(path)
    assert video(whole).frames == 8
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    kept = load(path, force=True).rgb
    assert 1 < len(kept) < 8
    assert np.array_equal(kept, whole.rgb[: len(kept)])


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("early", [0, 1], ids=["at a key frame", "before it"])
def test_a_clip_cut_out_of_a_longer_one_is_not_damaged(tmp_path, suffix, b_frames, early):
    # It begins with an open group: pictures refer to some that are not there.
    whole, cut, pictures = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}", noise(30)
    write_b_frames(whole, pictures, f"open-gop=1:keyint=10:min-keyint=10:bframes={b_frames}")
    with av.open(str(whole)) as container, av.open(str(cut), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        packets = [packet for packet in container.demux() if packet.size]
        start = [i for i, packet in enumerate(packets) if packet.is_keyframe][1] - early
        for packet in packets[start:]:
            packet.stream = stream
            output.mux(packet)
    read = load(cut).rgb
    assert len(read) >= 20
    assert difference(read, pictures[-len(read) :]) <= 4


def test_pictures_of_two_sizes_in_one_clip_are_refused(tmp_path):
    path = tmp_path / "a.mjpeg"
    parts = [
        write_picture(
            tmp_path / f"{h}.jpg", rgb_frame(moving_pictures(1, height=h)[0]).reformat(format="yuvj420p"), "mjpeg"
        )
        for h in (48, 48, 32)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert error_of(path) == f"{path}: frame 2 is 64x32, but frame 0 is 64x48; all pictures must have one size"


# What is no picture at all


def test_a_missing_path_is_named(tmp_path):
    assert error_of(tmp_path / "clip.mp4") == f"{tmp_path / 'clip.mp4'}: there is no such file or folder"


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert error_of(tmp_path / "a.mp4") == f"{tmp_path / 'a.mp4'}: is empty"


def test_an_empty_folder_is_named(tmp_path):
    assert error_of(tmp_path).startswith(f"{tmp_path}: has no pictures; known are .png .jpg")


@pytest.mark.parametrize(("name", "cover"), [("a.wav", False), ("a.flac", True)], ids=["sound", "with a sleeve"])
def test_sound_alone_is_refused(tmp_path, name, cover):
    path = write_song(tmp_path / name, cover=cover)
    assert error_of(path) == f"{path}: has sound but no pictures"


@pytest.mark.skipif(sys.platform == "win32", reason="devices have no path there")
def test_a_device_is_refused():
    assert error_of(Path("/dev/null")) == "/dev/null: is not a regular file"


def test_a_playlist_does_not_open_other_files(tmp_path):
    clip_bytes(tmp_path / "a.mkv")
    (tmp_path / "a.ffconcat").write_text("ffconcat version 1.0\nfile 'a.mkv'\n")
    (tmp_path / "a.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/a.mkv\n#EXT-X-ENDLIST\n"
    )
    error_of(tmp_path / "a.ffconcat")
    error_of(tmp_path / "a.m3u8")


def test_a_zero_byte_in_the_name_is_no_traceback():
    error_of(Path("a\0b"))


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.gif", "a.png"])
def test_garbage_gives_one_line_or_pictures(tmp_path, name):
    path = tmp_path / name
    if path.suffix in (".mkv", ".mp4"):
        data, _ = clip_bytes(path, frames=4)
    elif path.suffix == ".gif":
        data = write_clip(path, [rgb_frame(p) for p in moving_pictures(3)], "gif", "rgb8").read_bytes()
    else:
        data = write_picture(path, rgb_frame(moving_pictures(1)[0]), "png").read_bytes()
    rolls = random.Random(name)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(rolls.choice((1, 4, 40))):
            damaged[rolls.randrange(rolls.choice((64, len(data))))] = rolls.randrange(256)
        path.write_bytes(damaged[: rolls.choice((len(data), rolls.randrange(1, len(data))))])
        message = ""
        try:
            assert load(path, force=rolls.random() < 0.5).rgb.size
        except SourceError as error:
            message = str(error)
        assert "\n" not in message


def test_damage_prints_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    data, _ = clip_bytes(path, container_options={"movflags": "faststart"})
    path.write_bytes(data[: len(data) // 2])
    code = f"import fieldpress.sources as s\ntry: s.load({str(path)!r})\nexcept s.media.SourceError: pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


# Memory


def test_a_clip_that_does_not_fit_is_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    clip_bytes(path)
    monkeypatch.setattr(memory, "available_memory", lambda: 250_000)
    decoding = importlib.import_module("fieldpress.sources.clip")
    monkeypatch.setattr(decoding, "Decoding", None)  # to call it would be a TypeError
    # 24 frames x 48 x 64 pixels x 4 bytes = 294,912
    assert error_of(path) == (
        f"{path}: needs 0.0 GB, 0.0 GB are free: use a smaller clip or cut it (24 frames of 64x48)"
    )


def test_the_callers_own_memory_counts(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    clip_bytes(path)
    monkeypatch.setattr(memory, "available_memory", lambda: 12_000_000)
    assert len(load(path).rgb) == 24
    assert "needs 2.9 GB, 0.0 GB are free" in error_of(path, memory_factor=10_000)


def test_the_containers_memory_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    monkeypatch.setattr(memory, "_GROUP_FILES", ((tmp_path, "memory.max", "memory.current"),))
    assert memory.available_memory() == 1_500_000


# The signals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 0}, "height is 0; expected 1 to 16384"),
        ({"width": 16385}, "width is 16385; expected 1 to 16384"),
        ({"frames": 0}, "frames is 0; expected 1 to 100000"),
        ({"frame_rate": (25, 0)}, "frame_rate is (25, 0); expected two numbers from 1 to 2147483647"),
        ({"time_base": (0, 1)}, "time_base is (0, 1); expected two numbers from 1 to 2147483647"),
        ({"timestamps": (0, 1)}, "timestamps has 2 items; expected one for each of 3 frames"),
        ({"timestamps": (1, 2, 3)}, "timestamps starts at 1; expected 0"),
        ({"timestamps": (0, 2, 2)}, "timestamps[2] is 2 after 2; expected them to rise"),
        ({"timestamps": (0, 1, 2**53 + 1)}, f"timestamps ends at {2**53 + 1}; expected at most {2**53}"),
    ],
)
def test_a_video_that_cannot_be_is_refused(change, message):
    fields = {
        "frames": 3,
        "height": 4,
        "width": 4,
        "frame_rate": (25, 1),
        "time_base": (1, 25),
        "timestamps": None,
        "matrix": "bt709",
        "full_range": False,
    }
    Video(**fields)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Video(**(fields | change))
    assert str(caught.value) == message
