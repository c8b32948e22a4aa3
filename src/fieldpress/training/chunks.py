"""The chunks of a field in training: which guides stand beside its tensors, and when which of them is written.

::

    meet:          round trips when they are due
    settle grids:  tools ── effort ── size ── bytes ──┐
    finish:        the rest ──────────────────────────┴──> payloads by chunk; tensors hold what these decode to
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Guidance, Guide, Moment, Unguided, Written, array_of, build_guide
from fieldpress.field import Field, FieldConfig
from fieldpress.places import Places
from fieldpress.progress import listening, portion, portions
from fieldpress.training.config import Budget
from fieldpress.training.effort import in_time, suited
from fieldpress.training.plan import assign
from fieldpress.training.steering import Steering

Result = TypeVar("Result")

_DECODER = "decoder."
"""How names of a decoder's tensors begin."""

_MOST_CODING = 0.25
"""With a budget in minutes, round trips take at most this share of the time: a slow codec is then met less often."""
_MOST_CODING_ONCE = 0.6
"""... and grids that are coded once, before training, this share."""
_TRIALS_OF_A_SEARCH = 6
"""Encodes that a search for a size usually takes."""
_TOOLS = 0.75
"""Of the progress of finding tools and effort, that of finding tools."""
_TRIAL, _SEARCH = 0.05, 0.6
"""Where finding the effort, and the search for a size, end in the progress of grids that are coded once."""


class Target(NamedTuple):
    """A size that the finished file is to have."""

    bits: float
    """Of the whole file."""
    framing_bits: float
    """Of it, what is not in chunks."""


