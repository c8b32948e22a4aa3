"""Turn a video, an image or posed photographs into one small file that holds a neural field, and back.

>>> import fieldpress
>>> report = fieldpress.encode("clip.mp4", "clip.fpr", minutes=3)      # doctest: +SKIP
>>> clip = fieldpress.open("clip.fpr")                                 # doctest: +SKIP
>>> clip[17].shape                                                     # doctest: +SKIP
(180, 320, 3)

Names are loaded when first used: opening a file imports no training code.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fieldpress.devices import let_threads_sleep
from fieldpress.errors import ConfigError, FieldpressError, FormatError, SourceError

if TYPE_CHECKING:
    from fieldpress.reading import Decoded
    from fieldpress.reading import open_file as open
    from fieldpress.report import Report
    from fieldpress.writing import encode

if "torch" not in sys.modules:  # later it would have no effect
    let_threads_sleep()

__version__ = "0.1.0"

__all__ = [
    "ConfigError", "Decoded", "FieldpressError", "FormatError", "Report", "SourceError", "encode", "open",
]  # fmt: skip

_LAZY = {
    "Decoded": ("fieldpress.reading", "Decoded"),
    "Report": ("fieldpress.report", "Report"),
    "encode": ("fieldpress.writing", "encode"),
    "open": ("fieldpress.reading", "open_file"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fieldpress' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)
