"""What every test shares: hypothesis draws the same examples on every machine, and keeps nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import bucket
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("fixed")


def pytest_configure() -> None:
    """One thread in this process and all it starts, before torch asks: several fight over tiny networks."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Nothing here speaks TLS, but each `httpx.get` would read the world's authorities first: 20 ms, thousands of times.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "cases" / "authority.pem")
    os.environ.pop("SSL_CERT_DIR", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` collects in two processes, which have to agree on every test's name."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} has another name in each process: give its parameter an id")


@pytest.fixture(scope="session")
def s3() -> Iterator[bucket.Server]:
    """An S3 server, started when first asked for; this process's environment leads to it from then on."""
    with bucket.serving() as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment.items():
            environment.setenv(name, value)
        yield server
