"""The choices of WAVE, as they stand in a TOML file, a fitting job or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.sources import Order

Init = Literal["interp", "lstsq", "random", "onehot"]
TEMPLATES = 16
"""Of every tensor, where nothing is said."""


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """unit: side of a template, a multiple of the head dimension that divides every width; widths grow in such units.

    templates: of every tensor of the blocks; 16 unless `error` is given: then the fewest with which no tensor of the
    ancestor is further off than this, relative to its norm (for what starts from it: condense or start `svd`).
    condense: `distill` trains templates and scalers together, `svd` cuts them out of the ancestor's tensors and needs
    no images. start: of the training, `random` or what `svd` gives.
    widths, depths: further sizes to train beside the geometry's own, one drawn for every step; all share the
    templates, each has scalers of its own. At equal steps a width that is trained gains and all others lose, so the
    default is none (measured in docs/methods/wave.md).
    order: `scaler-first` is a grid of scaled templates; `template-first` makes each value of a template a small block.
    alpha is 1/2 here, which gives both losses one weight, as the notes on the paper have it.
    """

    unit: int
    templates: int | None = None
    error: float | None = None
    condense: Literal["distill", "svd"] = "distill"
    start: Literal["random", "svd"] = "random"
    widths: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    order: Order = "scaler-first"
    alpha: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if self.unit < 1:
            raise InvalidValue(f"unit is at least 1, got {self.unit}")
        if self.templates is not None and self.templates < 1:
            raise InvalidValue(f"templates is at least 1, got {self.templates}")
        if self.error is not None:
            if self.templates is not None:
                raise InvalidValue(f"templates {self.templates} and error {self.error} both decide how many: give one")
            if not 0 < self.error < 1:
                raise InvalidValue(f"error is above 0 and below 1, got {self.error}")
            if "svd" not in (self.condense, self.start):
                raise InvalidValue("error measures the distance to an ancestor: it needs condense or start 'svd'")
        if self.condense == "svd" and (self.widths or self.depths or self.start != "random"):
            raise InvalidValue("condense 'svd' trains nothing: leave out widths, depths and start")


@dataclass(frozen=True, slots=True)
class FitOptions:
    """init: where the scalers of a new size start.

    `interp`olated from the nearest stored size; `lstsq`, the closest to a target network; `random`; `onehot`, one
    template for every layer. target: of lstsq: a plain ViT's safetensors file at least as wide, relative to the data
    directory; empty is the learngene's nearest stored size at least as wide. Both are narrowed and thinned evenly.
    """

    init: Init = "interp"
    target: str = ""

    def __post_init__(self) -> None:
        if self.target and self.init != "lstsq":
            raise InvalidValue(f"a target is what init 'lstsq' is close to; init {self.init!r} has none")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """scalers: `fitted` for this size, at learning or later; or by rule, without any fitting.

    `interp`olated from the nearest stored size; `random`, cut normal drawn with `seed`; `onehot`: every block of a
    layer's tensor is template `layer mod templates`. The last two are controls.
    """

    scalers: Literal["fitted", "interp", "random", "onehot"] = "fitted"
    seed: int = 0
