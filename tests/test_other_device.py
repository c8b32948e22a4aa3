"""Everything on a second device: nothing is left behind on the CPU, and a file shows the same there as here.

``other_device.py`` says what that device is, and what about a GPU it cannot say.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filmed import FILM, rate
from numpy.typing import NDArray
from octrees import drawn_tensors, scene_field, shell
from octrees import scene_file as drawn_scene
from other_device import OtherTensor, other_device
from pressed import CELLS, FITTED, FLOW, KEYFRAMES, NESTED, PICTURE, PUBLISHED, STILL, joined, press
from scene_files import scene_file, small_orbit
from small_scenes import photographs
from small_scenes import small as small_scene
from small_shapes import ball_file
from torch import Tensor, nn

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import cli
from fieldpress.cli import commands
from fieldpress.compressors import Compressor, Dictionary, Entropy, LowRank, Raw, Tucker, Uniform, Video
from fieldpress.compressors.guides import Guidance
from fieldpress.decoders import CellMlp, Mlp, Siren
from fieldpress.devices import choose_device
from fieldpress.encodings import Dense, HashGrid
from fieldpress.errors import ConfigError
from fieldpress.field import Points
from fieldpress.presets import Recipe, recipe
from fieldpress.training.loop import Trainer
from fieldpress.viewer import Renderers
from fieldpress.writing import Interrupted, encode

RAW: dict[str, Compressor] = {"*": Raw()}
X265 = Video(codec="x265", crf=30.0, preset="ultrafast", per="tensor")


# The device is as a GPU in what it refuses

REFUSED: dict[str, tuple[Callable[[Tensor, Tensor], Any], str]] = {
    "sums of both devices": (lambda there, here: there + here, "same device"),
    "sums in place": (lambda there, here: here.add_(there), "same device"),
    "sums into a number": (lambda there, here: here.sum().add_(there.sum()), "same device"),
    "lists of both": (lambda there, here: torch.cat([there, here]), "same device"),
    "products": (lambda there, here: there @ here.T, "same device"),
    "a layer left behind": (lambda there, here: nn.Linear(4, 2)(there), "same device"),
    "rows by index_select": (lambda there, here: there.index_select(0, torch.tensor([1])), "same device"),
    "a lookup there from here": (lambda there, here: here[there[0, :1].long()], "indices should be either on cpu"),
    "values of the wrong place": (lambda there, here: there.index_put_((torch.arange(3),), here), "same device"),
    "numbers of NumPy": (lambda there, here: there.numpy(), r"Use Tensor\.cpu\(\)"),
    "arrays": (lambda there, here: np.asarray(there), r"Use Tensor\.cpu\(\)"),
    "whole products": (lambda there, here: there.long() @ there.long().T, "not implemented for"),
    "draws from here": (
        lambda there, here: torch.rand(3, device=there.device, generator=torch.Generator().manual_seed(0)),
        "device type for generator",
    ),
}
ALLOWED: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "a number from here": lambda there, here: there * here.sum(),
    "a lookup from here": lambda there, here: there[torch.tensor([2, 0])],
    "a mask from here": lambda there, here: there[here > 5],
    "a list": lambda there, here: there[[0, 2], 1:],
    "a copy": lambda there, here: torch.zeros_like(there).copy_(here),
    "a part that is set": lambda there, here: (there.clone()[1:].fill_(2.0), there)[1],
    "the way back": lambda there, here: there.cpu() + here,
}


@pytest.fixture
def both() -> Iterator[tuple[Tensor, Tensor]]:
    """Twelve numbers there and here."""
    with other_device():
        here = torch.arange(12.0).reshape(3, 4)
        yield here.to("cuda"), here


@pytest.mark.parametrize("name", REFUSED)
def test_the_device_refuses(name: str, both: tuple[Tensor, Tensor]):
    attempt, words = REFUSED[name]
    with pytest.raises((RuntimeError, TypeError), match=words):
        attempt(*both)


@pytest.mark.parametrize("name", ALLOWED)
def test_the_device_allows(name: str, both: tuple[Tensor, Tensor]):
    there, here = both
    torch.testing.assert_close(ALLOWED[name](there, here).cpu(), ALLOWED[name](here, here), rtol=0, atol=0)


def test_what_is_made_there_is_there():
    with other_device():
        made = [
            torch.zeros(2, device="cuda"),
            torch.tensor([1, 2], device="cuda:0"),
            torch.arange(3).to("cuda"),
            nn.Linear(2, 2).to("cuda").weight,
        ]
        made += [made[0] + 1, torch.ones_like(made[0]), made[0].new_ones(3), made[3] @ made[3]]
        assert all(isinstance(tensor, OtherTensor) and tensor.is_cuda for tensor in made)
    assert not torch.cuda.is_available()


def test_waiting_is_counted(both: tuple[Tensor, Tensor]):
    with other_device() as waits:
        there = torch.ones(3, device="cuda")
        for ask in (lambda: float(there.sum()), there.cpu, (there > 0).nonzero, lambda: there * 2):
            ask()
        torch.zeros(3).to("cuda", non_blocking=True)
    assert waits == {"_local_scalar_dense": 1, "_to_copy": 1, "nonzero": 1}


def test_gradients_and_sparse_ones_stay_there():
    with other_device():
        grid = nn.Parameter(torch.ones(3, 2, device="cuda"))
        (grid.index_select(0, torch.tensor([1, 1], device="cuda")) * 2).sum().backward()
        assert isinstance(grid.grad, OtherTensor)
        assert grid.grad.tolist() == [[0, 0], [4, 4], [0, 0]]
        index = torch.zeros(1, 2, dtype=torch.int64, device="cuda")
        sparse = torch.sparse_coo_tensor(index, torch.ones(2, 4, device="cuda"), (3, 4), check_invariants=False)
        assert sparse.coalesce().values().tolist() == [[2.0] * 4]


# What is trained there


def mini(kind: Any = "special", volume: Compressor = X265, start: Any = "tucker", **grids: Any) -> Recipe:
    """The preset for studies, small and with quick codecs."""
    chosen = recipe("nvp-mini")
    planes = replace(chosen.plan["planes"], preset="ultrafast")
    return replace(
        chosen,
        grids=replace(chosen.grids, parameters_per_pixel=0.3, plane_levels=1, **grids),
        decoder=Mlp(6, 1),
        plan={**chosen.plan, "volume": volume, "planes": planes, "nested": planes, "flow": planes},
        training=replace(
            chosen.training,
            start=start,
            rate_weight=1.0,
            guidance=replace(chosen.training.guidance, kind=kind, every=0.3),
        ),
    )


def fitted(decoder: Mlp | None = None, **training: Any) -> Recipe:
    chosen = recipe("nvp-fit")
    return replace(
        chosen,
        decoder=decoder or CellMlp(6, 1),
        plan={**chosen.plan, "volume": replace(FILM, amplitude=0.5)},
        training=replace(chosen.training, guidance=Guidance(every=0.3), **training),
    )


def published() -> Recipe:
    """What is particular to NVP as published: its decoder, and pixels drawn from the whole clip."""
    chosen = mini("none", start="random")
    training = replace(chosen.training, sampling="pixels", batch_pixels=400, weight_decay=1e-3)
    return replace(chosen, decoder=Siren(6, 2), training=training)


CLIPS: dict[str, Recipe] = {
    "rate": rate(),
    "nvp-fit": fitted(),
    "nvp-fit of pixels": fitted(sampling="pixels", batch_pixels=300),
    "nvp-fit, pixel by pixel": fitted(Mlp(6, 1)),
    "nvp-fit by structure": fitted(loss="l1-ssim"),
    "as published": published(),
    "none": mini("none"),
    "project": mini("project"),
    "round-trip": mini("round-trip"),
    "proximal": mini("proximal"),
    "special": mini(),
    "random": mini(start="random"),
    "source": mini(start="source"),
    "flow": mini(start="random", flow=1),
    "nested": mini(start="random", nested=True),
    "tucker": mini(volume=Tucker()),
    "dictionary": mini(volume=Dictionary(bits=3)),
    "entropy": mini(volume=Entropy(step=1 / 16)),
    "uniform": mini(volume=Uniform(bits=6)),
    "lowrank": mini(volume=LowRank()),
}
SCENES = {name: small_scene(name) for name in ("radiance-vq", "radiance-octree", "radiance-hash", "radiance-dense")}


def clip(folder: Path) -> Path:
    pictures = [rgb_frame(picture) for picture in moving_pictures(4, 18, 20)]
    return write_clip(folder / "clip.mkv", pictures, "ffv1", "bgr0")


def encoded(source: Path, preset: Recipe, steps: int) -> Path:
    """The file of a run that is stopped at its beginning and near its end, each time resumed; all of it there."""
    out, stops = source.with_name("out.fpr"), [1, steps - 2]

    def stop(progress: Any) -> None:
        if progress.step in stops:
            stops.remove(progress.step)
            raise KeyboardInterrupt

    with other_device():
        for _ in range(3):
            with suppress(Interrupted):
                report = encode(source, out, preset, steps=steps, device="cuda", resume=True, on_progress=stop)
                assert report.device == "cuda"
                break
    return out


def shown(file: Path | bytes, device: str) -> list[NDArray[np.uint8]]:
    """The first two pictures."""
    opened = fieldpress.open(file, device=device)
    return [opened[i] for i in range(min(2, len(opened)))]


def check_pictures(file: Path | bytes, look: Callable[[Path | bytes, str], Sequence[Any]] = shown) -> None:
    """What is seen there is what is seen here."""
    with other_device():
        there = look(file, "cuda")
    for one, other in zip(there, look(file, "cpu"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_is_encoded_there(name: str, tmp_path: Path):
    check_pictures(encoded(clip(tmp_path), CLIPS[name], 6))


def test_a_picture_is_encoded_there(tmp_path: Path):
    source = write_picture(tmp_path / "picture.png", rgb_frame(moving_pictures(1, 18, 20)[0]), "png")
    check_pictures(encoded(source, replace(recipe("image"), plan=rate().plan), 6))


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_encoded_there(name: str, tmp_path: Path):
    check_pictures(encoded(photographs(tmp_path / "photos", 6), SCENES[name], 12))


def test_a_shape_is_encoded_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, size in {"_SHAPE_SIDE": 7, "_SHAPE_CAMERAS": 2, "_SHAPE_PLACES": 500, "_JUDGED_PLACES": 256}.items():
        monkeypatch.setattr(f"fieldpress.subjects.solid.{name}", size)
    corners = [f"v {x} {y} {z}" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    sides = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
    (tmp_path / "box.obj").write_text("\n".join([*corners, *(f"f {side}" for side in sides)]) + "\n")
    chosen = recipe("shape")
    grids = replace(chosen.scene_grids, coarsest=1, finest=2, channels=2)
    preset = replace(chosen, grids=grids, training=replace(chosen.training, batch_pixels=128))
    check_pictures(encoded(tmp_path / "box.obj", preset, 6))


@pytest.mark.parametrize(("preset", "most"), [(fitted(), 3), (mini(), 2)], ids=["nvp-fit", "nvp-mini"])
def test_a_step_hardly_waits_for_the_device(preset: Recipe, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = []

    def counted(trainer: Trainer, share: float) -> float:
        before = waits.total()
        error = step(trainer, share)
        found.append(waits.total() - before)
        return error

    step = Trainer._train_step
    monkeypatch.setattr(Trainer, "_train_step", counted)
    with other_device() as waits:
        encode(clip(tmp_path), tmp_path / "out.fpr", preset, steps=3, device="cuda")
    assert 1 <= max(found) <= most, "one for the error, one for each grid that is updated blockwise or has a guide"


# What is shown there


def drawn(*encodings: Any) -> bytes:
    """A scene with another encoding beside its octree."""
    config = scene_field(shell(16), *encodings)
    return drawn_scene(config, drawn_tensors(config, shell(16)))


SCENE = scene_file(small_orbit(2), finest=4)
FILES: dict[str, bytes] = {
    "fitted": press(FITTED),
    "cells": press(CELLS),
    "published": press(PUBLISHED, plan=RAW),
    "keyframes": press(KEYFRAMES, plan=RAW),
    "nested": press(NESTED, plan=RAW),
    "flow": press(FLOW, plan=RAW),
    "segments": joined([press(FITTED), press(FITTED, seed=1)]),
    "picture": press(STILL, PICTURE, RAW),
    "octree": SCENE,
    "hash grid": drawn(HashGrid(2, (4, 9), 8)),
    "dense grid": drawn(Dense(2, 5)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_shows_the_same_there(name: str):
    check_pictures(FILES[name])


def parts(file: Path | bytes, device: str) -> Sequence[Any]:
    """Between pixels, between pictures, and anywhere."""
    opened = fieldpress.open(file, device=device)
    enlarged = opened.view(slice(1, 3), scale=1.7, time_scale=1.5, crop=(1, 2, 9, 5))
    return [*opened.pictures(enlarged), opened.render(0.4, np.linspace(0, 1, 5), 0.3)]


@pytest.mark.parametrize("name", ["fitted", "published", "nested", "flow", "segments"])
def test_a_clip_shows_the_same_parts_there(name: str):
    check_pictures(FILES[name], parts)


def test_the_film_of_rate_shows_the_same_parts_there(tmp_path: Path):
    out = tmp_path / "out.fpr"
    encode(clip(tmp_path), out, rate(), steps=2, device="cpu")
    check_pictures(out, parts)


def test_a_scene_shows_the_same_levels_there():
    check_pictures(SCENE, lambda file, device: [fieldpress.open(file, device=device, levels=1)[0]])


def test_the_viewer_shows_the_same_there():
    def bands(file: Path | bytes, device: str) -> Sequence[Any]:
        renderers = Renderers(fieldpress.open(file, device=device))
        return [band for levels in (1, 3) for band in renderers.bands(renderers.signal.camera(0), levels)]

    check_pictures(SCENE, bands)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (SCENE, "render in.fpr out.png --frames 1 --size 12x9 --depth out.depth.png"),
        (SCENE, "render in.fpr --mesh out.ply"),
        (ball_file(), "decode in.fpr out.ply"),
        (press(FITTED), "decode in.fpr out.png --frames 0:1 --scale 2"),
    ],
    ids=["film", "mesh of a scene", "mesh of a shape", "picture"],
)
def test_the_command_line_writes_the_same_there(
    file: bytes, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("in.fpr").write_bytes(file)

    def outputs(_: Path | bytes, device: str) -> Sequence[Any]:
        assert cli.main([*line.split(), "--device", device, "--force"]) == 0
        return [np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(tmp_path.glob("out.*"))]

    check_pictures(file, outputs)


def test_a_segment_that_was_moved_to_be_shown_still_gives_gradients():
    opened = fieldpress.open(FILES["segments"])
    opened.field.to(torch.float64)  # moves tensors as another device does, and is no simulation
    with torch.inference_mode():
        opened.field(Points(torch.full((1, 3), 0.4, dtype=torch.float64)))
    places = torch.tensor([[0.4, 0.33, 0.41]], dtype=torch.float64, requires_grad=True)
    opened.field(Points(places)).sum().backward()
    assert places.grad is not None


def test_levels_that_are_left_out_take_no_memory_where_a_field_is_moved():
    field = fieldpress.open(SCENE, levels=1).field.to(torch.float64)
    absent = [field.get_parameter(f"octree.levels.{level}") for level in (1, 2)]
    assert [tensor.untyped_storage().nbytes() for tensor in absent] == [8, 8]
    assert [tensor.dtype for tensor in absent] == [torch.float64] * 2


# What is said of it


def test_without_a_device_nothing_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["encode", str(clip(tmp_path)), str(tmp_path / "out.fpr"), "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said == "fieldpress: error: --device cuda: torch finds no CUDA device here; use --device cpu\n"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


@pytest.mark.parametrize("name", ["cuda:", "cuda:one", "cuda0", "cudas", "cuda:-1"])
def test_a_device_that_cannot_be_is_unknown(name: str):
    with other_device(), pytest.raises(ConfigError, match=f"unknown device '{name}'"):
        choose_device(name)


def test_a_device_that_does_not_compute_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any, **__: Any) -> Tensor:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with `TORCH_USE_CUDA_DSA`")

    monkeypatch.setattr(torch, "ones", broken)
    expected = "^--device cuda: the device does not compute: CUDA error: no kernel image is available; use --device"
    with other_device(), pytest.raises(ConfigError, match=expected):
        choose_device("auto")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["allocator", "driver", "library"],
)
def test_a_device_without_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def failing(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(commands, "dispatch", failing)
    assert cli.main(["encode"]) == 2
    said = capsys.readouterr().err
    assert "out of memory" in said
    assert said.count("\n") == 1
