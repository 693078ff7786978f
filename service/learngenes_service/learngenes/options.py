"""The options of a method as JSON Schema, read off its dataclass: names, types, defaults and meanings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from pydantic import TypeAdapter


def schema_of(options: type[Any], *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON Schema of an options dataclass; without: fields that are said elsewhere."""
    schema = TypeAdapter(options).json_schema()
    meanings = _meanings(options)
    properties = {}
    for name, property in schema.get("properties", {}).items():
        if name not in without:
            property.pop("title", None)
            properties[name] = {"description": meanings[name], **property} if name in meanings else property
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    for key in ("required", "$defs"):
        if key in schema:
            whole[key] = schema[key]
    return whole


def _meanings(options: type[Any]) -> dict[str, str]:
    """What the docstrings of the dataclass and its bases say as `name: meaning` or `name, name: meaning`.

    An option that is spoken of only in another's meaning, as `name`, has that one.
    """
    fields = [field.name for field in dataclasses.fields(options)]
    names = "|".join(map(re.escape, fields))
    meanings: dict[str, str] = {}
    for kind in reversed([kind for kind in options.__mro__ if dataclasses.is_dataclass(kind)]):
        text = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
        pieces = re.split(rf"(?:^|\s)((?:{names})(?:, (?:{names}))*): ", text)
        for found, meaning in zip(pieces[1::2], pieces[2::2], strict=True):
            meanings |= dict.fromkeys(found.split(", "), meaning.rstrip(" ;"))
    for name in fields:
        within = [meaning for meaning in meanings.values() if f"`{name}`" in meaning]
        meanings |= {} if name in meanings or not within else {name: within[0]}
    return meanings
