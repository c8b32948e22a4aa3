"""Small files made without training: any field with drawn numbers, any signal, any plan."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

import fieldpress
from fieldpress import container
from fieldpress.compressors import Compressor, Entropy, Raw, Uniform, Video
from fieldpress.config import from_plain, to_plain
from fieldpress.decoders import CellMlp, Mlp, Siren
from fieldpress.encodings import CellVolume, Flow, Nested, Planes, Volume
from fieldpress.encodings.levels import Level
from fieldpress.field import FieldConfig
from fieldpress.reading import About
from fieldpress.segments import Segment
from fieldpress.signals import Image
from fieldpress.signals import Video as Clip
from fieldpress.signals.base import Signal
from fieldpress.training.plan import assign

CLIP = Clip(5, 24, 32, (25, 1), (1, 25), None, "bt709", False)
PICTURE = Image(13, 9, "rgb", True)

FITTED = FieldConfig({"volume": Volume((Level(1, 5, 24, 32), Level(2, 5, 12, 16)))}, Mlp(8, 2))
CELLS = FieldConfig({"volume": CellVolume((Level(1, 5, 24, 32), Level(2, 5, 12, 16)))}, CellMlp(8, 2))
PUBLISHED = FieldConfig(
    {
        "planes": Planes(2, xy=((4, 4), (6, 6)), yt=((4, 4), (6, 6)), xt=((4, 4), (6, 6))),
        "volume": Volume((Level(2, 5, 7, 7),), interpolation="nearest"),
    },
    Siren(8, 2),
)
NESTED = FieldConfig({"nested": Nested(2, 3, xy=(24, 32), yt=(5, 32), xt=(5, 24))}, Mlp(8, 2))
FLOW = FieldConfig({"flow": Flow((5, 3, 4), Planes(2, xy=((12, 16),), yt=((5, 8),), xt=((5, 6),)))}, Mlp(8, 2))
KEYFRAMES = FieldConfig(
    {
        "planes": Planes(2, xy=((12, 16),), yt=((5, 8),), xt=((5, 6),)),
        "volume": Volume((Level(4, 5, 12, 16),)),
    },
    Mlp(8, 2),
)
PYRAMID = FieldConfig(
    {
        "planes": Planes(2, xy=((3, 4), (12, 16), (24, 32)), yt=((8, 16), (16, 32)), xt=((8, 12), (16, 24))),
        "volume": Volume((Level(2, 5, 12, 16), Level(1, 5, 20, 30))),
    },
    Mlp(6, 1),
)
STILL = FieldConfig({"volume": Volume((Level(1, 1, 13, 9), Level(2, 1, 7, 5)))}, Mlp(4, 1))

FILM_PLAN: dict[str, Compressor] = {
    "volume": Video(codec="svt-av1", crf=40, preset="12", amplitude=0.5),
    "decoder": Entropy(step=1 / 256, unit="absolute"),
}
MIXED_PLAN: dict[str, Compressor] = {
    "planes.xy": Uniform(bits=6),
    "planes": Entropy(step=0.05),
    "volume": Raw(precision="float16"),
    "decoder": Raw(),
}


def press(
    config: FieldConfig = FITTED,
    signal: Signal = CLIP,
    plan: Mapping[str, Compressor] = FILM_PLAN,
    *,
    seed: int = 0,
    contrast: float = 0.2,
) -> bytes:
    """A file of this field with smooth random grids and random weights.

    Args:
        config, signal, plan: What the header says.
        seed: Of the numbers.
        contrast: Size of the last layer's weights; at 0.2 colours stay mostly in [0, 1].
    """
    torch.manual_seed(seed)
    shapes = config.shapes()
    arrays = {name: tensor.detach().numpy() for name, tensor in config.build().tensors().items()}
    random = np.random.default_rng(seed)
    for name, array in arrays.items():
        if not name.startswith("decoder."):
            wave = sum(np.sin(random.uniform(0.1, 0.6) * index) for index in np.indices(array.shape)[1:])
            array[:] = 0.1 * wave + random.normal(0, 0.02, array.shape)
        elif name == "decoder.last.weight":
            array[:] = contrast * random.normal(size=array.shape)
    chunks = [
        container.Chunk(
            rule,
            tuple((name, shapes[name]) for name in chunk.tensors),
            to_plain(plan[rule]),
            plan[rule].encode_all([arrays[name] for name in chunk.tensors]),
        )
        for rule, chunk in assign(plan, shapes).items()
    ]
    header = {"signal": to_plain(signal), "field": to_plain(config), "about": to_plain(About("test", seed, 0, "cpu"))}
    return container.write(header, chunks)


def joined(files: Sequence[bytes], signal: Clip | None = None) -> bytes:
    """One file that shows the clips of several files after each other, each as a segment.

    Args:
        files: In the order of time.
        signal: What the header says; the first file's, as long as all of them, if None.
    """
    opened = [fieldpress.open(file) for file in files]
    segments = [
        Segment(len(clip), from_plain(FieldConfig, container.read(file).header["field"], "field"))
        for clip, file in zip(opened, files, strict=True)
    ]
    first = opened[0].signal
    assert isinstance(first, Clip)
    header = {
        "signal": to_plain(signal or replace(first, frames=sum(map(len, opened)))),
        "fields": to_plain(segments),
        "about": to_plain(opened[0].about),
    }
    chunks = [
        replace(chunk, segment=number) for number, file in enumerate(files) for chunk in container.read(file).chunks
    ]
    return container.write(header, chunks)
