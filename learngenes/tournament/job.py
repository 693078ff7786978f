"""What a tournament compares, and by which rules. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from learngenes.errors import InvalidValue, UnknownName
from learngenes.evaluation.job import EvaluationJob
from learngenes.families.vit import Geometry
from learngenes.job_options import AncestorOptions, DataOptions, TrainingOptions, check_once
from learngenes.sizes import Size
from learngenes.zoo import METHODS

PREPARED = ("train", "test", "mean", "std", "interpolation", "crop_pct", "license")
"""What of [data] says how images are, not how they are varied: a learngene takes them as it was learned."""


@dataclass(frozen=True, slots=True)
class TournamentJob:
    """Every method at one size, on the same images, with the same training for every network that is trained, once for
    each seed.

    depth, width: of the descendants that are compared. geometry: of the networks that learngenes are learned in, which
    also gives the descendants' images, patches and classes; some methods learn in fewer blocks, see contestants.
    training: of every method that trains. ancestor: teaches, or is taken apart; one, shared by all methods and seeds.
    tuning_epochs: of every descendant before it is measured, 0 for none; tuning: fields of TrainingOptions in which
    that differs from the recipe of evaluations. methods: who takes part, all unless said. learngenes: `name@version` of
    the store, which take part too. options: learn options by method, where the defaults won't do.
    """

    depth: int
    width: int
    geometry: Geometry
    data: DataOptions
    training: TrainingOptions
    ancestor: AncestorOptions | None = None
    tuning_epochs: int = 0
    tuning: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = ()
    learngenes: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.size
        for name in ("seeds", "methods", "learngenes"):
            check_once(name, getattr(self, name))
        for method in (*self.methods, *self.options):
            if method not in METHODS:
                raise UnknownName("method", method, METHODS)
        for method, table in self.options.items():
            if not isinstance(table, dict):
                raise InvalidValue(f"options.{method} is a table of that method's options, got {table!r}")
            if self.methods and method not in self.methods:
                raise InvalidValue(f"options are given for {method!r}, which is not among the methods; add it")
        if self.tuning and not self.tuning_epochs:
            raise InvalidValue("tuning says how descendants are tuned, and tuning_epochs is 0; raise it")
        self.evaluation("every@1", seed=0)
        if min(self.seeds, default=-1) < 0:
            raise InvalidValue(f"seeds are one or more whole numbers of at least 0, got {list(self.seeds)}")

    @property
    def size(self) -> Size:
        """Of the descendants."""
        return Size(self.depth, self.width)

    def evaluation(self, learngene: str, *, seed: int) -> EvaluationJob:
        """How a contestant's descendant is tuned and measured; `learngene`: its reference."""
        varied = {name: value for name, value in asdict(self.data).items() if name not in PREPARED}
        return EvaluationJob(
            learngene=learngene,
            test=self.data.test,
            depths=(self.depth,),
            widths=(self.width,),
            epochs=(self.tuning_epochs,),
            seeds=(seed,),
            train=self.data.train if self.tuning_epochs else None,
            precision=self.training.precision,
            training=self.tuning,
            data=varied,
        )
