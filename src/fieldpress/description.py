"""What the header of a file describes: the signal, the fields that show it, and where the file comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldpress.config import Plain, from_plain
from fieldpress.decoders import DECODERS, DistanceMlp, RadianceMlp
from fieldpress.encodings import ENCODINGS, Octree
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import FieldConfig
from fieldpress.segments import Segment
from fieldpress.signals import SIGNALS, Radiance, Shape, Video
from fieldpress.signals.base import Signal

_REGISTRIES = (DECODERS, ENCODINGS, SIGNALS)  # importing them is what lets from_plain read a header


@dataclass(frozen=True)
class About:
    """Where a file comes from."""

    preset: str
    seed: int
    steps: int
    device: str
    """Where it was trained: cpu or cuda."""


def read_header(header: dict[str, Plain]) -> tuple[Signal, tuple[Segment, ...], About]:
    """The signal, the fields that show it one after the other, usually one, and the provenance that a header states.

    Raises:
        FormatError: A key is missing or unknown, a value is out of range, or they do not suit each other.
    """
    key = "fields" if "fields" in header else "field"
    if set(header) != {"signal", key, "about"}:
        raise FormatError(
            f"the header has the keys {', '.join(map(repr, sorted(header)))}; expected signal, field or fields, and "
            "about"
        )
    signal: Signal = _config(Signal, header["signal"], "header.signal")
    if key == "field":
        segments = (Segment(signal.frames, _config(FieldConfig, header["field"], "header.field")),)
    else:
        segments = _config(tuple[Segment, ...], header["fields"], "header.fields")
        _check_lengths(signal, segments)
    for segment in segments:
        _check_suits(signal, segment.field)
    return signal, segments, _config(About, header["about"], "header.about")


def _check_lengths(signal: Signal, segments: Sequence[Segment]) -> None:
    if not isinstance(signal, Video):
        raise FormatError(f"a signal of the kind {signal.id!r} has several fields; only video may")
    if len(segments) < 2:
        raise FormatError(f"header.fields has {len(segments)} items; expected two or more, or header.field")
    frames = sum(segment.frames for segment in segments)
    if frames != signal.frames:
        raise FormatError(f"the segments have {frames} pictures in all, the signal {signal.frames}")


def _check_suits(signal: Signal, config: FieldConfig) -> None:
    """Refuses a scene or a shape without its kind of decoder or an octree, and anything else with such a decoder."""
    for kind, decoder in ((Radiance, RadianceMlp), (Shape, DistanceMlp)):
        if isinstance(signal, kind) != isinstance(config.decoder, decoder):
            raise FormatError(f"the decoder {config.decoder.id!r} is not for a signal of the kind {signal.id!r}")
    is_in_space = isinstance(signal, Radiance | Shape)
    if is_in_space and not any(isinstance(encoding, Octree) for encoding in config.encodings.values()):
        raise FormatError(f"a {signal.id} signal needs an octree that says what is empty; the field has none")


def _config(kind: Any, plain: Plain, where: str) -> Any:
    try:
        return from_plain(kind, plain, where)
    except ConfigError as error:
        raise FormatError(str(error)) from None
