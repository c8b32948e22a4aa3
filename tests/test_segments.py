"""Long clips in segments: each decodes alone, a cut file still shows its first ones, and memory does not grow."""

import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.hostile import mutate
from format_decoder import codes_at, header_of, segment_at, tensors_of
from hypothesis import given
from hypothesis import strategies as st
from pressed import CLIP, FITTED, KEYFRAMES, NESTED, PICTURE, STILL, joined, press

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import container, reading, sources
from fieldpress.cli import main
from fieldpress.compressors import Entropy, Raw, Video
from fieldpress.compressors.guides import Guidance
from fieldpress.config import Plain
from fieldpress.decoders import Mlp
from fieldpress.errors import ConfigError, FormatError, SourceError
from fieldpress.field import Lattice, Points
from fieldpress.metrics import picture_psnr
from fieldpress.presets import Recipe, recipe
from fieldpress.segments import SegmentedField, locate
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.colour import Picture
from fieldpress.sources.cutting import LEAST_FRAMES, LONG_FRAMES, LONG_PIXELS, USUAL_FRAMES, USUAL_PIXELS, cut
from fieldpress.sources.decoding import Decoding
from fieldpress.sources.footage import LongFootage, Observations
from fieldpress.training.checkpoint import checkpoint_path
from fieldpress.training.config import Budget
from fieldpress.training.segmented import shares_of
from fieldpress.writing import Interrupted, encode, evaluate

RAW = {"*": Raw()}
PARTS = [press(FITTED), press(KEYFRAMES, replace(CLIP, frames=3), RAW, seed=1), press(NESTED, CLIP, RAW, seed=2)]
"""Files of 5, 3 and 5 pictures, each with a field of another kind."""
INTO_EIGHTS = partial(cut, segment=8)
FRAMES, STARTS = 13, [0, 5, 8, 13]
FILE = joined(PARTS)


@pytest.fixture
def clip() -> fieldpress.Decoded:
    return fieldpress.open(FILE)


def pictures(file: bytes) -> np.ndarray:
    return np.stack(list(fieldpress.open(file)))


def field_of(decoded: fieldpress.Decoded) -> SegmentedField:
    assert isinstance(decoded.field, SegmentedField)
    return decoded.field


# Time


def test_the_segment_of_a_time_worked_by_hand():
    segments, times = locate(torch.tensor([0.0, 0.125, 0.5, 0.75, 1.0]), [0, 2, 4], [2, 2])
    assert segments.tolist() == [0, 0, 1, 1, 1]
    assert times.tolist() == [0.0, 0.25, 0.0, 0.5, 1.0]


@given(st.integers(1, MAX_FRAMES), st.integers(LEAST_FRAMES, 500))
def test_a_picture_has_exactly_the_time_that_it_has_in_a_clip_of_its_segment(frames: int, segment: int):
    runs = cut(frames, 1, 1, segment)
    starts = [*(run.start for run in runs), frames]
    chosen = np.unique(np.linspace(0, frames - 1, 97, dtype=int).clip(0))
    asked_for = torch.from_numpy(((chosen + 0.5) / frames).astype(np.float32))
    found, times = locate(asked_for, starts, [len(run) for run in runs])
    for picture, number, time in zip(chosen, found.tolist(), times.numpy(), strict=True):
        assert picture in runs[number]
        assert time == np.float32((picture - runs[number].start + 0.5) / len(runs[number]))


# Reading


def test_pictures_are_those_of_the_segments():
    own = np.concatenate([pictures(part) for part in PARTS])
    # Segments are rendered with others beside them, and sums of another order differ in their last bits.
    assert np.abs(pictures(FILE).astype(int) - own).max() <= 1


def test_at_any_time_the_field_is_that_of_the_segment(clip: fieldpress.Decoded):
    y, x = torch.rand(4), torch.rand(5)
    for number, part in enumerate(PARTS):
        own = torch.tensor([0.9, 0.1, 0.37])
        start, stop = STARTS[number : number + 2]
        found = clip.field(Lattice((start + own * (stop - start)) / FRAMES, y, x))
        torch.testing.assert_close(found, fieldpress.open(part).field(Lattice(own, y, x)), rtol=0, atol=1e-4)


