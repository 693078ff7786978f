"""What POST /v1/jobs takes, and what of a list of jobs can be chosen."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learngenes import spec
from learngenes.errors import InvalidValue
from learngenes.spec import Spec
from learngenes_service.problems import Refusal, validation_problem

_CURSOR = re.compile(r"[0-9]{8}t[0-9]{12}z-[0-9a-f]{32}-[0-9]{1,9}", re.ASCII)


class JobBody(BaseModel):
    """A job: its kind, and its table as in the TOML file of the command of that name."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "fit-size",
                    "spec": {
                        "learngene": "wave-tiny-digits",
                        "depth": 6,
                        "width": 32,
                        "data": {"train": "digits:train", "test": "digits:test", "mean": [0.306], "std": [0.378]},
                    },
                }
            ]
        },
    )

    kind: str = Field(max_length=40, description=f"one of {', '.join(spec.KINDS)}")
    spec: dict[str, Any] = Field(description="the job, see docs/jobs.md")


def read_job(raw: bytes) -> Spec:
    """The job of a body; Refusal or an error of the library if it makes no sense."""
    try:
        body = JobBody.model_validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise Refusal(validation_problem(faults, known=tuple(JobBody.model_fields))) from None
    return spec.read(body.kind, body.spec)


def to_body(wanted: Spec) -> dict[str, Any]:
    """What to post for this job."""
    body: dict[str, Any] = json.loads(spec.to_json(wanted))
    return body


def write_cursor(entry: str) -> str:
    """Opaque to clients."""
    return base64.urlsafe_b64encode(entry.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """What `write_cursor` was given; InvalidValue if it was not written by it."""
    try:
        entry = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        entry = ""
    if not _CURSOR.fullmatch(entry):
        raise InvalidValue(f"cursor {cursor[:80]!r} is none of ours: take it from the `next` of a page")
    return entry
