"""The starter behind one service for all examples of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

STARTER = "sws-small-cifar100"


@pytest.fixture(scope="session")
def zoo(start: Callable[..., AbstractContextManager[Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service that has the starter alone."""
    with start(tmp_path_factory.mktemp("zoo"), default=STARTER) as service:
        yield service.url
