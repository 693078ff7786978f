"""What every test shares: hypothesis draws the same examples on every machine, and keeps nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cases import bucket
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("fixed")


def pytest_configure() -> None:
    """One thread in this process and all it starts, before torch asks: several fight over tiny networks."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def s3() -> Iterator[bucket.Server]:
    """An S3 server, started when first asked for; this process's environment leads to it from then on."""
    with bucket.serving() as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment.items():
            environment.setenv(name, value)
        yield server
