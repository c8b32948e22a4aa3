"""The training loop: budgets, schedules, guidance, and runs that stop and go on."""

import io
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from clips import moving_pictures
from fieldpress.compressors import Array, Compressor, Dictionary, Entropy, Shape, Tucker, Uniform
from fieldpress.compressors.guides import Guidance, Guide
from fieldpress.decoders import Mlp, Siren
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig, Lattice
from fieldpress.grids import FittedGrids
from fieldpress.interfaces import DecoderConfig
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget, Training
from fieldpress.training.loop import Progress, Trainer
from fieldpress.training.objective import ClipObjective
from fieldpress.training.optimiser import LazyAdam
from fieldpress.training.plan import assign

CLIP = torch.from_numpy(np.ascontiguousarray(moving_pictures(5, 24, 32)))


@dataclass(frozen=True)
class Rounded(Compressor):
    """Multiples of a step, stored as they are: as lossy as the real ones, and quicker."""

    id: ClassVar[str] = "rounded"

    step: float

    def encode(self, array: Array) -> bytes:
        return np.rint(array / self.step).astype("<i2").tobytes()

    def decode(self, data: bytes, shape: Shape) -> Array:
        return (np.frombuffer(data, "<i2").reshape(shape) * self.step).astype(np.float32)


PLAN: dict[str, Compressor] = {"volume": Rounded(1 / 32), "planes": Rounded(1 / 64), "decoder": Rounded(1 / 256)}


ROUNDED_PLAN: dict[str, Compressor] = {
    "decoder": Entropy(step=1 / 256, unit="absolute"),
    "planes": Uniform(bits=6),
    "*": Entropy(step=0.1),
}

STEPS_OF_THE_PLAN: dict[str, Compressor] = {
    "decoder": Entropy(step=1 / 256, unit="absolute"),
    "*": Entropy(step=0.1, unit="absolute"),
}
"""Files that decode by the step that the plan came to, so that a dial turned after settling would show."""


def trainer(
    steps: int | None = 20,
    seed: int = 0,
    decoder: DecoderConfig | None = None,
    plan: dict[str, Compressor] | None = None,
    minutes: float | None = None,
    guidance: dict[str, Any] | None = None,
    target: Target | None = None,
    **training: Any,
) -> Trainer:
    torch.manual_seed(seed)
    config = FieldConfig(FittedGrids(plane_features=2).encodings(*CLIP.shape[:3]), decoder or Mlp(8, 1))
    how = Training(Guidance(**(guidance or {})), **{"batch_pixels": 2 * 24 * 32, **training})
    return Trainer(config.build(), ClipObjective(CLIP, how, seed), plan or PLAN, how, Budget(minutes, steps), target)


def run(started: Trainer, steps: int | None = None) -> list[Progress]:
    """To the end, or so many steps."""
    found = []
    for progress in started:
        found.append(progress)
        if len(found) == steps:
            break
    return found


def psnr(field: torch.nn.Module) -> float:
    axes = [(torch.arange(count) + 0.5) / count for count in CLIP.shape[:3]]
    with torch.no_grad():
        return -10 * math.log10((field(Lattice(*axes)) - CLIP / 255).square().mean())


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


RANDOM: dict[str, Any] = {"start": "random", "grid_rate": 1e-2, "grid_update": "elementwise"}
WAYS: dict[str, dict[str, Any]] = {
    "as nvp-fit": {},
    "none": {"guidance": {"kind": "none"}},
    "project": {"guidance": {"kind": "project", "every": 0.1}},
    "proximal": {"guidance": {"kind": "proximal", "every": 0.1, "start": 0.3}},
    "pixels": {"sampling": "pixels"},
    "l1-ssim": {"loss": "l1-ssim"},
    "psnr": {"loss": "psnr"},
    "crops": {"batch_pixels": 300},
    "random start, elementwise, decay": {"weight_decay": 1e-3, **RANDOM},
    "noise and learned steps": {
        "plan": ROUNDED_PLAN, "guidance": {"kind": "special", "start": 0.2}, "rate_weight": 1e-4
    },
    "tucker": {"plan": {"*": Tucker(0.5)}, "guidance": {"kind": "special", "every": 0.2}, **RANDOM},
    "tucker at a price": {
        "plan": {"*": Tucker(0.5)}, "guidance": {"kind": "special", "every": 0.2}, "rate_weight": 0.01, **RANDOM
    },
    "a codec's bits at a price": {"guidance": {"kind": "special", "every": 0.2}, "rate_weight": 0.01},
    "learned codes": {"plan": {"*": Dictionary(bits=3)}, "guidance": {"kind": "special", "start": 0.2}, **RANDOM},
    "steered to a size": {"plan": STEPS_OF_THE_PLAN, "target": Target(8 * 2500, 800)},
    "siren": {"decoder": Siren(8, 2), **RANDOM},
}  # fmt: skip
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


# What every way of training does


