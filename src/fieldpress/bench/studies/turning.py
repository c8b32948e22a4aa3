"""What the studies turn, as settings in text, and the values that several of them share."""

from collections.abc import Sequence

CRFS = (24, 30, 36, 42)
RANKS = (0.25, 0.4, 0.6)
UNIFORM_BITS = (2, 3, 4, 6, 8)
EVERY = {"video": 0.05, "tucker": 0.02}
"""Share of the budget between round trips: a truncation is cheaper than a codec."""
RULES = ("plan.volume", "plan.planes")
"""Those of the preset for videos that take its grids."""


def grids(compressor: str | None = None, rules: Sequence[str] = RULES, /, **fields: str | float) -> dict[str, str]:
    """Settings that hand the grids of some rules to a compressor, or change the one they have.

    Example:
        >>> grids("tucker", ["plan.volume"], ranks=0.5)
        {'plan.volume': 'tucker', 'plan.volume.ranks': '0.5'}
    """
    settings: dict[str, str] = {}
    for rule in rules:
        settings |= {} if compressor is None else {rule: compressor}
        settings |= {f"{rule}.{name}": str(value) for name, value in fields.items()}
    return settings


def guided(kind: str, every: float = EVERY["video"], *, rate_weight: float = 0.0, **times: float) -> dict[str, str]:
    """Settings of a kind of guidance: what a bit per pixel costs, and at which shares of the budget it does what.

    Example:
        >>> guided("project", 0.1)
        {'training.guidance.kind': 'project', 'training.rate-weight': '0', 'training.guidance.every': '0.1'}
    """
    settings = {"training.guidance.kind": kind, "training.rate-weight": f"{rate_weight:g}"}
    if kind == "none":
        return settings
    times = {"every": every, **times}
    return settings | {f"training.guidance.{name}": str(share) for name, share in times.items()}
