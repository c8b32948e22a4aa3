"""Writes the golden files of the current format version that are not there yet; never touches one that is.

    python tests/golden/write.py

Each is a file and, beside it, what it decoded to when it was written: the tensors, bit for bit, and the pictures.
``symbols.json`` has the MD5 of the symbols of every chunk: what its coders give, before any becomes a number.
A file of a released version stays as it is for ever: what old bytes decode to is the format.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden_symbols import by_fieldpress
from octrees import scene_field, scene_file, shell, waving_tensors
from pressed import CLIP, FITTED, FLOW, KEYFRAMES, NESTED, PICTURE, PUBLISHED, PYRAMID, STILL, joined, press
from small_scenes import STEPS, photographs, small
from small_shapes import ball_file

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress.compressors import Compressor, Dictionary, Entropy, LowRank, Octants, Raw, Tucker, Uniform, Video
from fieldpress.container import VERSION
from fieldpress.decoders import Head, Mlp
from fieldpress.grids import FilmGrids, FittedGrids
from fieldpress.presets import Recipe, recipe

FOLDER = Path(__file__).parent / f"v{VERSION}"
SYMBOLS = FOLDER / "symbols.json"

HEVC_PLAN: dict[str, Compressor] = {
    "volume.levels.0": Video(codec="x265", crf=20, preset="veryfast", bits=12),
    "volume": Video(codec="x265-intra", crf=20, preset="veryfast", per="tensor", parts=Raw()),
    "decoder": Uniform(bits=8),
}
ENTROPY_PLAN: dict[str, Compressor] = {
    "planes.xy": Uniform(bits=6),
    "planes": Entropy(step=0.05),
    "volume": Entropy(step=0.01, unit="absolute"),
    "decoder": Raw(precision="float16"),
}

KEYFRAME_PLAN: dict[str, Compressor] = {
    "flow.motion": Entropy(step=1 / 64, unit="absolute"),
    "nested": Video(codec="x265-intra", crf=20, preset="veryfast"),
    "*": Entropy(step=0.01, unit="absolute"),
}
DICTIONARY_PLAN: dict[str, Compressor] = {
    "planes.xy": Dictionary(bits=3, groups=2, entries=Entropy(step=0.01)),
    "planes": Dictionary(bits=4, codes="random"),
    "volume": Dictionary(bits=5),
    "decoder": Entropy(step=0.01, unit="absolute"),
}

PLACED = scene_field(shell(16), channels=4)
PLACED_PLAN: dict[str, Compressor] = {
    "octree.octants": Octants(),
    "octree.levels.0": Dictionary(bits=3, codes="random"),
    "octree": Dictionary(bits=3, groups=2),
    "decoder": Raw(),
}

ATLAS_PLAN: dict[str, Compressor] = {
    "planes": Video(codec="x265-intra", crf=20, preset="veryfast", layout="atlas"),
    "volume": Video(codec="svt-av1", crf=30, preset="12", layout="atlas", per="tensor"),
    "decoder": Entropy(step=0.01, unit="absolute"),
}

TUCKER_PLAN: dict[str, Compressor] = {
    "volume.levels.0": Tucker(ranks=(3, 0.4, 12)),
    "volume": Tucker(ranks=(2, 3, 6, 0.5), parts=Uniform(bits=10)),
    "decoder": Tucker(ranks=2, parts=Entropy(step=1 / 256, unit="absolute")),
}

LOWRANK_PLAN: dict[str, Compressor] = {
    "volume": LowRank(rank=2, parts=Entropy(step=1 / 256, unit="absolute")),
    "planes": LowRank(parts=Uniform(bits=6)),
    "decoder": LowRank(parts=Entropy(step=1 / 64, unit="rms")),
}

SHAPE_PLAN: dict[str, Compressor] = {
    "octree.octants": Octants(),
    "octree": Entropy(step=1 / 256, unit="absolute"),
    "decoder": Raw(precision="float16"),
}


NARROW = replace(recipe("rate"), grids=FilmGrids(), decoder=Head())
POINTWISE = replace(recipe("nvp-fit"), decoder=Mlp(width=24, depth=2))


def encoded(chosen: Recipe, frames: int, height: int = 32, width: int = 40) -> bytes:
    """The file of a tiny source, trained for five steps."""
    with TemporaryDirectory() as folder:
        pictures = [rgb_frame(picture) for picture in moving_pictures(frames, height, width)]
        source = (
            write_picture(Path(folder) / "source.png", pictures[0], "png")
            if chosen.name == "image"
            else write_clip(Path(folder) / "source.mkv", pictures, "ffv1", "bgr0")
        )
        fieldpress.encode(source, Path(folder) / "out.fpr", chosen, steps=5, device="cpu")
        return (Path(folder) / "out.fpr").read_bytes()


def scene(preset: str) -> bytes:
    """The file of a tiny scene in three levels."""
    with TemporaryDirectory() as folder:
        source, out = photographs(Path(folder) / "photographs"), Path(folder) / "out.fpr"
        fieldpress.encode(source, out, small(preset), steps=STEPS, device="cpu")
        return out.read_bytes()


def files() -> dict[str, bytes]:
    """Every golden file by name: each part of the format is in one of them."""
    planes = FittedGrids(plane_features=2)
    return {
        "nvp-fit": encoded(POINTWISE, frames=4),
        "nvp-fit-with-planes": encoded(replace(POINTWISE, grids=planes), frames=3),
        "cells": encoded(recipe("nvp-fit"), frames=3, height=27, width=33),
        "cells-with-planes": encoded(replace(recipe("nvp-fit"), grids=planes), frames=3),
        "image": encoded(recipe("image"), frames=1),
        "film": encoded(NARROW, frames=3, height=27, width=33),
        "pieces": encoded(NARROW, frames=65, height=24, width=24),
        "postfilter": encoded(recipe("rate"), frames=3, height=27, width=33),
        "published": press(PUBLISHED, CLIP, ENTROPY_PLAN),
        "hevc": press(FITTED, CLIP, HEVC_PLAN),
        "raw-image": press(STILL, PICTURE, {"*": Raw()}),
        "atlas": press(PYRAMID, CLIP, ATLAS_PLAN),
        "tucker": press(FITTED, CLIP, TUCKER_PLAN),
        "lowrank": press(KEYFRAMES, CLIP, LOWRANK_PLAN),
        "nested": press(NESTED, CLIP, KEYFRAME_PLAN),
        "flow": press(FLOW, CLIP, KEYFRAME_PLAN),
        "dictionary": press(KEYFRAMES, CLIP, DICTIONARY_PLAN),
        "radiance-vq": scene("radiance-vq"),
        "marked-codes": scene("radiance-vq"),
        "placed-codes": scene_file(PLACED, waving_tensors(PLACED, shell(16)), plan=PLACED_PLAN),
        "radiance-hash": scene("radiance-hash"),
        "radiance-dense": scene("radiance-dense"),
        "shape": ball_file(plan=SHAPE_PLAN),
        "segments": joined([press(FITTED, CLIP, HEVC_PLAN), press(KEYFRAMES, CLIP, DICTIONARY_PLAN, seed=1)]),
    }


def main() -> None:
    """Writes what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for name, data in files().items():
        path = FOLDER / f"{name}.fpr"
        if path.exists():
            continue
        decoded = fieldpress.open(data)
        tensors = {name: tensor.numpy() for name, tensor in decoded.field.tensors().items()}
        np.savez_compressed(path.with_suffix(".npz"), pictures=np.stack(list(decoded)), **tensors)
        path.write_bytes(data)
    known = json.loads(SYMBOLS.read_text("utf-8")) if SYMBOLS.exists() else {}
    found = {path.stem: by_fieldpress(path.read_bytes(), constriction=False) for path in FOLDER.glob("*.fpr")}
    SYMBOLS.write_text(json.dumps(dict(sorted({**found, **known}.items())), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
