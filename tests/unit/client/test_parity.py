"""The client that waits and the one that is awaited are the same, name for name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from learngenes_client import AsyncClient, Client

PLUMBING = {"__enter__", "__exit__", "__aenter__", "__aexit__"}


def members(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if callable(member) and not name.startswith("__")}


def test_both_have_the_same_names_and_close_what_they_open() -> None:
    assert members(Client).keys() == members(AsyncClient).keys() >= {"fetch_model", "watch", "push", "close"}
    assert isinstance(vars(Client)["cache"], property) and isinstance(vars(AsyncClient)["cache"], property)
    assert vars(Client).keys() - vars(AsyncClient).keys() <= PLUMBING
    assert vars(AsyncClient).keys() - vars(Client).keys() <= PLUMBING


@pytest.mark.parametrize("name", ["__init__", *sorted(members(Client).keys() - {"close"})])
def test_a_name_takes_the_same_arguments_and_says_the_same(name: str) -> None:
    waiting, awaiting = getattr(Client, name), getattr(AsyncClient, name)
    assert inspect.signature(waiting) == inspect.signature(awaiting)
    assert waiting.__doc__ == awaiting.__doc__
    if name != "__init__":
        assert waiting.__doc__.strip().endswith(".")
        assert inspect.iscoroutinefunction(awaiting) == (name != "watch")


def test_a_signature_reads_as_what_is_called_and_comes_back() -> None:
    signature = inspect.signature(Client.fetch_model)
    assert list(signature.parameters)[:3] == ["self", "depth", "width"]
    assert signature.return_annotation == "Model"
    assert inspect.signature(Client.watch).return_annotation == "Events"