def test_lattice_and_points_agree_across_segments_in_any_order_of_time(clip: fieldpress.Decoded):
    lattice = Lattice(torch.tensor([0.9, 0.1, 0.5, 0.11, 1.0, 0.0]), torch.rand(3), torch.rand(4))
    torch.testing.assert_close(clip.field(lattice), clip.field(lattice.points()).reshape(6, 3, 4, 3), rtol=0, atol=1e-5)


def test_no_places_give_no_colours(clip: fieldpress.Decoded):
    assert clip.field(Points(torch.zeros(0, 3))).shape == (0, 3)


def test_views_go_over_the_borders(clip: fieldpress.Decoded):
    shown = list(clip.pictures(clip.view(slice(3, 10), scale=1.5, time_scale=2.0, crop=(4, 4, 16, 8))))
    assert len(shown) == 14
    assert {picture.shape for picture in shown} == {(12, 24, 3)}


def test_gradients_reach_the_coordinates(clip: fieldpress.Decoded):
    clip[0]  # its segment is loaded where no gradients are kept
    places = torch.rand(6, 3).requires_grad_()
    clip.field(Points(places)).sum().backward()
    assert places.grad is not None
    assert places.grad[:, 1:].abs().sum() > 0


def test_the_field_is_as_wide_as_the_widest_segment(clip: fieldpress.Decoded):
    assert clip.field.width == max(fieldpress.open(part).field.width for part in PARTS)


