"""Damaged and hostile files, opened whole: each gives pictures or a FormatError, in bounded memory and time."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from benchmarks.hostile import Anatomy, assemble, damage, dissect, mutate
from pressed import CLIP, MIXED_PLAN, PICTURE, PUBLISHED, STILL, press

import fieldpress
from fieldpress.compressors import Entropy
from fieldpress.config import to_plain
from fieldpress.decoders import CellMlp, Mlp
from fieldpress.encodings import CellVolume, Film, Planes, Volume
from fieldpress.encodings.levels import Level
from fieldpress.errors import FormatError
from fieldpress.field import FieldConfig
from fieldpress.signals import Video

FILES = {
    "film": press(),
    "mixed": press(PUBLISHED, plan=MIXED_PLAN),
    "still": press(STILL, PICTURE, MIXED_PLAN),
}
every_file = pytest.mark.parametrize("file", FILES.values(), ids=FILES)


def outcome(file: bytes) -> str:
    """Opens a file and looks at its first and last picture; anything but a FormatError fails the test."""
    try:
        pictures = fieldpress.open(file)
        for index in {0, len(pictures) - 1}:
            picture = pictures[index]
            assert picture.dtype == np.uint8
            assert picture.shape == (pictures.signal.height, pictures.signal.width, 3)
        return "decoded"
    except FormatError as error:
        message = str(error)
    assert len(message) < 1000
    assert len(message.splitlines()) == 1
    return "refused"


def rewritten(file: bytes, change: Any) -> bytes:
    """The file with its header changed, and every check right."""
    anatomy = dissect(file)
    header = json.loads(anatomy.text)
    change(header, anatomy)
    return assemble(json.dumps(header).encode(), anatomy.payloads)


def refusal(file: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        fieldpress.open(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Accidents


@every_file
def test_a_good_file_decodes(file: bytes):
    assert outcome(file) == "decoded"
    assert outcome(rewritten(file, lambda header, anatomy: None)) == "decoded"


@every_file
def test_a_file_cut_anywhere_is_refused(file: bytes):
    for length in range(len(file)):
        refusal(file[:length])


@every_file
def test_a_file_with_more_behind_it_is_refused(file: bytes):
    assert "after its end" in refusal(file + b"\0")


@every_file
def test_a_flipped_bit_is_noticed_anywhere(file: bytes):
    random = Random(1)
    for position in range(len(file)):
        refusal(file[:position] + bytes([file[position] ^ 1 << random.randrange(8)]) + file[position + 1 :])


# Attacks: the checks are right


@every_file
def test_damaged_payloads_under_right_checks_decode_or_are_refused(file: bytes):
    random = Random(2)
    seen = set()
    for _ in range(60):
        anatomy = dissect(file)
        number = random.randrange(len(anatomy.payloads))
        anatomy.payloads[number] = damage(anatomy.payloads[number], random)
        header = json.loads(anatomy.text)
        header["segments"][0][number][4] = len(anatomy.payloads[number])
        seen.add(outcome(assemble(json.dumps(header).encode(), anatomy.payloads)))
    assert "refused" in seen


@every_file
def test_mutated_files_decode_or_are_refused(file: bytes):
    seen = {outcome(mutate(file, Random(f"{number}"))) for number in range(250)}
    assert seen == {"decoded", "refused"}, "mutations that are all refused at once test little"


def test_chunks_exchanged_within_a_file_are_noticed():
    def exchange(header: dict[str, Any], anatomy: Anatomy) -> None:
        anatomy.payloads.reverse()
        lines = header["segments"][0]
        lines[0][4], lines[1][4] = lines[1][4], lines[0][4]

    assert outcome(rewritten(FILES["film"], exchange)) == "refused"


def test_tensors_moved_to_another_chunk_are_decoded_from_it_or_refused():
    def move(header: dict[str, Any], anatomy: Anatomy) -> None:
        lines = header["segments"][0]
        lines[1][1].append(lines[0][1].pop())

    assert outcome(rewritten(FILES["film"], move)) == "refused"


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("size", [1, 7, 2**24, 2**29])
def test_a_shape_other_than_the_field_has_is_refused(axis: int, size: int):
    def change(header: dict[str, Any], anatomy: Anatomy) -> None:
        header["segments"][0][0][1][0][1][axis] = size + (axis == 0)

    assert outcome(rewritten(FILES["film"], change)) == "refused"


@pytest.mark.parametrize("part", ["signal", "encoding", "decoder", "compressor"])
@pytest.mark.parametrize("identifier", ["", "nerf", "../planes", None, 3, ["planes"]], ids=str)
def test_an_unknown_part_is_refused(part: str, identifier: Any):
    def change(header: dict[str, Any], anatomy: Anatomy) -> None:
        {
            "signal": header["signal"],
            "encoding": header["field"]["encodings"]["volume"],
            "decoder": header["field"]["decoder"],
            "compressor": header["compressors"][0],
        }[part]["id"] = identifier

    assert part in refusal(rewritten(FILES["film"], change)) or part == "encoding"


@pytest.mark.parametrize("key", ["signal", "field", "about", "encodings", "decoder", "steps", "width", "extra"])
def test_a_missing_or_unknown_key_is_refused(key: str):
    def change(header: dict[str, Any], anatomy: Anatomy) -> None:
        for table in (header, header["field"], header["about"], header["signal"]):
            if table.pop(key, None) is not None:
                return
        header["about"][key] = 1

    assert key in refusal(rewritten(FILES["film"], change))


@pytest.mark.parametrize(
    "name", ["decoder", "training", "forward", "volume.levels", "Volume", "volume\n", "", "planes"]
)
def test_a_name_that_no_encoding_has_is_refused(name: str):
    def change(header: dict[str, Any], anatomy: Anatomy) -> None:
        header["field"]["encodings"] = {name: header["field"]["encodings"]["volume"]}
        for tensor in header["segments"][0][0][1]:
            tensor[0] = tensor[0].replace("volume", name.strip(), 1)

    assert outcome(rewritten(FILES["film"], change)) == "refused"


@pytest.mark.parametrize("empty", ["planes", "volume"])
def test_an_encoding_without_grids_is_refused(empty: str):
    def change(header: dict[str, Any], anatomy: Anatomy) -> None:
        encodings = header["field"]["encodings"]
        name = empty if empty not in encodings else "volume2"
        encodings[name] = {
            "planes": {"id": "planes", "channels": 1, "xy": [], "yt": [], "xt": []},
            "volume": {"id": "volume", "levels": [], "neighbours": 3, "interpolation": "linear"},
        }[empty]

    assert outcome(rewritten(FILES["film"], change)) == "refused"


def test_weights_beyond_all_measure_still_give_pictures():
    for config, signal in ((PUBLISHED, CLIP), (STILL, PICTURE)):
        assert outcome(press(config, signal, MIXED_PLAN, contrast=1e38)) == "decoded"


# Claims of size: a small file must not cost much. Run apart, so that memory can be limited.


def _huge_signal(header: dict[str, Any]) -> None:
    header["signal"] |= {"frames": 100_000, "height": 16_384, "width": 16_384}


def _many_features(header: dict[str, Any]) -> None:
    level = header["field"]["encodings"]["volume"]["levels"][0]
    level |= {"channels": 2**40, "frames": 1, "height": 1, "width": 1}


def _many_levels(header: dict[str, Any]) -> None:
    planes = {"id": "planes", "channels": 1, "xy": [[1, 1]] * 100_000, "yt": [], "xt": []}
    header["field"]["encodings"]["planes"] = planes


def _huge_grid(header: dict[str, Any]) -> None:
    header["field"]["encodings"]["volume"]["levels"][0] |= {"frames": 2**50, "height": 2**50, "width": 2**50}


def _deep_decoder(header: dict[str, Any]) -> None:
    header["field"]["decoder"] |= {"depth": 2**50}


def _wide_decoder(header: dict[str, Any]) -> None:
    header["field"]["decoder"] |= {"width": 2**50}


def _many_encodings(header: dict[str, Any]) -> None:
    volume = header["field"]["encodings"]["volume"]
    header["field"]["encodings"] = {f"volume{number}": volume for number in range(3000)}


def _nested_compressors(header: dict[str, Any]) -> None:
    for _ in range(6):
        header["compressors"][0] = {**header["compressors"][0], "parts": header["compressors"][0]}


CLAIMS = [
    _huge_signal, _many_features, _many_levels, _huge_grid, _deep_decoder, _wide_decoder, _many_encodings,
    _nested_compressors,
]  # fmt: skip

_LIMITED = """
    import resource, sys, time
    import fieldpress
    from fieldpress.errors import FormatError
    fieldpress.open(open(sys.argv[1], "rb").read())[0]
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + 600 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sys.argv[2:]:
        started = time.process_time()
        try:
            clip = fieldpress.open(open(path, "rb").read())
            part = clip.view(crop=(0, 0, min(200, clip.signal.width), min(200, clip.signal.height)))
            next(clip.pictures(part))
        except FormatError:
            pass
        assert time.process_time() - started < 10, path
    print("ok")
