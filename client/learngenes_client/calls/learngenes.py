"""Calls about what can be built from, and how."""

from __future__ import annotations

import re

from learngenes_client.calls.call import JSON_HEADERS, Answer, Call, read_object
from learngenes_client.errors import InvalidArgument
from learngenes_client.models import Catalog, Learngene, Method, learngene_from, method_from, objects, take

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}(@[A-Za-z0-9._-]{1,200})?")
PINNED = re.compile(r".+@[0-9]{1,9}")


def learngenes() -> Call:
    """Ask for all learngenes."""
    return Call("GET", "/v1/learngenes", headers=JSON_HEADERS)


def learngene(name: str) -> Call:
    """Ask for one learngene, `name`, `name@version` or `name@alias`."""
    return Call("GET", learngene_url(name), headers=JSON_HEADERS)


def methods() -> Call:
    """Ask for all methods."""
    return Call("GET", "/v1/methods", headers=JSON_HEADERS)


def learngene_url(reference: str) -> str:
    """Where a learngene is on its service; InvalidArgument for what can't be a reference."""
    if not NAME.fullmatch(reference):
        raise InvalidArgument(f"a learngene is named 'name' or 'name@version', got {reference!r:.250}")
    return f"/v1/learngenes/{reference}"


def is_pinned(reference: str) -> bool:
    """Whether a reference names a version by its number, which is the same learngene for ever."""
    return PINNED.fullmatch(reference) is not None


def read_learngenes(answer: Answer) -> Catalog:
    """What `learngenes` asks for."""
    raw = read_object(answer)
    default = None if raw.get("default") is None else take(raw, "default", str)
    return Catalog(default, tuple(learngene_from(entry) for entry in objects(raw, "learngenes")))


def read_learngene(answer: Answer) -> Learngene:
    """What `learngene` asks for."""
    return learngene_from(read_object(answer))


def read_methods(answer: Answer) -> tuple[Method, ...]:
    """What `methods` asks for."""
    return tuple(method_from(entry) for entry in objects(read_object(answer), "methods"))
