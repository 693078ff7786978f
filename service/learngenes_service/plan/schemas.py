"""What POST /v1/plan takes for a budget; for a size it takes what POST /initialize does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from learngenes.budget.ranking import Budget
from learngenes_service.initialize.schemas import InitializeBody


class BudgetBody(BaseModel):
    """Limits on a descendant; every size of every learngene within them is ranked by its measured quality."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"max_params": 12_000_000, "dataset": "cifar100"}]}
    )

    max_params: int | None = Field(None, description="parameters")
    max_macs: int | None = Field(None, description="multiply-adds of one image")
    max_bytes: int | None = Field(None, description="bytes of the checkpoint in the dtype asked for")
    max_latency_ms: float | None = Field(None, description="milliseconds of one image, where somebody measured them")
    dataset: str | None = Field(None, max_length=200, description="whose measurements rank; the one measured most")
    epochs_after: int = Field(0, ge=0, description="of training after initialization; 0 is untuned")
    learngene: str | None = Field(None, max_length=100, description="only this one: `name` or `name@version`")
    method: str | None = Field(None, max_length=40, description="only learngenes of this method")
    dtype: Literal["f32", "f16", "bf16"] = "f32"
    limit: int = Field(20, ge=1, le=1000, description="list so many of the best")

    def to_budget(self) -> Budget:
        """The limits for the library; InvalidValue for one that can't be."""
        return Budget(
            max_params=self.max_params,
            max_macs=self.max_macs,
            max_bytes=self.max_bytes,
            max_latency_ms=self.max_latency_ms,
        )


ONLY_BUDGET = BudgetBody.model_fields.keys() - InitializeBody.model_fields.keys()
ONLY_SIZE = InitializeBody.model_fields.keys() - BudgetBody.model_fields.keys()