def test_tensors_are_named_by_segment(clip: fieldpress.Decoded):
    tensors = clip.field.tensors()
    assert len(tensors) == sum(len(fieldpress.open(part).field.tensors()) for part in PARTS)
    assert torch.equal(tensors["segments.2.nested.xy"], fieldpress.open(PARTS[2]).field.tensors()["nested.xy"])


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The segments that are decoded."""
    numbers: list[int] = []
    original = reading.decode_chunks

    def noted(chunks: Any, places_of: Any) -> Any:
        numbers.append(chunks[0].segment)
        return original(chunks, places_of)

    monkeypatch.setattr(reading, "decode_chunks", noted)
    return numbers


def test_a_picture_costs_its_own_segment_only(loads: list[int]):
    clip = fieldpress.open(FILE)
    assert loads == []
    clip[6]
    assert loads == [1]
    for index in (5, 4, 7, 0):
        clip[index]
    assert loads == [1, 0], "the latest two are kept"


def test_segments_are_dropped_when_others_are_asked_for(loads: list[int]):
    clip = fieldpress.open(FILE)
    for _ in clip:
        pass
    clip[0]
    assert loads == [0, 1, 2, 0]


# Files that are cut short


def ends_of_segments(file: bytes) -> list[int]:
    ends, position = [0, 0, 0], 0
    for size in container.sizes(file):
        position += size.bytes
        if size.part.startswith("segment "):
            ends[int(size.part.split()[1][:-1])] = position
    return ends


def test_a_cut_file_shows_its_whole_segments():
    ends = ends_of_segments(FILE)
    for whole, end in enumerate(ends, 1):
        for length in range(end, min(len(FILE), end + 40)):
            clip = fieldpress.open(FILE[:length])
            assert len(clip) == clip.signal.frames == STARTS[whole]
    first = fieldpress.open(FILE[: ends[1]])
    np.testing.assert_array_equal(np.stack(list(first)), pictures(FILE)[:8])


def test_a_file_without_one_whole_segment_says_how_many_bytes_that_takes():
    end = ends_of_segments(FILE)[0]
    told = f"the file is cut short: it has {end - 1} of {len(FILE)} bytes, and its first segment ends at byte {end}"
    with pytest.raises(FormatError, match=f"^{told}$"):
        fieldpress.open(FILE[: end - 1])


def test_a_clip_that_is_shown_backwards_decodes_each_segment_once(loads: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fieldpress.views.places_at_once", lambda *_: 3 * 24 * 32)  # three pictures at a time
    clip = fieldpress.open(FILE)
    backwards = np.stack(list(clip.pictures(clip.view(slice(None, None, -1)))))
    assert loads == [2, 1, 0]
    assert np.abs(backwards[::-1].astype(int) - pictures(FILE)).max() <= 1  # sums in another order


def test_times_are_cut_with_the_pictures():
    times = tuple(i * i for i in range(FRAMES))
    file = joined(PARTS, replace(CLIP, frames=FRAMES, timestamps=times))
    assert fieldpress.open(file[: ends_of_segments(file)[0]]).signal == replace(CLIP, timestamps=times[:5])


# Lies


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    contents = container.read(FILE)
    header = json.loads(json.dumps(contents.header))
    change(header)
    return container.write(header, contents.chunks)


def exchange(header: dict[str, Any]) -> None:
    header["fields"][0]["field"], header["fields"][2]["field"] = (header["fields"][i]["field"] for i in (2, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["fields"].pop(), "the segments have 8 pictures in all, the signal 13"),
        (lambda h: h["fields"][0].update(frames=6), "the segments have 14 pictures in all, the signal 13"),
        (lambda h: h["fields"][0].update(frames=0), "a segment has 0 pictures; expected at least 1"),
        (lambda h: h["fields"][0].update(frames=-5), "a segment has -5 pictures"),
        (lambda h: h["fields"][0].update(frames=2**53), "pictures in all, the signal 13"),
        (lambda h: h["fields"][0].update(frames=5.0), r"frames is 5\.0"),
        (lambda h: h["fields"][0].pop("field"), "field"),
        (lambda h: h["fields"][0].update(more=1), "more"),
        (lambda h: h.update(fields=[]), "header.fields has 0 items; expected two or more"),
        (lambda h: h.update(fields=h["fields"][:1]), "header.fields has 1 items; expected two or more"),
        (lambda h: h.update(fields=h["fields"] * 2), "26 pictures in all"),
        (
            lambda h: (
                h["fields"].append({**h["fields"].pop(), "frames": 4})
                or h["fields"].append({**h["fields"][0], "frames": 1})
            ),
            "the header describes 4 fields; the file has 3 segments",
        ),
        (lambda h: h.update(fields=[{"frames": 1, "field": h["fields"][0]["field"]}] * 13), "describes 13 fields"),
        (lambda h: h.update(field=h["fields"][0]["field"]), "the header has the keys"),
        (lambda h: h.update(fields=None), "header.fields"),
        (lambda h: h.update(fields={}), "header.fields"),
        (exchange, "segment 0: tensor "),
    ],
)
def test_fields_that_do_not_suit_the_segments_are_refused(change: Callable[[Any], None], message: str):
    with pytest.raises(FormatError, match=message):
        fieldpress.open(changed(change))


def test_a_header_of_many_lying_segments_is_refused_soon():
    """As many as a header has room for: none is decoded, and the first that does not suit its chunks ends it."""
    count = 6000
    field: Plain = container.read(PARTS[0]).header["field"]
    signal = {**container.read(PARTS[0]).header["signal"], "frames": count}
    lines = [
        container.Chunk("a", (("a", (1,)),), {"id": "raw", "precision": "float32"}, b"", 0, i) for i in range(count)
    ]
    about = container.read(PARTS[0]).header["about"]
    with pytest.raises(ConfigError, match="the header inflates to more than"):
        container.write({"signal": signal, "fields": [{"frames": 1, "field": field}] * count, "about": about}, lines)
    lines, signal = lines[:3000], {**signal, "frames": 3000}
    file = container.write({"signal": signal, "fields": [{"frames": 1, "field": field}] * 3000, "about": about}, lines)
    with pytest.raises(FormatError, match="segment 0: tensor "):
        fieldpress.open(file)


@pytest.mark.parametrize("part", [press(STILL, PICTURE, RAW)], ids=["image"])
def test_only_videos_have_segments(part: bytes):
    contents = container.read(part)
    segment = {"frames": 1, "field": contents.header.pop("field")}
    chunks = [replace(chunk, segment=number) for number in range(2) for chunk in contents.chunks]
    file = container.write({**contents.header, "fields": [segment, segment]}, chunks)
    with pytest.raises(FormatError, match="a signal of the kind 'image' has several fields; only video may"):
        fieldpress.open(file)


def test_a_bad_payload_is_found_when_its_segment_is_asked_for():
    contents = container.read(FILE)
    chunks = [replace(chunk, data=chunk.data[:-1]) if chunk.segment == 1 else chunk for chunk in contents.chunks]
    clip = fieldpress.open(container.write(contents.header, chunks))
    for index in (4, 8):
        clip[index]
    with pytest.raises(FormatError, match="segment 1: chunk "):
        clip[5]


def outcome(file: bytes) -> str:
    """Looks at the first and the last picture; anything but a FormatError fails the test."""
    try:
        clip = fieldpress.open(file)
        for index in {0, len(clip) - 1}:
            assert clip[index].shape == (clip.signal.height, clip.signal.width, 3)
        return "decoded"
    except FormatError:
        return "refused"


def test_mutated_files_decode_or_are_refused():
    seen = {outcome(mutate(FILE, Random(f"{number}"))) for number in range(200)}
    assert seen == {"decoded", "refused"}, "mutations that are all refused at once test little"


# The format's page


def test_a_decoder_written_from_the_format_alone_gives_the_same_colours(clip: fieldpress.Decoded):
    header = header_of(FILE)
    random = np.random.default_rng(5)
    centres = (np.arange(FRAMES) + 0.5) / FRAMES
    times = np.concatenate([centres, np.array(STARTS) / FRAMES, random.random(20)]).astype(np.float32)
    places = random.random((len(times), 2)).astype(np.float32)
    tensors = [tensors_of(FILE, number) for number in range(3)]
    theirs = []
    for t, (y, x) in zip(times, places, strict=True):
        number, own = segment_at(header, t)
        theirs.append(codes_at(header["fields"][number]["field"], tensors[number], float(own), y, x))
    found = clip.render(times, *places.T)
    assert np.abs(np.array(theirs).astype(int) - found).max() <= 1  # what FORMAT.md allows


# Where clips are cut


@given(st.integers(1, MAX_FRAMES), st.integers(1, 4320), st.integers(1, 7680), st.integers(LEAST_FRAMES, 10_000))
def test_cuts_are_even_and_leave_nothing_out(frames: int, height: int, width: int, segment: int):
    for asked, room in ((0, USUAL_PIXELS), (0, LONG_PIXELS), (segment, USUAL_PIXELS)):
        runs = cut(frames, height, width, asked, room)
        assert [i for run in runs for i in (run.start, run.stop)] == sorted(
            [0, frames, *(run.start for run in runs[1:]), *(run.start for run in runs[1:])]
        )
        lengths = [len(run) for run in runs]
        assert max(lengths) - min(lengths) <= 1
        assert min(lengths) >= min(LEAST_FRAMES, frames)
        area = height * width
        most = asked or max(USUAL_FRAMES, USUAL_PIXELS // area, min(LONG_FRAMES, room // area))
        assert max(lengths) <= max(most, 2 * LEAST_FRAMES)


def test_cuts_worked_by_hand():
    assert cut(300, 270, 480) == (range(0, 150), range(150, 300))
    assert cut(250, 270, 480) == (range(0, 250),)
    assert [len(run) for run in cut(100, 1080, 1920)] == [25] * 4
    assert [len(run) for run in cut(300, 1080, 1920, room=LONG_PIXELS)] == [100] * 3
    assert cut(300, 270, 480, room=LONG_PIXELS) == cut(300, 270, 480)
    assert [len(run) for run in cut(100, 4320, 7680, room=LONG_PIXELS)] == [25] * 4
    assert cut(9, 4, 4, 8) == (range(0, 9),)


@pytest.mark.parametrize("segment", [-1, 1, 7])
def test_a_segment_that_is_too_short_is_refused(segment: int):
    with pytest.raises(ConfigError, match=f"--segment is {segment}; expected 8 pictures or more, or 0"):
        cut(100, 4, 4, segment)


# Reading a source part by part


def frames_of(count: int, first: int = 0) -> list[Any]:
    return [rgb_frame(picture) for picture in moving_pictures(first + count, 24, 32)[first:]]


def lossless(folder: Path, count: int = 20, name: str = "clip.mkv", first: int = 0) -> Path:
    return write_clip(folder / name, frames_of(count, first), "ffv1", "bgr0")


@pytest.fixture
def folder_of_pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, frame in enumerate(frames_of(16)):
        write_picture(folder / f"{number}.png", frame, "png")
    return folder


def footage_of(path: Path, **how: Any) -> LongFootage:
    found = sources.open_footage(path, into=INTO_EIGHTS, **how)
    assert isinstance(found, LongFootage)
    return found


def check_parts(path: Path) -> None:
    found, whole = footage_of(path), sources.load(path)
    assert (found.signal, found.name) == (whole.signal, whole.name)
    for frames in (range(5, 13), range(15, 16)):
        np.testing.assert_array_equal(found.part(frames), whole.rgb[frames.start : frames.stop])
    for (rgb, luma), (other, other_luma) in zip(found.pictures(), whole.pictures(), strict=True):
        np.testing.assert_array_equal(rgb, other)
        assert (luma is None) == (other_luma is None)
        if luma is not None and other_luma is not None:
            np.testing.assert_array_equal(luma, other_luma)


def test_parts_of_a_clip_are_those_of_the_whole(tmp_path: Path):
    check_parts(lossless(tmp_path, 16))


def test_parts_of_a_clip_whose_frames_refer_to_each_other_are_those_of_the_whole(tmp_path: Path):
    options = {"x264-params": "keyint=12:bframes=3:log-level=none"}
    check_parts(write_clip(tmp_path / "a.mp4", frames_of(20), "libx264", "yuv420p", options=options, rotation=90))


def test_a_part_is_read_from_the_key_frame_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"x264-params": "keyint=8:bframes=2:log-level=none"}
    found = footage_of(write_clip(tmp_path / "a.mp4", frames_of(40), "libx264", "yuv420p", options=options))
    whole = [rgb for rgb, _ in found.pictures()]
    monkeypatch.setattr(Decoding, "pictures", lambda *_: pytest.fail("read from the start"))
    np.testing.assert_array_equal(found.part(range(19, 30)), whole[19:30])


def test_where_a_key_frame_leads_astray_a_part_is_read_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = lossless(tmp_path, 40)
    found, whole = footage_of(path), sources.load(path).rgb
    begun: list[int] = []
    straight = Decoding.pictures_from

    def astray(self: Decoding, time: int, count: int) -> Iterator[Picture]:
        begun.append(time)
        for number, picture in enumerate(straight(self, time, count)):
            yield picture if number < 2 else picture._replace(rgb=picture.rgb ^ 1)

    monkeypatch.setattr(Decoding, "pictures_from", astray)
    np.testing.assert_array_equal(found.part(range(19, 30)), whole[19:30])
    assert len(begun) == 1


def test_a_clip_whose_pictures_have_changed_is_refused(tmp_path: Path):
    found = footage_of(lossless(tmp_path))
    lossless(tmp_path, first=1)
    with pytest.raises(SourceError, match="has changed since it was first read"):
        found.part(range(8, 16))


def test_parts_of_a_folder_are_those_of_the_whole(folder_of_pictures: Path):
    check_parts(folder_of_pictures)


def test_a_clip_that_fits_one_segment_is_held(tmp_path: Path):
    assert isinstance(sources.open_footage(lossless(tmp_path, 8), into=INTO_EIGHTS), Observations)
    assert isinstance(sources.open_footage(lossless(tmp_path, 20)), Observations)


def test_the_digest_tells_clips_apart(tmp_path: Path):
    one, same, other = (lossless(tmp_path, name=f"{i}.mkv", first=i // 2) for i in range(3))
    assert footage_of(one).digest() == footage_of(same).digest() != footage_of(other).digest()


def test_good_frames_of_a_damaged_clip_are_read_in_parts(tmp_path: Path):
    path = lossless(tmp_path, 40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(SourceError, match="use them with --force"):
        sources.open_footage(path, into=INTO_EIGHTS)
    good = sources.load(path, force=True).rgb
    found = footage_of(path, force=True)
    assert len(good) == found.signal.frames > 20
    np.testing.assert_array_equal(found.part(range(10, len(good))), good[10:])


def test_a_clip_that_has_become_shorter_is_refused(tmp_path: Path):
    found = footage_of(lossless(tmp_path))
    lossless(tmp_path, 12)
    with pytest.raises(SourceError, match="has changed since it was first read"):
        found.part(range(8, 16))


def test_what_is_read_at_once_does_not_grow_with_the_clip(tmp_path: Path):
    def peak(frames: int) -> int:
        path = lossless(tmp_path, frames)
        tracemalloc.start()
        found = footage_of(path)
        for run in cut(frames, 24, 32, 8):
            found.part(run)
        for _ in found.pictures():
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # A picture leaves its digest and its time behind, hundreds of bytes, and none of its 24 x 32 x 3 pixels.
    assert peak(96) - peak(24) < 72 * 24 * 32 * 3 / 2


# Writing

QUICK = replace(
    recipe("nvp-fit"),
    decoder=Mlp(8, 1),
    plan={
        "volume": Video(codec="svt-av1", crf=30, preset="12", amplitude=0.5),
        "decoder": Entropy(step=1 / 256, unit="absolute"),
    },
    training=replace(recipe("nvp-fit").training, guidance=Guidance(every=0.3)),
    segment=8,
)
STEPS = 9
"""Of which the two segments of 20 pictures get 4 and 5."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, fieldpress.Report, list[Any]]:
    """A clip of 20 pictures, its file of two segments, the report, and the progress."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("written")
    clip, out = lossless(folder), folder / "clip.fpr"
    told: list[Any] = []
    return clip, out, encode(clip, out, QUICK, steps=STEPS, device="cpu", on_progress=told.append), told


Written = tuple[Path, Path, fieldpress.Report, list[Any]]


def test_a_long_clip_becomes_several_segments(written: Written):
    clip, out, report, _ = written
    contents = container.read(out.read_bytes())
    assert [one["frames"] for one in contents.header["fields"]] == [10, 10]
    assert contents.segments == 2
    assert (report.frames, report.steps) == (20, STEPS)
    shown = np.stack(list(fieldpress.open(out)))
    assert evaluate(out, clip).psnr_rgb == pytest.approx(report.psnr_rgb)
    assert np.abs(shown.astype(int) - sources.load(clip).rgb).mean() < 20


def test_the_parts_of_all_segments_add_up(written: Written):
    _, out, report, _ = written
    assert sum(chunk.bytes for chunk in report.chunks) == report.bytes == out.stat().st_size
    assert [(chunk.name, chunk.compressor) for chunk in report.chunks[2:]] == [
        ("segment 0: volume", "video"),
        ("segment 0: decoder", "entropy"),
        ("segment 1: volume", "video"),
        ("segment 1: decoder", "entropy"),
    ]


def test_a_segment_is_written_as_if_it_were_a_clip_of_its_own(written: Written, tmp_path: Path):
    _, out, _, _ = written
    encode(lossless(tmp_path, 10, first=10), tmp_path / "half.fpr", QUICK, segment=0, steps=5, device="cpu")
    own = container.read((tmp_path / "half.fpr").read_bytes())
    chunks = [chunk for chunk in container.read(out.read_bytes()).chunks if chunk.segment == 1]
    assert [replace(chunk, segment=0) for chunk in chunks] == list(own.chunks)


def test_progress_is_that_of_the_whole(written: Written):
    _, _, _, told = written
    shares, steps = [one.share for one in told], [one.step for one in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1 > shares[-2]
    assert steps == sorted(steps)
    assert steps[-1] == STEPS


@pytest.mark.parametrize("step", [1, 4, 7, 9])
def test_an_interrupted_run_goes_on_to_the_same_file(written: Written, tmp_path: Path, step: int):
    clip, whole, _, _ = written
    out = tmp_path / "clip.fpr"

    def stop(progress: Any) -> None:
        if progress.step == step and progress.share < 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        encode(clip, out, QUICK, steps=STEPS, device="cpu", on_progress=stop)
    steps = []
    encode(clip, out, QUICK, steps=STEPS, device="cpu", resume=True, on_progress=lambda p: steps.append(p.step))
    assert step <= steps[0] <= step + 1
    assert out.read_bytes() == whole.read_bytes()
    assert not checkpoint_path(out).exists()


def test_a_clip_that_fits_is_written_as_ever(tmp_path: Path):
    clip = lossless(tmp_path, 9)
    for name, segment in (("a", 0), ("b", 100), ("c", 8)):
        encode(clip, tmp_path / name, replace(QUICK, segment=0), steps=2, device="cpu", segment=segment)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    assert "field" in container.read((tmp_path / "a").read_bytes()).header


def test_a_size_is_reached_by_all_segments_together(tmp_path: Path):
    report = encode(lossless(tmp_path), tmp_path / "a.fpr", QUICK, steps=6, device="cpu", size=2400)
    assert report.bytes == pytest.approx(2400, rel=0.05)


def test_only_videos_are_cut(tmp_path: Path):
    picture = write_picture(tmp_path / "a.png", frames_of(1)[0], "png")
    encode(picture, tmp_path / "a.fpr", "image", steps=1, segment=8, device="cpu")
    assert "field" in container.read((tmp_path / "a.fpr").read_bytes()).header


def test_published_presets_are_not_cut():
    published: list[Recipe] = [recipe("nvp-s"), recipe("nvp-l")]
    assert all(len(one.cut(MAX_FRAMES, 1080, 1920)) == 1 for one in published)


# The command line


def test_info_lists_all_segments(written: Written, capsys: pytest.CaptureFixture[str]):
    _, out, report, _ = written
    assert main(["info", str(out)]) == 0
    text = capsys.readouterr().out
    assert "cut into  2 segments, each with a field of its own" in text
    assert all(chunk.name in text for chunk in report.chunks)
    assert main(["info", "--json", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(chunk["bytes"] for chunk in told["chunks"]) == told["bytes"] == report.bytes
    assert [one["frames"] for one in told["fields"]] == [10, 10]


def test_a_cut_file_says_what_it_still_shows(written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, out, report, _ = written
    cut_file, frames = tmp_path / "cut.fpr", tmp_path / "frames"
    cut_file.write_bytes(out.read_bytes()[:-1])
    assert main(["decode", str(cut_file), str(frames)]) == 0
    told = capsys.readouterr().err
    assert f"is cut short: it has {report.bytes - 1:,} bytes; going on with the first 10 pictures, 1 of its 2" in told
    assert len(list(frames.iterdir())) == 10
    assert main(["info", str(cut_file)]) == 0
    assert "bytes are there, the first 10 pictures, 1 of its 2 segments" in capsys.readouterr().out


def test_a_cut_file_is_measured_as_far_as_it_goes(written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip, out, _, _ = written
    cut_file = tmp_path / "cut.fpr"
    cut_file.write_bytes(out.read_bytes()[:-1])
    assert main(["eval", str(cut_file), str(clip), "--json"]) == 0
    told, complaint = capsys.readouterr()
    size = cut_file.stat().st_size
    assert complaint.endswith(
        f"cut.fpr is cut short: it has {size:,} bytes; going on with the first 10 pictures, 1 of its 2 segments\n"
    )
    found = json.loads(told)
    pairs = zip(sources.load(clip).rgb, pictures(out.read_bytes())[:10], strict=False)
    assert found["psnr_rgb"] == pytest.approx(np.mean([picture_psnr(a, b) for a, b in pairs]), abs=1e-6)
    assert (found["frames"], found["bytes"], found["bpp"]) == (10, size, 8 * size / (10 * 24 * 32))
    with pytest.raises(ConfigError, match="has 10 pictures of 32 x 24, the file 20 pictures of 32 x 24"):
        evaluate(cut_file, lossless(tmp_path, 10))


def test_the_flag_cuts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip, out = lossless(tmp_path, 16), tmp_path / "a.fpr"
    assert main(["encode", str(clip), str(out), "--segment", "8", "--steps", "2", "--plan.film", "uniform"]) == 0
    assert container.read(out.read_bytes()).segments == 2
    assert main(["encode", str(clip), str(out), "--force", "--segment", "3"]) == 2
    assert "--segment is 3; expected 8 pictures or more" in capsys.readouterr().err


# Several at a time


@pytest.fixture(scope="module")
def apart(written: Written, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """The file of two processes, and the shares they told."""
    clip, _, _, _ = written
    out, shares = tmp_path_factory.mktemp("apart") / "clip.fpr", []
    encode(clip, out, QUICK, steps=STEPS, device="cpu", jobs=2, on_progress=lambda p: shares.append(p.share))
    return out, shares


def test_processes_write_the_same_file(written: Written, apart: tuple[Path, list[float]]):
    _, whole, _, _ = written
    out, shares = apart
    assert out.read_bytes() == whole.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["clip.fpr"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_stopped_processes_go_on_to_the_same_file(written: Written, tmp_path: Path):
    clip, whole, _, _ = written
    out = tmp_path / "clip.fpr"

    def stop(progress: Any) -> None:
        if progress.share > 0:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        encode(clip, out, QUICK, steps=STEPS, device="cpu", jobs=2, on_progress=stop)
    assert any(checkpoint_path(out).iterdir())
    with pytest.raises(ConfigError, match="the checkpoint is of a run with --jobs"):
        encode(clip, out, QUICK, steps=STEPS, device="cpu", resume=True)
    before = sorted(path.name for path in checkpoint_path(out).iterdir())
    with pytest.raises(ConfigError, match=r"clip\.fpr\.checkpoint: the checkpoint is of another run"):
        encode(clip, out, QUICK, steps=STEPS, device="cpu", resume=True, jobs=2, seed=1)
    assert sorted(path.name for path in checkpoint_path(out).iterdir()) == before
    shutil.copytree(checkpoint_path(out), other := checkpoint_path(tmp_path / "other.fpr"))
    encode(clip, out, QUICK, steps=STEPS, device="cpu", resume=True, jobs=2)
    assert out.read_bytes() == whole.read_bytes()
    encode(clip, tmp_path / "other.fpr", QUICK, steps=STEPS, device="cpu")  # anew, whatever is there
    assert not other.exists()


def test_a_checkpoint_of_one_process_is_not_for_several(written: Written, tmp_path: Path):
    clip, _, _, _ = written
    checkpoint_path(tmp_path / "clip.fpr").write_bytes(b"one")
    with pytest.raises(ConfigError, match="the checkpoint is of a run in one process; resume without --jobs"):
        encode(clip, tmp_path / "clip.fpr", QUICK, steps=STEPS, device="cpu", resume=True, jobs=2)


@pytest.mark.parametrize("jobs", [0, -1, 10**9])
def test_a_number_of_jobs_out_of_range_is_refused(tmp_path: Path, jobs: int):
    with pytest.raises(ConfigError, match=f"--jobs is {jobs}; expected 1 to"):
        encode(tmp_path / "a.mkv", tmp_path / "a.fpr", QUICK, jobs=jobs)


def test_minutes_are_those_of_so_many_at_a_time():
    lengths = [10] * 5
    assert [part.minutes for part in shares_of(Budget(minutes=10), lengths)] == [2.0] * 5
    assert [part.minutes for part in shares_of(Budget(minutes=6), lengths, jobs=2)] == [2.0] * 5
    assert [part.minutes for part in shares_of(Budget(minutes=6), lengths, jobs=5)] == [6.0] * 5


def test_every_segment_gets_a_step():
    assert [part.steps for part in shares_of(Budget(steps=2), [10] * 4)] == [1, 1, 1, 1]
