"""Every method over a real socket: the client's file is the command line's file is the library's, and it loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from contracts.test_method import FACTORIES
from factories import catalog
from learngenes_client import Client, NeedsLearning, NotInTimm

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.ready import planned
from learngenes.store.local import LocalStore
from learngenes.stream import stream
from learngenes.training.loaders import load_model
from learngenes.training.vit import network
from learngenes.zoo import METHODS

WITHOUT_FITTING: dict[str, dict[str, Any]] = {"wave": {"scalers": "interp"}}


@pytest.fixture(scope="module")
def zoo(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with one learngene of every method, called by the method's name."""
    data = tmp_path_factory.mktemp("zoo")
    made = [renamed(*make(), name=method) for method, make in FACTORIES.items()]
    catalog(None, *made, store=LocalStore(data / "store"))
    with start(data, default="sws") as running:
        yield running


@pytest.fixture(params=FACTORIES)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def renamed(manifest: Manifest, raw: bytes, *, name: str) -> tuple[Manifest, bytes]:
    return replace(manifest, name=name), raw


def opened(zoo: Any, method: str) -> tuple[Catalog, Manifest]:
    store = Catalog(LocalStore(zoo.data / "store"))
    return store, store.get(method)


def sizes(manifest: Manifest) -> list[dict[str, int]]:
    """Its own, the smallest, a deeper and narrower one: as far as it takes them."""
    space, own = manifest.space, manifest.space.nearest(manifest.geometry.depth, manifest.geometry.width)
    asked = [own, space.nearest(1, 1), space.nearest(own.depth + 3, own.width), space.nearest(5, own.width // 2)]
    return [{"depth": size.depth, "width": size.width} for size in dict.fromkeys(asked)]


def options_of(method: str) -> dict[str, Any]:
    """What a request of this method has to name to be served without fitting."""
    return WITHOUT_FITTING.get(method, {})


def test_client_command_line_and_library_give_the_same_bytes_and_they_load(
    zoo: Any, method: str, tmp_path: Path
) -> None:
    store, manifest = opened(zoo, method)
    options = options_of(method)
    with Client(zoo.url, cache=tmp_path / "cache") as client:
        for i, size in enumerate(sizes(manifest)):
            model = client.fetch_model(**size, learngene=method, options=options)
            recipe, chosen = planned(store, manifest, Request(**size, options=options))
            assert model.path.read_bytes() == b"".join(stream(store.assemble(recipe, chosen)))
            words = ["build", method, "--store", str(zoo.data / "store"), "--out", str(tmp_path / f"{i}")]
            words += [f"--{name}={value}" for name, value in size.items()]
            assert main([*words, *(f"--option={name}={json.dumps(value)}" for name, value in options.items())]) == 0
            for name in ("model.safetensors", "config.json"):
                assert (model.path.parent / name).read_bytes() == (tmp_path / f"{i}" / name).read_bytes()
            assert model.document.params == sum(p.numel() for p in load_model(model.path.parent).parameters())


def test_the_fetched_network_computes_what_the_librarys_does(zoo: Any, method: str, tmp_path: Path) -> None:
    store, manifest = opened(zoo, method)
    with Client(zoo.url, cache=tmp_path) as client:
        model = client.fetch_model(learngene=method, options=options_of(method))
    recipe, _ = planned(store, manifest, Request(options=options_of(method)))
    if not isinstance(recipe.geometry, Geometry):
        with pytest.raises(NotInTimm, match=r"learngenes\.training\.loaders\.load_model"):
            model.to_timm()
        namespace = exec_snippet(model.document.snippets["python"])
        assert sum(p.numel() for p in namespace["model"].parameters()) == model.document.params
        return
    ours = network(recipe.geometry)
    ours.load_state_dict(model.state_dict(), strict=True)
    image = torch.linspace(-1, 1, 3 * recipe.geometry.channels * recipe.geometry.image**2)
    image = image.reshape(3, recipe.geometry.channels, recipe.geometry.image, -1)
    with torch.inference_mode():
        assert torch.equal(model.to_timm()(image), ours.eval()(image))


def exec_snippet(snippet: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    return namespace


def test_the_documents_are_what_the_library_says_and_their_snippets_run(
    zoo: Any, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNGENES_CACHE", str(tmp_path))
    body = {"learngene": method, "options": options_of(method), "num_classes": 3}
    planned_only = httpx.post(f"{zoo.url}/v1/plan", json=body).json()
    built = httpx.post(f"{zoo.url}/initialize", json=body, headers={"accept": "application/json"}).json()
    assert planned_only["files"][0].pop("sha256") is None
    assert built["files"][0].pop("sha256")
    assert planned_only == built
    report = built["init_report"]
    assert sum(report[kind]["parameters"] for kind in ("copied", "computed", "resized", "fresh")) == built["params"]
    assert [row["tensor"] for row in built["lineage"]] == sorted(row["tensor"] for row in built["lineage"])
    assert all(("reads" in row) == ("source" in row) for row in built["lineage"])
    namespace = exec_snippet(built["snippets"]["python"])
    assert sum(p.numel() for p in namespace["model"].parameters()) == built["params"]


def test_what_the_library_refuses_the_service_refuses_in_the_same_words(zoo: Any, method: str) -> None:
    _, manifest = opened(zoo, method)
    beyond = {"depth": manifest.space.depth.last + 1, "width": manifest.space.width.last + 1}
    option = next(iter(METHODS[method].options.__dataclass_fields__)) + "x"
    for asked in (beyond, {"options": {option: 1}}, {"img_size": 7, "patch_size": 8}):
        with pytest.raises(InvalidValue) as error:
            initialize(manifest, Request(**asked))
        answer = httpx.post(f"{zoo.url}/initialize", json={"learngene": method, **asked})
        assert (answer.status_code, answer.json()["code"]) == (422, error.value.code)
        assert answer.json()["detail"] == str(error.value)


def test_ranges_of_computed_tensors_are_those_of_the_whole(zoo: Any, method: str) -> None:
    _, manifest = opened(zoo, method)
    size = sizes(manifest)[-1]
    answer = httpx.post(f"{zoo.url}/initialize", json={**size, "learngene": method, "options": options_of(method)})
    assert answer.status_code == 200
    url, whole = zoo.url + answer.headers["content-location"], answer.content
    with httpx.Client() as client:
        for start in range(0, len(whole), max(1, len(whole) // 40)):
            part = client.get(url, headers={"range": f"bytes={start}-{start + 99}"})
            assert (part.status_code, part.content) == (206, whole[start : start + 100])
        assert client.head(url).headers["content-length"] == str(len(whole))
        assert client.get(url, headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_every_method_and_option_is_listed_with_its_default(zoo: Any, tmp_path: Path) -> None:
    with Client(zoo.url, cache=tmp_path) as client:
        methods = {method.name: method for method in client.methods()}
    assert list(methods) == list(METHODS)
    for name, known in METHODS.items():
        assert (methods[name].title, methods[name].paper) == (known.title, known.paper)
        assert (methods[name].varies, methods[name].fits) == (known.varies, known.fits)
        defaults = known.options()
        assert methods[name].options.keys() == known.options.__dataclass_fields__.keys() - {"seed"}
        for option, schema in methods[name].options.items():
            assert schema["default"] == json.loads(json.dumps(getattr(defaults, option))), f"{name}: {option}"


@pytest.mark.parametrize("name", WITHOUT_FITTING)
def test_a_size_that_needs_fitting_is_409_with_the_way_to_it(zoo: Any, name: str, tmp_path: Path) -> None:
    _, manifest = opened(zoo, name)
    size = sizes(manifest)[-1]
    with Client(zoo.url, cache=tmp_path) as client:
        with pytest.raises(NeedsLearning, match="learngenes fit-size") as error:
            client.fetch_model(**size, learngene=name)
        assert (error.value.status, error.value.size) == (409, size)
        for ready in error.value.ready:
            assert client.fetch_model(**ready, learngene=name).document.depth == ready["depth"]


def test_digest_of_the_listing_is_the_manifests(zoo: Any, method: str) -> None:
    _, manifest = opened(zoo, method)
    listed = {row["name"]: row for row in httpx.get(f"{zoo.url}/v1/learngenes").json()["learngenes"]}
    assert listed[method]["digest"] == manifest.digest
    assert listed[method]["fitted"] == []
