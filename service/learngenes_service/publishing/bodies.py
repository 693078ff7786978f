"""What POST /v1/learngenes takes, and what is said of versions."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learngenes.errors import InvalidValue
from learngenes.gene import LEAST_CROP
from learngenes.importing.checkpoint import TAKING, Facts
from learngenes.yanks import MOST_LETTERS
from learngenes_service.problems import Refusal, validation_problem

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Numbers = Annotated[list[float], Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Body = TypeVar("Body", bound=BaseModel)


class ManifestBody(BaseModel):
    """A learngene exported from another store, whose file was uploaded; its version number is given here."""

    model_config = STRICT

    manifest: dict[str, Any] = Field(description="manifest.json of the learngene, as `learngenes export` writes it")
    private: bool = Field(False, description="hide the name from callers without a key")
    alias: str | None = Field(None, max_length=64, description="of the name, moved to the new version")


class CheckpointBody(BaseModel):
    """A network whose file was uploaded, by timm's names: its geometry is read from its tensors."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"name": "my-vit", "sha256": "0" * 64, "license": "apache-2.0"}]},
    )

    name: str = Field(max_length=64, description="of the learngene")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the uploaded file")
    method: str = Field("selection", max_length=40, description=f"one of {', '.join(TAKING)}")
    options: dict[str, Any] = Field(default_factory=dict, description="learn options of the method")
    heads: int | None = Field(None, ge=1, le=4096, description="width / 64 if not given")
    pool: Literal["token", "avg"] | None = Field(None, description="the class token, if there is one, if not given")
    norm: Literal["before-pool", "after-pool"] | None = Field(None, description="has to agree with the tensors")
    mean: Numbers | None = Field(None, description="of a channel, of pixels scaled to 0..1; 0.5 if not given")
    std: Numbers | None = Field(None, description="of a channel; 0.5 if not given")
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = Field(0.9, ge=LEAST_CROP, le=1, description="share of the side that the central crop keeps")
    labels: list[Label] | None = Field(None, max_length=1 << 17, description="class names in the order of the head")
    license: str = Field("unknown", min_length=1, max_length=100)
    data_license: str = Field("unknown", min_length=1, max_length=100)
    description: str = Field("", max_length=2000)
    private: bool = Field(False, description="hide the name from callers without a key")
    alias: str | None = Field(None, max_length=64, description="of the name, moved to the new version")

    def to_facts(self) -> Facts:
        """The same for the library; raises its errors."""
        return Facts(
            name=self.name,
            method=self.method,
            options=self.options,
            heads=self.heads,
            pool=self.pool,
            norm=self.norm,
            mean=tuple(self.mean or ()),
            std=tuple(self.std or ()),
            interpolation=self.interpolation,
            crop_pct=self.crop_pct,
            labels=tuple(self.labels or ()),
            license=self.license,
            data_license=self.data_license,
            description=self.description,
            source=f"upload, sha256 {self.sha256}",
        )


class AliasBody(BaseModel):
    """Where an alias points."""

    model_config = STRICT

    version: int = Field(ge=1, le=10**9)


class YankBody(BaseModel):
    """Why a version is taken back."""

    model_config = STRICT

    reason: str = Field(min_length=1, max_length=MOST_LETTERS, description="one line; callers are told")


def read_publication(raw: bytes) -> ManifestBody | CheckpointBody:
    """The body of POST /v1/learngenes, which of the two it is; Refusal if it makes no sense."""
    kind: type[ManifestBody | CheckpointBody] = CheckpointBody
    try:
        table = json.loads(raw)
        if isinstance(table, dict) and "manifest" in table:
            kind = ManifestBody
    except (ValueError, RecursionError):
        pass  # pydantic says it better
    return read_body(raw, kind)


def read_body(raw: bytes, kind: type[Body]) -> Body:
    """A body of this kind; Refusal if it makes no sense."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise Refusal(validation_problem(faults, known=tuple(kind.model_fields))) from None


def digest_of(body: BaseModel) -> str:
    """Equal for bodies that ask for the same; InvalidValue for numbers that can't be written again."""
    try:
        plain = json.dumps(body.model_dump(), sort_keys=True, ensure_ascii=True, allow_nan=False)
    except ValueError as error:
        raise InvalidValue(f"a number in the body is none that JSON has, or far too long: {error}") from None
    return hashlib.sha256(plain.encode()).hexdigest()