@every_way
def test_at_the_end_the_field_holds_what_the_payloads_decode_to(way: dict[str, Any]):
    trained = trainer(**way)
    run(trained)
    tensors = trained.field.tensors()
    assert set(trained.payloads) == set(trained.chunks.assigned)
    for name, chunk in trained.chunks.assigned.items():
        shapes = [tuple(tensors[tensor].shape) for tensor in chunk.tensors]
        decoded = trained.rules[chunk.rule].decode_all(trained.payloads[name], shapes)
        for name, array in zip(chunk.tensors, decoded, strict=True):
            np.testing.assert_array_equal(tensors[name].detach().numpy(), array)


@every_way
def test_training_improves_the_pictures(way: dict[str, Any]):
    free = {**way, "guidance": {**way.get("guidance", {}), "settle": 1.0, "every": 0.5}}
    trained = trainer(steps=60, **free)
    before = psnr(trained.field)
    run(trained)
    assert psnr(trained.field) > before


@every_way
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(way: dict[str, Any]):
    payloads = []
    for seed in (3, 3, 4):
        trained = trainer(steps=5, seed=seed, **way)
        run(trained)
        payloads.append(trained.payloads)
    assert payloads[0] == payloads[1]
    assert payloads[0] != payloads[2]


@pytest.mark.parametrize("done", [0, 1, 3, 9, 17, 20])
@every_way
def test_a_run_that_stops_and_goes_on_ends_with_the_same_bytes(way: dict[str, Any], done: int):
    whole, first, second = trainer(**way), trainer(**way), trainer(seed=99, **way)
    second._objective._generator.manual_seed(0)  # even the generator comes from the checkpoint
    run(whole)
    if done:
        run(first, done)
    second.load_state(through_a_file(first.state()))
    run(second)
    assert second.payloads == whole.payloads
    assert second.step == whole.step == 20


# Budgets and schedules


def test_a_budget_of_steps_takes_that_many():
    found = run(trainer(steps=7))
    assert [progress.step for progress in found] == [*range(1, 8), 7]  # and once more when everything is written
    assert [progress.share for progress in found] == pytest.approx([*(i / 7 for i in range(7)), 1.0])


def test_a_budget_of_minutes_ends_in_time_and_completely():
    trained = trainer(steps=None, minutes=0.5 / 60)
    found = run(trained)
    assert set(trained.payloads) == set(PLAN)
    assert found[-1].share == 1.0
    assert found[-2].share < 1.0
    assert all(later.seconds >= earlier.seconds for earlier, later in pairwise(found))


def test_a_slow_codec_takes_a_quarter_of_the_minutes_at_most(monkeypatch: pytest.MonkeyPatch):
    clock, meet = [0.0], Guide.advance
    monkeypatch.setattr("fieldpress.training.loop.time.monotonic", lambda: clock[0])

    def slow(*arguments: Any) -> None:
        clock[0] += 10.0
        meet(*arguments)

    monkeypatch.setattr(Guide, "advance", slow)
    trained = trainer(steps=None, minutes=2, guidance={"every": 0.001})
    for _ in trained:
        clock[0] += 1.0
    assert trained.chunks.seconds <= 0.25 * 120 + 3 * 10  # once more for each chunk


def test_learning_rates_fall_to_a_thousandth(monkeypatch: pytest.MonkeyPatch):
    rates, step = [], LazyAdam.step
    monkeypatch.setattr(
        LazyAdam, "step", lambda self: (rates.append([group["lr"] for group in self.param_groups]), step(self))
    )
    run(trainer(steps=40, decoder_rate=0.01, grid_rate=0.002, grid_update="elementwise"))
    decoder, grids = zip(*rates, strict=True)
    assert (decoder[0], grids[0]) == (0.01, 0.002)
    assert list(decoder) == sorted(decoder, reverse=True)
    end = 1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * 39 / 40))
    assert (decoder[-1], grids[-1]) == (pytest.approx(0.01 * end), pytest.approx(0.002 * end))


@pytest.mark.parametrize("steps", [10, 40])
def test_grids_travel_as_far_in_a_short_run_as_in_a_long_one(monkeypatch: pytest.MonkeyPatch, steps: int):
    rates, step = [], LazyAdam.step
    monkeypatch.setattr(LazyAdam, "step", lambda self: (rates.append(self.param_groups[1]["lr"]), step(self)))
    trained = trainer(steps=steps, grid_rate=0.002)
    run(trained)
    visits = trained.pixels_per_step / trained._objective.pixels  # of a pixel, in one step
    assert sum(rates) * visits == pytest.approx(0.002 / 2, rel=0.11)  # a cosine's mean is a half; 10 steps are coarse


def test_grids_settle_at_their_time_and_the_decoder_learns_on():
    trained = trainer(steps=20, guidance={"settle": 0.5})
    run(trained, 11)  # the step at share 0.5 is the eleventh
    assert set(trained.payloads) == {"volume", "planes"}
    settled = {name: tensor.detach().clone() for name, tensor in trained.field.tensors().items()}
    run(trained)
    changed = {name for name, tensor in trained.field.tensors().items() if not torch.equal(tensor, settled[name])}
    assert changed == {name for name in settled if name.startswith("decoder.")}


