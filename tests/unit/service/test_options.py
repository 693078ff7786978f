from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from learngenes_service.learngenes.options import schema_of

from learngenes.zoo import METHODS


@dataclass(frozen=True, slots=True)
class Base:
    """Sizes of a thing.

    depth, width: of it, where `scale` multiplies both;
    told on two lines.
    """

    depth: int
    width: int = 3
    scale: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Options(Base):
    """mode: `a` or `b`; width: as wide as it is."""

    mode: Literal["a", "b"] | tuple[int, ...] = "a"


def test_a_schema_has_types_defaults_and_what_the_docstrings_say() -> None:
    schema = schema_of(Options, without=("seed",))
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["depth"]
    both = "of it, where `scale` multiplies both; told on two lines."
    assert schema["properties"] == {
        "depth": {"description": both, "type": "integer"},
        "width": {"description": "as wide as it is.", "default": 3, "type": "integer"},
        "scale": {"description": both, "default": 1.0, "type": "number"},
        "mode": {
            "description": "`a` or `b`",
            "default": "a",
            "anyOf": [{"enum": ["a", "b"], "type": "string"}, {"items": {"type": "integer"}, "type": "array"}],
        },
    }


@pytest.mark.parametrize("name", METHODS)
def test_every_option_of_every_method_is_explained(name: str) -> None:
    for options in (METHODS[name].options, METHODS[name].learning):
        for option, schema in schema_of(options, without=("seed",))["properties"].items():
            assert schema.get("description"), f"{options.__module__}: no docstring says what {option} means"
