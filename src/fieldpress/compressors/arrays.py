"""What every compressor asks of the array it is given."""

import numpy as np

from fieldpress.compressors.base import Array
from fieldpress.errors import ConfigError


def require_finite(array: Array) -> None:
    """Let a finite array pass.

    Raises:
        ConfigError: It holds infinity or not-a-number; the message counts them.
    """
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ConfigError(f"{bad} of {array.size} values are not finite and cannot be compressed; training diverged")