def test_without_guidance_grids_learn_to_the_end():
    trained = trainer(guidance={"kind": "none", "settle": 0.5})
    run(trained, 19)
    assert not trained.payloads
    assert trained.chunks.bits == 0


def test_guidance_makes_coarse_coding_cost_less():
    coarse = {**PLAN, "volume": Rounded(1 / 8)}
    found = {}
    for kind in ("none", "round-trip"):
        trained = trainer(steps=300, plan=coarse, guidance={"kind": kind})
        run(trained)
        found[kind] = psnr(trained.field)
    assert found["round-trip"] > found["none"] + 0.5


def test_progress_tells_bits_and_bits_per_pixel():
    trained = trainer()
    last = run(trained)[-1]
    assert last.bits == 8 * sum(map(len, trained.payloads.values()))
    assert last.bpp == last.bits / (5 * 24 * 32)


def test_a_finished_run_has_nothing_more_to_do():
    trained = trainer(steps=3)
    run(trained)
    payloads = dict(trained.payloads)
    assert [progress.step for progress in trained] == [3]
    assert trained.payloads == payloads


def test_one_picture_trains_too():
    torch.manual_seed(0)
    config = FieldConfig(FittedGrids().encodings(1, 24, 32), Mlp(8, 1))
    how = Training(Guidance())
    trained = Trainer(config.build(), ClipObjective(CLIP[:1], how, 0), PLAN, how, Budget(steps=5))
    run(trained)
    assert set(trained.payloads) == {"volume", "decoder"}


# Requests that cannot be


def test_a_plan_that_leaves_a_tensor_out_is_refused():
    with pytest.raises(
        ConfigError, match=r"no rule of the plan takes tensor 'decoder\.skip'; the plan has volume, planes"
    ):
        trainer(plan={name: PLAN[name] for name in ("volume", "planes")})


def test_a_plan_takes_whole_parts_of_names_or_globs_and_its_first_match():
    names = ["volume.levels.0", "volume2.levels.0", "decoder.last.bias"]
    plan = {"volume": Uniform(), "*.bias": Uniform(), "decoder": Uniform(), "*": Uniform(), "planes": Uniform()}
    taken = {"volume": ("volume.levels.0",), "*.bias": ("decoder.last.bias",), "*": ("volume2.levels.0",)}
    assert {rule: chunk.tensors for rule, chunk in assign(plan, names).items()} == taken


def test_what_a_round_trip_costs_is_shown_at_once():
    # The error shown is a mean of about fifty batches; two bits a number throw back more than a step can earn.
    coarse = {**PLAN, "planes": Uniform(bits=2), "volume": Uniform(bits=2)}
    guidance = {"kind": "project", "every": 0.5, "start": 0.5, "settle": 1.0}
    shown = [progress.psnr for progress in run(trainer(60, plan=coarse, guidance=guidance, grid_rate=0.05))]
    assert shown[30] < shown[29] - 1


@pytest.mark.parametrize("sampling", ["frames", "pixels"])
def test_the_error_ahead_is_that_of_the_next_step(sampling: str):
    started = trainer(1, sampling=sampling)
    objective = started._objective
    ahead = objective.error_ahead(started.field)
    assert objective.error_ahead(started.field) == ahead
    assert objective.descend(started.field, 0.0) == pytest.approx(ahead, rel=1e-5)  # the same sums


@pytest.mark.parametrize("sampling", ["frames", "pixels"])
@pytest.mark.parametrize("decoder", [Mlp(16, 2), Siren(32, 3)], ids=["mlp", "siren"])
def test_mixed_precision_has_about_the_gradients_of_single_precision(decoder: DecoderConfig, sampling: str):
    def gradients(precision: str) -> dict[str, torch.Tensor]:
        started = trainer(1, decoder=decoder, sampling=sampling, precision=precision, **RANDOM)
        started._objective.descend(started.field, 0.0)
        return {name: p.grad.to_dense() for name, p in started.field.tensors().items() if p.grad is not None}

    single, mixed = gradients("single"), gradients("mixed")
    for name, gradient in single.items():
        assert mixed[name].dtype == torch.float32
        assert (mixed[name] - gradient).norm() <= 0.03 * gradient.norm()
    assert any(not torch.equal(mixed[name], gradient) for name, gradient in single.items())
    assert all(torch.equal(gradients("auto")[name], gradient) for name, gradient in single.items())  # on a CPU


@pytest.mark.parametrize("budget", [{}, {"minutes": 1.0, "steps": 1}, {"steps": 0}, {"minutes": -1.0}], ids=str)
def test_a_budget_that_cannot_be_is_refused(budget: dict[str, Any]):
    with pytest.raises(ConfigError, match="budget"):
        Budget(**budget)


@pytest.mark.parametrize(
    "setting", [{"batch_pixels": 0}, {"loss": "l1-ssim", "sampling": "pixels"}, {"grid_rate": -1.0}], ids=str
)
def test_settings_that_cannot_be_are_refused(setting: dict[str, Any]):
    with pytest.raises(ValueError, match=r"\w"):
        replace(Training(Guidance()), **setting)
