"""A size that has to be fitted: refused with the way out, and once somebody fitted it served to all, for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from cases import wave
from factories import catalog, learngene
from learngenes_client import Client, NeedsLearning
from learngenes_client.cli import main as client_main

from learngenes.catalog import Catalog
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import DataOptions, Learned
from learngenes.methods.wave.facts import at, cuts, facts_of, scalers_name
from learngenes.publish import publish_fitted
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes.store.local import LocalStore
from learngenes.stream import stream

SIZE = Size(6, 16)
Start = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def serving(start: Start, tmp_path: Path) -> Iterator[Any]:
    data = tmp_path / "data"
    catalog(None, wave.make(name="wave"), learngene(), store=LocalStore(data / "store"))
    with start(data, default="wave") as running:
        yield running


def opened(service: Any) -> Catalog:
    return Catalog(LocalStore(service.data / "store"))


def fit(store: Catalog, parent: Manifest, size: Size, *, seed: int = 0) -> Manifest:
    """Scalers as `learngenes fit-size` would leave them, without learning any."""
    facts, draw = facts_of(parent), np.random.default_rng(seed)
    shapes = {
        scalers_name(size, name): (*((size.depth,) if in_blocks else ()), terms, *cut.scalers)
        for name, (cut, terms, in_blocks) in cuts(at(parent.geometry, size), facts).items()
    }
    tensors = {name: draw.normal(0, 0.1, shape).astype(np.float32) for name, shape in sorted(shapes.items())}
    data = DataOptions(train="digits:train", test="digits:test", mean=(0.5,) * 3, std=(0.5,) * 3)
    job = FitJob(parent.reference, size.depth, size.width, data)
    sizes = [*([s.depth, s.width] for s in facts.sizes), [size.depth, size.width]]
    return publish_fitted(job, parent, Learned(tensors, {"sizes": sizes}, {}), catalog=store)


def test_a_size_is_refused_until_it_was_fitted_and_then_served_under_its_parents_name(
    serving: Any, tmp_path: Path
) -> None:
    store = opened(serving)
    parent = store.get("wave")
    with Client(serving.url, cache=tmp_path / "cache") as client:
        with pytest.raises(NeedsLearning, match=r"learngenes fit-size wave --depth 6 --width 16") as error:
            client.fetch_model(SIZE.depth, SIZE.width)
        assert {(size["depth"], size["width"]) for size in error.value.ready} == {(4, 32), (4, 16)}

        child = fit(store, parent, SIZE)
        model = client.fetch_model(SIZE.depth, SIZE.width)
        assert model.document.learngene == child.reference
        recipe, chosen = planned(store, parent, Request(depth=6, width=16))
        assert chosen == child
        assert model.path.read_bytes() == b"".join(stream(store.assemble(recipe, child)))
        assert client.fetch_model(learngene=child.name).document == model.document

        again = fit(store, parent, SIZE, seed=1)
        assert client.fetch_model(SIZE.depth, SIZE.width).document.learngene == again.reference

        with pytest.raises(NeedsLearning) as error:
            client.fetch_model(9, 16)
        assert error.value.ready[0] == {"depth": 6, "width": 16}
        assert client.fetch_model(**error.value.ready[0]).document.depth == 6


def test_the_answer_names_itself_by_the_parent_and_is_found_again_after_a_restart(serving: Any, start: Start) -> None:
    store = opened(serving)
    fit(store, store.get("wave"), SIZE)
    answer = httpx.post(f"{serving.url}/initialize", json={"depth": 6, "width": 16})
    assert answer.headers["content-disposition"] == 'attachment; filename="wave-v1-depth6-width16.safetensors"'
    assert answer.headers["content-location"] == f"/v1/descendants/{answer.headers['etag'][1:-1]}/model.safetensors"
    serving.kill()
    with start(serving.data, default="wave") as again:
        kept = httpx.get(again.url + answer.headers["content-location"], headers={"range": "bytes=100-"})
        assert (kept.status_code, kept.content) == (206, answer.content[100:])


def test_fitted_sizes_are_listed_in_their_parent_and_not_beside_it(
    serving: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(serving)
    child = fit(store, store.get("wave"), SIZE)
    with Client(serving.url, cache=tmp_path) as client:
        listed = {entry.name: entry for entry in client.learngenes().learngenes}
        assert {"wave", "tiny"} <= listed.keys() and child.name not in listed
        assert listed["wave"].fitted == ({"reference": child.reference, "depth": 6, "width": 16},)
        assert listed["tiny"].fitted == ()
        alone = client.learngene(child.name)
        assert alone.parent == "wave@1"
        assert (alone.depth.first, alone.depth.last) == (6, 6)
    assert client_main(["learngenes", "--url", serving.url]) == 0
    assert child.name not in capsys.readouterr().out
