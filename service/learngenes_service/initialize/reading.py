"""From the bytes of a request's body to a learngene and what is asked of it, or to a problem that leads on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from learngenes.errors import InvalidValue, LearngenesError, UnknownName
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.zoo import METHODS
from learngenes_service.initialize.schemas import InitializeBody
from learngenes_service.problems import Refusal, size_facts, validation_problem
from learngenes_service.state import Shelf


async def read(raw: bytes, shelf: Shelf, *, also: Collection[str] = ()) -> tuple[Manifest, Request]:
    """The learngene named and the request; Refusal or an error of the library if the body makes no sense.

    also: fields that would have been known instead of these.
    """
    try:
        body = InitializeBody.model_validate_json(raw or b"{}")
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        known = (*InitializeBody.model_fields, *also)
        raise Refusal(
            validation_problem(faults, known=known, elsewhere=option_places(), **await _legal(raw, shelf))
        ) from None
    return await named(body.learngene, body.method, shelf), body.to_request()


async def named(learngene: str | None, method: str | None, shelf: Shelf) -> Manifest:
    """The learngene of this name, or the default one; an error of the library unless it is of the method, if one is."""
    manifest = await shelf.manifest(learngene)
    if method not in (None, manifest.method):
        raise await _other_method(method or "", manifest, shelf)
    return manifest


def option_places() -> dict[str, str]:
    """Where the options of all methods are to be given: `options.<name>`."""
    names = {field.name for method in METHODS.values() for field in dataclasses.fields(method.options)}
    return {name: f"options.{name}" for name in names}


async def _other_method(method: str, manifest: Manifest, shelf: Shelf) -> InvalidValue:
    if method not in METHODS:
        return UnknownName("method", method, METHODS)
    others = await shelf.of_method(method)
    way = f"name one of {', '.join(others)}" if others else "the store has none of that method"
    return InvalidValue(f"learngene {manifest.reference} is of method {manifest.method!r}, not {method!r}: {way}")


async def _legal(raw: bytes, shelf: Shelf) -> dict[str, Any]:
    """The legal space, and the size nearest to what can be made out of a body that is not valid."""
    try:
        asked = json.loads(raw)
        manifest = await shelf.manifest(asked.get("learngene"))
        space = manifest.space
        own = space.nearest(manifest.geometry.depth, manifest.geometry.width)
        size = [int(asked.get(key) or mine) for key, mine in (("depth", own.depth), ("width", own.width))]
        return size_facts(space, space.nearest(*size))
    except (LearngenesError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
