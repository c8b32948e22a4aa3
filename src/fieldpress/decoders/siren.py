"""The modulated SIREN of NVP: a sine network over time, whose units are scaled by a network over the features.

Source: NVP (Kim et al., NeurIPS 2022), after the dual network of Mehta et al. 2021. A sine stream sees only ``t``;
a modulator stream sees the features, and again at each depth beside its own state::

    t ──sin──▸ × ──sin──▸ × ──sin──▸ × ── linear ──▸ RGB in [-1, 1]
               ▲          ▲          ▲
    latent ─── m₀ ─────── m₁ ─────── m₂     mᵢ = leaky_relu(W [mᵢ₋₁, latent])

On a lattice the first sine depends on time alone and is computed once a picture.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.perceptron import check_sizes, linear_layer
from fieldpress.interfaces import Decoder, DecoderConfig, Latent, apply_linear

_SLOPE = 0.01


@dataclass(frozen=True)
class Siren(DecoderConfig):
    """Modulated SIREN. Width 128 and depth 3 are NVP's: 110,595 weights over 114 features, 154,371 over 228."""

    id: ClassVar[str] = "siren"

    width: int = 128
    """Units of each layer of both streams."""
    depth: int = 3
    """Sine layers, at least 1."""
    omega: float = 30.0
    """Frequency factor of the first sine layer; the others have 1."""

    def __post_init__(self) -> None:
        check_sizes("a siren", self.width, self.depth)
        if not 0 < self.omega <= 1000:
            raise ValueError(f"omega is above 0 and at most 1000, got {self.omega}")

    def build(self, features: int) -> "SirenDecoder":
        return SirenDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        streams = {"sine": (1, self.width), "modulator": (features, self.width + features)}
        table: dict[str, tuple[int, ...]] = {}
        for stream, (first, other) in streams.items():
            for i in range(self.depth):
                table[f"{stream}.{i}.weight"] = (self.width, other if i else first)
                table[f"{stream}.{i}.bias"] = (self.width,)
        return {**table, "last.weight": (3, self.width), "last.bias": (3,)}


class SirenDecoder(Decoder):
    """The module of :class:`Siren`, with SIREN's initialisation (Sitzmann et al. 2020)."""

    def __init__(self, config: Siren, features: int) -> None:
        super().__init__()
        width = config.width
        self.omega = config.omega
        self.sine = nn.ModuleList(nn.Linear(width if i else 1, width) for i in range(config.depth))
        self.modulator = nn.ModuleList(
            nn.Linear(width + features if i else features, width) for i in range(config.depth)
        )
        self.last = nn.Linear(width, 3)
        bound = (6 / width) ** 0.5
        for i, layer in enumerate([*self.sine, self.last]):
            nn.init.uniform_(layer.weight, *((-bound, bound) if i else (-1.0, 1.0)))  # pyright: ignore[reportArgumentType]

    def forward(self, latent: Latent) -> Tensor:
        query = latent.query
        # (1, t, 1, 1) or (1, n): broadcast only once it meets the modulator
        wave = query.axis(0)[None].to(self.last.weight.device)
        state: Tensor | None = None
        for i, (sine, modulator) in enumerate(zip(self.sine, self.modulator, strict=True)):
            # In 16 bits, neighbouring times would be the same time.
            with torch.autocast(wave.device.type, enabled=bool(i) and torch.is_autocast_enabled(wave.device.type)):
                wave = torch.sin((1.0 if i else self.omega) * linear_layer(sine, wave))  # pyright: ignore[reportArgumentType]
            weight, bias = modulator.weight, modulator.bias
            if state is None:
                mixed = latent.linear(weight, bias)  # pyright: ignore[reportArgumentType]
            else:
                width = len(state)
                mixed = latent.linear(weight[:, width:], bias) + apply_linear(weight[:, :width], state)  # pyright: ignore[reportArgumentType, reportIndexIssue]
            state = functional.leaky_relu(mixed, _SLOPE)
            wave = wave * state
        return 0.5 * linear_layer(self.last, wave) + 0.5