"""


def _limited(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Opens the files in a process with 600 MiB to spare, and looks at a part of each; each thread may take as much."""
    paths = []
    for name, file in {"good": FILES["film"], **files}.items():
        paths.append(tmp_path / f"{name}.fpr")
        paths[-1].write_bytes(file)
    command = [sys.executable, "-c", textwrap.dedent(_LIMITED), *map(str, paths)]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ran.stdout == "ok\n", ran.stderr[-2000:]


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory the Linux way")


@needs_proc
def test_claims_of_size_cost_little(tmp_path: Path):
    _limited(
        tmp_path,
        {claim.__name__: rewritten(FILES["film"], lambda header, _, claim=claim: claim(header)) for claim in CLAIMS},
    )


@needs_proc
def test_as_much_as_a_small_file_may_hold_is_shown_in_bounded_memory(tmp_path: Path):
    def zeros(config: FieldConfig, signal: Video) -> bytes:
        """A file that claims much in few bytes; a tensor of zeros costs none."""
        lines = [[name, list(shape)] for name, shape in config.shapes().items()]
        header = {
            "signal": to_plain(signal),
            "field": to_plain(config),
            "about": {"preset": "", "seed": 0, "steps": 0, "device": "cpu"},
            "compressors": [to_plain(Entropy(step=1.0, unit="absolute"))],
            "segments": [[[f"c{i}", [line], 0, 0, 0] for i, line in enumerate(lines)]],
        }
        return assemble(json.dumps(header).encode(), [b""] * len(lines))

    def clip(frames: int, side: int) -> Video:
        return Video(frames, side, side, (25, 1), (1, 25), None, "rgb", True)

    files = {
        "one pixel of many slices": zeros(
            FieldConfig({"volume": Volume((Level(1, 4, 2000, 2000),))}, Mlp(4, 1)), clip(100_000, 1)
        ),
        "many features": zeros(
            FieldConfig({"planes": Planes(2000, ((1, 1), (2, 2)), (), ())}, Mlp(16, 1)), clip(1, 2000)
        ),
        "a wide layer": zeros(FieldConfig({"planes": Planes(2, ((2, 2),), (), ())}, Mlp(4096, 1)), clip(1, 2000)),
        "a coarse grid": zeros(FieldConfig({"volume": Volume((Level(24, 1, 16, 16),))}, Mlp(4, 1)), clip(1, 16_384)),
        "far more cells than pixels": zeros(
            FieldConfig({"volume": CellVolume((Level(1, 1, 4000, 4000),))}, CellMlp(4096, 1)), clip(1, 64)
        ),
        "a film of far more pixels": zeros(FieldConfig({"film": Film(1, 3300, 3300)}, CellMlp(4096, 1)), clip(1, 64)),
        "one cell of a fine level": zeros(
            FieldConfig({"volume": CellVolume((Level(1, 1, 4, 4), Level(1, 1, 4000, 4000)))}, CellMlp(4, 1)),
            clip(100_000, 1),
        ),
    }
    _limited(tmp_path, files)
