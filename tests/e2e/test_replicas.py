"""Several services on one bucket: each has a disk of its own, which holds nothing that could not be lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases import bucket

from learngenes.catalog import Catalog
from learngenes.store.opened import open_store

CACHE_BYTES = 1_000_000
"""Of the second replica: less than all learngenes have together, and less than the starter alone."""


@dataclass(frozen=True)
class Replicas:
    """Services on the store at url, and how to start another: `start(data, ...)`."""

    url: str
    first: Any
    second: Any
    start: Callable[..., Any]

    @property
    def both(self) -> tuple[Any, Any]:
        return self.first, self.second


@pytest.fixture(scope="module")
def replicas(s3: bucket.Server, start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    url = s3.new()
    names = ("tiny", "one", "two", "three")
    made = [factories.learngene(name=name, width=96, heads=3, seed=seed) for seed, name in enumerate(names)]
    factories.catalog(None, *made, store=open_store(url))
    places = [tmp_path_factory.mktemp(f"replica-{number}") for number in range(2)]

    def starting(data: Path, **settings: str) -> Any:
        return start(data, settings={**s3.environment, "LEARNGENES_STORE": url, "LEARNGENES_STARTER": "1", **settings})

    with starting(places[0]) as first, starting(places[1], LEARNGENES_CACHE_BYTES=str(CACHE_BYTES)) as second:
        yield Replicas(url, first, second, starting)


def ask(service: Any, **wanted: Any) -> httpx.Response:
    return httpx.post(f"{service.url}/initialize", json=wanted, timeout=60)


def cached(data: Path) -> list[Path]:
    return [path for path in (data / "cache").iterdir() if len(path.name) == 64]


@pytest.mark.parametrize(
    "wanted", [{"depth": 7}, {"depth": 5, "dtype": "f16"}, {"depth": 4, "num_classes": 3}], ids=str
)
def test_replicas_answer_with_the_same_bytes_under_the_same_name(replicas: Replicas, wanted: dict[str, Any]) -> None:
    with ThreadPoolExecutor(2) as at_once:
        one, other = at_once.map(lambda service: ask(service, **wanted), replicas.both)
    assert (one.status_code, other.status_code) == (200, 200)
    assert one.content == other.content
    for header in ("etag", "content-location", "content-length"):
        assert one.headers[header] == other.headers[header]


def test_what_one_was_asked_for_the_other_knows_by_its_id(replicas: Replicas) -> None:
    whole = ask(replicas.first, depth=11)
    at = replicas.second.url + whole.headers["content-location"]
    assert httpx.get(at).content == whole.content
    part = httpx.get(at, headers={"range": "bytes=100-200099", "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[100:200100])


def test_what_is_published_is_served_by_all_at_once(replicas: Replicas) -> None:
    catalog = Catalog(open_store(replicas.url))
    for version in (1, 2):
        manifest, raw = factories.learngene(name="late", version=version, seed=10 + version)
        catalog.publish(manifest, [raw])
        catalog.move_alias("late", "best", version)
        for reference in ("late", "late@best"):
            one, other = (ask(service, learngene=reference, depth=6) for service in replicas.both)
            assert one.content == other.content
            listed = httpx.get(f"{replicas.second.url}/v1/learngenes/{reference}").json()
            assert listed["version"] == version


def test_the_cache_is_bounded_and_all_that_is_larger_is_served_all_the_same(replicas: Replicas) -> None:
    for name in ("tiny", "one", "two", "three", "one", "sws-small-cifar100"):
        one, other = (ask(service, learngene=name, depth=4) for service in replicas.both)
        assert one.status_code == 200
        assert one.content == other.content
        assert sum(path.stat().st_size for path in cached(replicas.second.data)) <= CACHE_BYTES
    assert len(cached(replicas.second.data)) < len(cached(replicas.first.data))


def test_a_flipped_byte_in_the_cache_is_healed(replicas: Replicas, tmp_path: Path) -> None:
    wanted = {"learngene": "one", "depth": 9}
    right = ask(replicas.first, **wanted).content
    with replicas.start(tmp_path, LEARNGENES_DEFAULT="one") as service:
        assert ask(service, **wanted).content == right
    for path in cached(tmp_path):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    with replicas.start(tmp_path, LEARNGENES_DEFAULT="one") as service:
        assert ask(service, **wanted).content == right


def test_without_its_store_a_service_says_so_and_serves_on_what_it_has(start: Any, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(bucket.serving())
        settings = {**server.environment, "LEARNGENES_STORE": server.new()}
        service = stack.enter_context(start(tmp_path, default="sws-small-cifar100", settings=settings))
        known = ask(service, depth=5)
        server.stop()
        with ThreadPoolExecutor(2) as at_once:
            got = at_once.submit(httpx.get, service.url + known.headers["content-location"], timeout=60)
            refused = at_once.submit(ask, service, depth=6).result()
        assert (refused.status_code, refused.json()["code"]) == (503, "store-unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert "a-secret" not in refused.text
        assert (got.result().status_code, got.result().content) == (200, known.content)
