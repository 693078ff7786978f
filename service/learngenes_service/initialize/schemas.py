"""What POST /initialize takes, and POST /v1/plan for a size."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from learngenes.errors import InvalidValue
from learngenes.initialize import Request
from learngenes.recipe import Keys

Stages = Annotated[list[int], Field(min_length=1, max_length=512)]
Label = Annotated[str, Field(min_length=1, max_length=200)]

SHORT_FORMS = ("order", "strategy", "layers")
"""Options with a field of their own beside `options`."""


class InitializeBody(BaseModel):
    """A size, and whatever else may vary. What is left out is the learngene's own."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"depth": 9, "width": 384},
                {"depth": 9, "width": 192, "img_size": 96, "num_classes": 10, "options": {"select": "consecutive"}},
            ]
        },
    )

    depth: int | None = Field(None, description="number of blocks")
    width: int | None = Field(None, description="embedding dimension")
    learngene: str | None = Field(None, max_length=100, description="`name` or `name@version`")
    method: str | None = Field(None, max_length=40, description="refuse learngenes of any other method")
    num_classes: int | None = Field(None, description="another number than the learngene's gets a fresh head")
    labels: list[Label] | None = Field(
        None, min_length=1, description="class names: the head's rows of known ones are taken over, others are fresh"
    )
    img_size: int | None = Field(None, description="pixels a side; position embeddings are resized")
    patch_size: int | None = Field(None, description="pixels a side of a patch; its kernel is resized")
    in_chans: int | None = Field(None, description="channels of an image; the patch kernel is summed or repeated")
    pool: Literal["token", "avg"] | None = Field(None, description="the head sees the class token or the average")
    dtype: Literal["f32", "f16", "bf16"] = "f32"
    keys: Keys = Field("timm", description="whose tensor names: timm's, or those of Hugging Face transformers")
    order: Literal["front-mid-last", "front-last-mid"] | Stages | None = Field(None, description="short for the option")
    strategy: Literal["cyclic", "random", "proportional", "interleave"] | None = Field(
        None, description="short for the option"
    )
    layers: Stages | None = Field(None, description="short for the option: the stage of every block")
    seed: int = Field(0, description="of all fresh and drawn values")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="plan options of the learngene's method, by name: see GET /v1/methods",
    )

    def to_request(self) -> Request:
        """The same for the library; raises its errors."""
        short = {name: getattr(self, name) for name in SHORT_FORMS if getattr(self, name) is not None}
        if twice := sorted(short.keys() & self.options.keys()):
            raise InvalidValue(f"{twice[0]!r} is given twice, by itself and among the options: leave one of them out")
        if "seed" in self.options:
            raise InvalidValue("the seed is one for the whole request: give it beside the options, not among them")
        return Request(
            depth=self.depth,
            width=self.width,
            num_classes=self.num_classes,
            labels=tuple(self.labels or ()),
            img_size=self.img_size,
            patch_size=self.patch_size,
            in_chans=self.in_chans,
            pool=self.pool,
            dtype=self.dtype,
            keys=self.keys,
            seed=self.seed,
            options=short | self.options,
        )
