"""Encodings whose every number is drawn, so that no two cells are alike."""

from typing import Any

import torch

from fieldpress.interfaces import EncodingConfig


def filled(config: EncodingConfig) -> Any:
    """The encoding in float64, every number drawn."""
    encoding = config.build().double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in encoding.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
    return encoding