class Chunks:
    """All tensors of a field, by the chunk of the file that they will be in.

    Args:
        field: Its tensors are read and written in place.
        plan: Compressors by name pattern.
        guidance: How they take part.
        budget: Of the training.
        config: Of the field. Says which level a tensor is of, and each level of a rule is a chunk of its own; and where
            cells are that lie scattered. None if all are at level 0 and none do.

    Raises:
        ConfigError: The plan does not cover the field.
    """

    def __init__(
        self,
        field: Field,
        plan: Mapping[str, Compressor],
        guidance: Guidance,
        budget: Budget,
        config: FieldConfig | None = None,
    ) -> None:
        self._plan, self._guidance, self._budget = plan, guidance, budget
        tensors = field.tensors()
        self._all, self._config = tensors, config
        self._known_places: dict[str, tuple[Places | None, ...]] | None = None
        self.assigned = assign(plan, tensors, config.tensor_levels() if config is not None else {})
        """What each is made of."""
        self._tensors = {name: [tensors[t] for t in chunk.tensors] for name, chunk in self.assigned.items()}
        self._decoder = [
            name
            for name, chunk in self.assigned.items()
            if any(tensor.startswith(_DECODER) for tensor in chunk.tensors)
        ]
        """Names of the chunks with a tensor of the decoder; all others are grids."""
        self.guides: dict[str, Guide] = {}
        for name, chunk in self.assigned.items():
            self.guides[name] = build_guide(plan[chunk.rule], guidance, self._tensors[name])
            self.guides[name].coarser = [t for other in chunk.coarser for t in self._tensors[other]]
            if config is not None:
                self.guides[name].places = lambda name=name: self._places[name]
            self.guides[name].to(self._tensors[name][0].device)
        self.payloads: dict[str, bytes] = {}
        """What is written, by chunk."""
        self.seconds = 0.0
        """Spent in compressors so far."""
        self.complete = False
        """The decoder was found in closed form: nothing is left to train, though there is budget."""
        self._steering: Steering | None = None

    @property
    def rules(self) -> dict[str, Compressor]:
        """Of each rule of the plan that has tensors: its compressor, at the quality it was steered to."""
        return {chunk.rule: self.guides[name].compressor for name, chunk in self.assigned.items()}

    @property
    def bits(self) -> float:
        """Of all chunks when last written."""
        return sum(guide.bits for guide in self.guides.values())

    @property
    def learners(self) -> list[dict[str, Any]]:
        """Optimiser groups of what the guides learn themselves."""
        return [group for guide in self.guides.values() for group in guide.learners()]

    @property
    def _places(self) -> dict[str, tuple[Places | None, ...]]:
        """By chunk: of its rule's coarser tensors and its own, as far as tensors before it in the file say it.

        Those change only when the field is trimmed.
        """
        if self._known_places is None:
            self._known_places = self._find_places()
        return self._known_places

    def _find_places(self) -> dict[str, tuple[Places | None, ...]]:
        assert self._config is not None
        known: dict[str, nn.Parameter] = {}
        of_rule: dict[str, tuple[Places | None, ...]] = dict.fromkeys(self._plan, ())
        found: dict[str, tuple[Places | None, ...]] = {}
        for name, chunk in sorted(self.assigned.items(), key=lambda item: item[1].level):
            own = tuple(self._config.places(tensor, known) for tensor in chunk.tensors)
            found[name] = of_rule[chunk.rule] = of_rule[chunk.rule] + own
            known |= {tensor: self._all[tensor] for tensor in chunk.tensors}
        return found

    def trim(self, config: FieldConfig, left: Mapping[str, Tensor]) -> None:
        """The field has lost cells.

        Args:
            config: Its own now.
            left: Of each tensor that has, those that are left.
        """
        self._config, self._known_places = config, None
        for name, chunk in self.assigned.items():
            of_chunk = [left.get(tensor) for tensor in chunk.tensors]
            if any(cells is not None for cells in of_chunk):
                self.guides[name].trim(self._tensors[name], of_chunk)

    @property
    def can_trim(self) -> bool:
        """Whether the field may lose cells: no grid is written yet, and no chunk has anything against it.

        A guide of grids does not expect that tensors beside these change, which say what cells there are.
        """
        if self._config is None or any(name in self.payloads for name in self._grids):
            return False
        lists = self._config.lists()
        for name, chunk in self.assigned.items():
            if not isinstance(self.guides[name], Unguided) and not all(t.requires_grad for t in self._tensors[name]):
                return False
            own = self._places[name][-len(chunk.tensors) :]
            for tensor, places in zip(chunk.tensors, own, strict=True):
                if tensor in lists and not self.guides[name].compressor.spares_cells(placed=places is not None):
                    return False
        return True

    @property
    def _grids(self) -> list[str]:
        return [name for name in self.assigned if name not in self._decoder]

    def steer(self, target: Target, pixels: int, started: bool) -> None:
        """Aims at a size from now on; see :meth:`Steering.prepare`.

        Raises:
            ConfigError: It cannot be reached.
        """
        self._steering = Steering(*target, self.guides, self._tensors, self._grids, pixels)
        if self._guidance.settles_first:
            # The first search is at the least effort: it only has to come near.
            for guide in map(self.guides.__getitem__, self._grids):
                quicker = guide.compressor.quicker()
                if quicker:
                    guide.exchange(quicker[-1][1])
        self._steering.prepare(started)

    def settles(self, share: float) -> bool:
        """Whether the grids are to be final at this share of the budget."""
        return self._guidance.kind != "none" and share >= self._guidance.settle

    def due(self, share: float, seconds: float) -> list[str]:
        """The chunks whose round trips are due.

        Args:
            share: Of the training budget that is used.
            seconds: Of training so far.
        """
        if self._budget.minutes is not None and self.seconds > _MOST_CODING * seconds > 0:
            return []
        return [name for name, guide in self.guides.items() if name not in self.payloads and guide.is_due(share)]

    def meet(self, names: Sequence[str], share: float) -> None:
        """Does the round trips of these chunks."""
        for name in names:
            self._timed(lambda name=name: self.guides[name].advance(self._tensors[name], share))
        # Once for all grids, whose sizes are then those of one dial; and never for grids that have settled.
        if self._steering is not None and set(names).intersection(self._grids):
            self._steering.follow()

    def settle_grids(self, seconds: float) -> None:
        """Writes the grids that are not written yet, at the size asked for."""
        grids = [name for name in self._grids if name not in self.payloads]
        if not grids:
            return
        heard = self._guidance.settles_first  # else it is one of many round trips
        begin = 0.0
        if self._guidance.settles_first:
            with portion(begin, _TRIAL):
                self._timed(lambda: self._suit(grids, seconds), heard)
            begin = _TRIAL
        if self._steering is not None:
            with portion(begin, _SEARCH):
                self._timed(self._steering.search, heard)
            begin = _SEARCH
        for number, name in enumerate(grids):
            with portion(*(begin + (1 - begin) * (number + end) / len(grids) for end in (0, 1))):
                self._settle(name, heard)

    def finish(self) -> None:
        """Writes everything that is not written yet."""
        for name in self.guides:
            self._settle(name)

    def complete_decoder(self, solve: Callable[[float, list[Written]], float | None]) -> float | None:
        """Has the decoder found in closed form, where that can be done.

        Args:
            solve: See :meth:`Objective.complete`, whose later arguments it takes.

        Returns:
            What that returns: the mean squared error, or None if the decoder has to be trained.
        """
        fresh = self._fresh_guides()
        grid_bits = sum(self.guides[name].bits for name in self._grids)
        error = solve(grid_bits, [Written(guide, self._tensors[name]) for name, guide in fresh.items()])
        if error is not None:
            self.guides |= fresh
            self.complete = True
        return error

    def misses(self) -> bool:
        """Whether the decoder that was found takes the file off the size asked for."""
        if self._steering is None or not self.complete:
            return False
        bits = {name: 8.0 * len(self.payloads[name]) for name in self._grids}
        bits |= {name: self.guides[name].size(self._tensors[name]) for name in self._decoder}
        return self._steering.misses(bits)

    def reopen(self) -> None:
        """Grids that were written can be written again: their tensors hold once more what they held before."""
        for name in self._grids:
            del self.payloads[name]
            for tensor in self._tensors[name]:
                tensor.requires_grad_(True)
        self.complete = False

    def _fresh_guides(self) -> dict[str, Guide]:
        """For a decoder that is found in closed form: what training told its guides is of other values."""
        return {name: Unguided(self._plan[self.assigned[name].rule], self._guidance) for name in self._decoder}

    def add_penalties(self) -> None:
        """Adds the gradients of the guides' terms of the loss."""
        for guide, tensors in self._guided():
            penalty = guide.penalty(tensors)
            if penalty is not None:
                penalty.backward()

    def learn(self, moment: Moment) -> None:
        """Between a step's gradients and its update."""
        for guide, tensors in self._guided():
            guide.learn(tensors, moment)

    def show(self, moment: Moment) -> None:
        """After a step's update."""
        for guide, tensors in self._guided():
            guide.show(tensors, moment)

    def _guided(self) -> list[tuple[Guide, list[nn.Parameter]]]:
        return [(guide, self._tensors[name]) for name, guide in self.guides.items() if name not in self.payloads]

    def _suit(self, grids: Sequence[str], seconds: float) -> None:
        """For grids that are coded once, before the first step: tools that suit them, and an effort in time.

        Effort leaves some of a budget in minutes. A budget in steps leaves it at the plan's, so that the bytes are the
        same on every run.
        """
        trials = 1 if self._steering is None else _TRIALS_OF_A_SEARCH
        for name in portions(grids):
            guide, wanted = self.guides[name], self._plan[self.assigned[name].rule]
            if not wanted.quicker():
                continue
            arrays = [array_of(value) for value in guide.written(self._tensors[name])]
            with portion(0, _TOOLS):
                turned = suited((wanted.coarser(guide.halvings) if guide.halvings else None) or wanted, arrays)
            if self._budget.minutes is not None:
                left = _MOST_CODING_ONCE * (60 * self._budget.minutes - seconds) / (trials * len(grids))
                with portion(_TOOLS, 1):
                    turned = in_time(turned, arrays, left)
            if turned != guide.compressor:
                guide.exchange(turned)

    def _settle(self, name: str, heard: bool = False) -> None:
        if name in self.payloads:
            return
        self.payloads[name] = self._timed(lambda: self.guides[name].settle(self._tensors[name]), heard)
        _freeze(self._tensors[name])

    def _timed(self, work: Callable[[], Result], heard: bool = False) -> Result:
        """What the work gives; its progress is passed on only if it is to be heard."""
        started = time.monotonic()
        if heard:
            result = work()
        else:
            with listening(None):
                result = work()
        self.seconds += time.monotonic() - started
        return result

    def state(self) -> dict[str, Any]:
        """What a resumed run needs beside the tensors, as tensors and plain values."""
        return {
            "seconds": self.seconds,
            "complete": self.complete,
            "guides": {name: guide.state_dict() for name, guide in self.guides.items()},
            "payloads": dict(self.payloads),
            "dial": self._steering.dial if self._steering is not None else 0.0,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where :meth:`state` was taken."""
        self.seconds, self.complete = state["seconds"], state["complete"]
        if self.complete:
            self.guides |= self._fresh_guides()
        for name, guide in self.guides.items():
            guide.load_state_dict(state["guides"][name])
        self.payloads = dict(state["payloads"])
        for name in self.payloads:
            _freeze(self._tensors[name])
        if self._steering is not None:
            self._steering.dial = state["dial"]  # the guides have loaded what it did to them


def _freeze(tensors: Iterable[nn.Parameter]) -> None:
    for tensor in tensors:
        tensor.requires_grad_(False)
        tensor.grad = None
