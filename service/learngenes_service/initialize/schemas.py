"""What POST /initialize takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from learngenes.initialize import Request

Stages = Annotated[list[int], Field(min_length=1, max_length=512)]


class InitializeBody(BaseModel):
    """A size, and whatever else may vary. What is left out is the learngene's own."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"depth": 9, "width": 384}]})

    depth: int | None = Field(None, description="number of blocks")
    width: int | None = Field(None, description="embedding dimension")
    learngene: str | None = Field(None, max_length=100, description="`name` or `name@version`")
    method: str | None = Field(None, max_length=40, description="refuse learngenes of any other method")
    num_classes: int | None = Field(None, description="another number than the learngene's gets a fresh head")
    dtype: Literal["f32", "f16", "bf16"] = "f32"
    keys: Literal["timm"] = "timm"
    order: Literal["front-mid-last", "front-last-mid"] | Stages | None = None
    strategy: Literal["cyclic", "random", "proportional", "interleave"] | None = None
    layers: Stages | None = Field(None, description="the stage of every block")
    seed: int = Field(0, description="of all fresh and drawn values")

    def to_request(self) -> Request:
        """The same for the library; raises its errors."""
        given: dict[str, Any] = {"order": self.order, "strategy": self.strategy, "layers": self.layers}
        return Request(
            depth=self.depth,
            width=self.width,
            num_classes=self.num_classes,
            dtype=self.dtype,
            keys=self.keys,
            seed=self.seed,
            options={name: value for name, value in given.items() if value is not None},
        )
