"""A fit from where it stands to its end, with checkpoints on the way."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fieldpress.errors import SourceError
from fieldpress.progress import drawn, listening
from fieldpress.training.checkpoint import save_checkpoint
from fieldpress.training.fit import Fit
from fieldpress.training.loop import Progress

_LOG = logging.getLogger("fieldpress")

CHECKPOINT_SECONDS = 15.0
"""Between checkpoints. With the step in hand and the writing itself, a kill loses less than 30 s of work."""
_NEARLY = 0.99
"""The share that a coding shows at most, as the fit itself says when it is done."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM on the command line, during training, after the checkpoint was written."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(f"stopped; everything up to here is in {checkpoint}: go on with the same command and --resume")
        self.checkpoint = checkpoint


def train(fit: Fit, checkpoint: Path, request: str, on_progress: Callable[[Progress], None] | None) -> None:
    """Trains to the end, with checkpoints written on the way and on Ctrl-C, wherever that strikes.

    Raises:
        Interrupted: After Ctrl-C.
    """
    saved = told = time.monotonic()
    latest: Progress | None = None

    def tell(share: float) -> None:
        """Shows how far a coding is that nothing interrupts."""
        if on_progress is not None and latest is not None:
            seconds = latest.seconds + time.monotonic() - told
            on_progress(latest._replace(share=min(max(share, latest.share), _NEARLY), seconds=seconds))

    try:
        for progress in drawn(fit, partial(listening, tell)):
            latest, told = progress, time.monotonic()
            if on_progress is not None:
                on_progress(progress)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                try:
                    save_checkpoint(checkpoint, request, fit.state())
                except SourceError as error:  # a full disk: the file itself is far smaller than a checkpoint
                    _LOG.warning("%s; going on without", error)
                saved = time.monotonic()
    except KeyboardInterrupt:
        save_checkpoint(checkpoint, request, fit.state())
        raise Interrupted(checkpoint) from None
