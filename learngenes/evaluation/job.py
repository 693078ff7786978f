"""What is to be measured of a learngene, and by which recipe its descendants are tuned. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from learngenes import config
from learngenes.errors import InvalidValue, UnknownName
from learngenes.job_options import DataOptions, TrainingOptions, check_once

RATE_BATCH = 512
"""Images a step that a learning rate is given for: the authors' code scales it by batch / 512."""

SMALL_RATE, BASE_RATE, BASE_WIDTH = 5e-5, 1e-5, 768
"""The authors' learning rates of their small (width 384) and base networks: the base one's from its width on."""

BATCH = 128
"""Images a step, unless [training] says otherwise: small enough for one core or a small GPU."""


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """A grid of depths x widths x epochs x seeds of one learngene.

    test, train: images, see job_options.SOURCES; train only where something is tuned. widths: none is the learngene's
    own. epochs: of tuning after initialization, 0 for none. seeds: of everything drawn and of the tuning.
    latency: also measure the time of a forward pass of one image at every size. precision: of the arithmetic.
    training, data: fields of TrainingOptions and DataOptions that differ from the recipe, as tables.
    """

    learngene: str
    test: str
    depths: tuple[int, ...]
    widths: tuple[int, ...] = ()
    epochs: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    train: str | None = None
    latency: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("depths", 1), ("widths", 1), ("epochs", 0), ("seeds", 0)):
            values = getattr(self, name)
            if name != "widths" and not values:
                raise InvalidValue(f"{name} is empty; name at least one of them")
            if wrong := [value for value in values if type(value) is not int or value < least]:
                raise InvalidValue(f"{name} are whole numbers of at least {least}, got {wrong[0]!r}")
            check_once(name, values)
        if any(self.epochs) and self.train is None:
            raise InvalidValue(f"{max(self.epochs)} epochs of tuning need images to train on; add --train")
        for name, options in (("training", TrainingOptions), ("data", DataOptions)):
            for key in ("epochs", "precision", "train", "test"):
                if key in getattr(self, name):
                    raise InvalidValue(f"{key} is an option of the evaluation; take it out of [{name}]")
            known = options.__dataclass_fields__
            if unknown := [key for key in getattr(self, name) if key not in known]:
                raise UnknownName(f"key in [{name}]", unknown[0], known)
        if any(self.epochs):  # what goes with the fewest goes with more
            self.tuning(min(filter(None, self.epochs)), width=1, fused_attention=False)

    def tuning(self, epochs: int, *, width: int, fused_attention: bool) -> TrainingOptions:
        """The recipe at a width: SWS, IJCAI 2024, as in its code: AdamW, cosine to 1e-6, no warm-up, weight decay 0.05.

        10 epochs on ImageNet there. Augmentation is that of [data]; there is no distillation and no shared weight.
        """
        batch = self.training.get("batch", BATCH)
        rate = SMALL_RATE if width < BASE_WIDTH else BASE_RATE
        if type(batch) is int:
            rate *= batch / RATE_BATCH
        rate = self.training.get("learning_rate", rate)
        table = {
            "epochs": epochs,
            "batch": batch,
            "learning_rate": rate,
            "min_lr": min(1e-6, rate) if type(rate) is float else 1e-6,
            "precision": self.precision,
            "fused_attention": fused_attention,
        }
        return config.parse(table | self.training, TrainingOptions, where="[training]")


@dataclass(frozen=True, slots=True)
class TuningTables:
    """A TOML file beside the command line: what differs from the recipe of tuning."""

    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
