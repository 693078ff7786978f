"""Which depth of the auxiliary network a training step uses. Ours; SWS as published trains the full one alone."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.methods.sws.options import LearnOptions
from learngenes.training.steps import drawn

_DEPTH = 7
"""Key of the draw of a step's depth."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The full depth in every step."""

    depth: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A depth drawn uniformly from least..full, both within, by seed and step."""

    least: int
    full: int
    seed: int


@dataclass(frozen=True, slots=True)
class Growing:
    """Every depth from least to full, both within, for an equal share of all the steps there will be."""

    least: int
    full: int
    steps: int


Depths = Fixed | Sampled | Growing


def of_options(options: LearnOptions, *, seed: int, steps: int) -> Depths:
    """What the options ask for. steps: of the whole training."""
    least, full = options.least_depth or len(options.stages), sum(options.stages)
    match options.depths:
        case "fixed":
            return Fixed(full)
        case "sampled":
            return Sampled(least, full, seed)
        case "growing":
            return Growing(least, full, steps)


def depth_of(depths: Depths, step: int) -> int:
    """The depth of a training step counted from 0."""
    match depths:
        case Fixed(depth):
            return depth
        case Sampled(least, full, seed):
            return least + drawn(full + 1 - least, seed=seed, key=_DEPTH, step=step)
        case Growing(least, full, steps):
            assert step < steps, (step, steps)
            return least + step * (full + 1 - least) // steps
