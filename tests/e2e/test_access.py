"""Keys, scopes and what is private, asked of the real service; every route of it is walked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from learngenes_client import Client, Unauthorized
from learngenes_service.access.keys import Keys
from learngenes_service.app import create_app
from learngenes_service.settings import Settings

from learngenes.gene import Parent
from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json", "/docs/oauth2-redirect", "/redoc"}
"""What is there for everybody."""

READING = {("POST", "/initialize"), ("POST", "/v1/plan")}
"""What needs no more than `read` although it is no GET."""

ADMIN = {("PUT", "/v1/learngenes/{reference}/yank"), ("DELETE", "/v1/learngenes/{reference}/yank")}
"""What is not enough for `train`."""

SECRET, ABSENT = "zz-secret", "zz-absent"
NO_ID = "0" * 64
VOLATILE = re.compile(r'"request_id": ?"[^"]*"|"timestamp": ?[0-9.]+')


def routes() -> list[tuple[str, str]]:
    """Method and path of every route that is documented, and HEAD beside GET."""
    app = create_app(Settings(data=Path("data"), store="store"))
    found = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    return [*found, *(("HEAD", path) for method, path in found if method == "GET")]


def address(path: str, *, name: str, id: str) -> str:
    """The path with something in its braces."""
    files = "{reference}" in path or "{id}" in path
    fill = {
        "reference": name,
        "id": id,
        "name": "model.safetensors" if files else name,
        "alias": "best",
        "sha256": NO_ID,
    }
    return re.sub(r"\{([^}]*)\}", lambda found: fill[found[1]], path)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public learngene, a private one, and one that completes the private one under a name of its own."""
    data = tmp_path_factory.mktemp("access")
    secret, raw = factories.learngene(name=SECRET, seed=1)
    heir = replace(secret, name="zz-heir", parent=Parent(secret.reference, secret.digest))
    store = LocalStore(data / "store")
    factories.catalog(None, factories.learngene(), (secret, raw), (heir, raw), store=store)
    store.create(f"private/{SECRET}", [b""])
    return data


@pytest.fixture(scope="module")
def keys(data: Path) -> dict[str, str]:
    made = Keys(LocalStore(data / "store"))
    return {scope: made.add(scope, scope, at=datetime.now(UTC)) for scope in ("read", "train", "admin")}


@pytest.fixture(scope="module")
def readers(data: Path, keys: dict[str, str], start: Start) -> Iterator[str]:
    """A service that anybody may read."""
    with start(data, settings={"LEARNGENES_ANONYMOUS": "read"}) as service:
        yield service.url


@pytest.fixture(scope="module")
def closed(data: Path, keys: dict[str, str], start: Start) -> Iterator[str]:
    """A service that answers nobody without a key."""
    with start(data, settings={"LEARNGENES_ANONYMOUS": "none"}) as service:
        yield service.url


@pytest.fixture
def secret_id(readers: str, keys: dict[str, str]) -> str:
    """A descendant of the private learngene, asked for by who may."""
    asked = httpx.post(f"{readers}/v1/plan", json={"learngene": SECRET, "depth": 3}, headers=bearer(keys["read"]))
    assert asked.status_code == 200
    return str(asked.json()["id"])


def test_every_route_asks_for_a_key(closed: str) -> None:
    with httpx.Client(base_url=closed) as client:
        for method, path in routes():
            answer = client.request(method, address(path, name="tiny", id=NO_ID))
            if path in OPEN:
                assert answer.status_code in (200, 405), (method, path)
                continue
            assert answer.status_code == 401 or (method == "HEAD" and answer.status_code == 405), (method, path)
            if method != "HEAD":
                assert answer.headers["www-authenticate"].startswith("Bearer"), (method, path)
                assert answer.json()["code"] == "unauthorized", (method, path)
        for path in OPEN:
            assert client.get(path).status_code in (200, 404), path


def test_what_changes_something_needs_more_than_to_read(closed: str, keys: dict[str, str]) -> None:
    with httpx.Client(base_url=closed, headers=bearer(keys["read"])) as client:
        for method, path in routes():
            url = address(path, name="tiny", id=NO_ID)
            answer = client.request(method, url)
            if method in ("GET", "HEAD") or (method, path) in READING:
                assert answer.status_code not in (401, 403), (method, path)
                continue
            assert answer.status_code == 403, (method, path)
            scope = "admin" if (method, path) in ADMIN else "train"
            assert (answer.json()["code"], answer.json()["scope"]) == ("forbidden", scope), (method, path)
            assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]
            enough = client.request(method, url, headers=bearer(keys[scope]))
            assert enough.status_code not in (401, 403), (method, path)


@pytest.mark.parametrize(
    "given", ["Bearer lgz_" + "a" * 43, "Bearer", "bearer x", "Basic YTpi", "lgz_a", "Bearer a b", ""]
)
def test_a_wrong_key_is_refused_even_where_none_is_needed(readers: str, given: str) -> None:
    answer = httpx.get(f"{readers}/v1/methods", headers={"Authorization": given})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert httpx.get(f"{readers}/v1/methods").status_code == 200


def test_a_private_learngene_looks_like_one_that_is_not_there(readers: str, secret_id: str) -> None:
    """Every route, by every name: references, ids, bodies."""
    bodies: list[dict[str, Any]] = [
        {"depth": 3},
        {"depth": 0},
        {"method": "tleg"},
        {"max_params": 10**9},
        {"kind": "fit-size", "spec": {}},
    ]
    with httpx.Client(base_url=readers) as client:
        for method, path in routes():
            for body in bodies if method == "POST" else [None]:
                for version in ("", "@1", "@best"):
                    seen = []
                    for name, id in ((SECRET, secret_id), (ABSENT, NO_ID)):
                        json = None if body is None else body | {"learngene": name + version}
                        answer = client.request(method, address(path, name=name + version, id=id), json=json)
                        text = answer.text.replace(name, "NAME").replace(id, "ID")
                        facts = {key: answer.headers.get(key) for key in ("etag", "cache-control", "content-length")}
                        seen.append((answer.status_code, VOLATILE.sub("", text), facts))
                        if path in OPEN | {"/metrics"}:
                            seen.clear()
                    assert seen[:1] == seen[1:], (method, path, body)


def test_what_completes_a_private_learngene_is_private_too(readers: str, keys: dict[str, str]) -> None:
    assert httpx.get(f"{readers}/v1/learngenes/zz-heir").status_code == 404
    assert httpx.get(f"{readers}/v1/learngenes/zz-heir", headers=bearer(keys["read"])).status_code == 200


def test_no_list_and_no_ranking_names_what_is_private(readers: str, keys: dict[str, str]) -> None:
    def everything(headers: dict[str, str]) -> list[httpx.Response]:
        return [
            httpx.get(f"{readers}/v1/learngenes", headers=headers),
            httpx.get(f"{readers}/v1/learngenes/q", headers=headers),
            httpx.post(f"{readers}/v1/plan", json={"max_params": 10**9}, headers=headers),
            httpx.post(f"{readers}/v1/plan", json={"learngene": "tiny", "method": "tleg"}, headers=headers),
        ]

    assert not any("zz-" in answer.text for answer in everything({}))
    with_key = everything(bearer(keys["read"]))
    assert all("zz-" in answer.text for answer in with_key[:3])
    assert all("private" in answer.headers["cache-control"] for answer in with_key)


def test_who_has_a_key_gets_what_is_private_and_no_shared_cache_keeps_it(
    readers: str, keys: dict[str, str], secret_id: str
) -> None:
    headers = bearer(keys["read"])
    url = f"{readers}/v1/descendants/{secret_id}"
    for name in ("", "/model.safetensors", "/config.json", "/recipe.json"):
        answer = httpx.get(url + name, headers=headers)
        assert answer.status_code == 200, name
        assert "private" in answer.headers["cache-control"], name
        assert "public" not in answer.headers["cache-control"], name
        for method in ("GET", "HEAD"):
            assert httpx.request(method, url + name).status_code == 404, (method, name)
    part = httpx.get(f"{url}/model.safetensors", headers=headers | {"Range": "bytes=5-9"})
    assert (part.status_code, len(part.content)) == (206, 5)
    made = httpx.post(f"{readers}/initialize", json={"learngene": SECRET, "depth": 3}, headers=headers)
    assert (made.status_code, made.headers["cache-control"]) == (200, "private, max-age=31536000, immutable")


def test_the_client_brings_its_key(closed: str, keys: dict[str, str], tmp_path: Path) -> None:
    with Client(closed, key=keys["read"], cache=tmp_path) as client:
        model = client.fetch_model(learngene=SECRET, depth=3)
        assert model.path.stat().st_size == model.document.file("model.safetensors").bytes
    with Client(closed, key="", cache=tmp_path) as client, pytest.raises(Unauthorized, match="needs a key"):
        client.learngenes()


def test_what_is_public_may_be_kept_by_anybody_whoever_asked(readers: str, keys: dict[str, str]) -> None:
    for headers in ({}, bearer(keys["read"])):
        answer = httpx.post(f"{readers}/initialize", json={"depth": 3}, headers=headers)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_page_whose_name_points_here_may_only_read(data: Path, start: Start, keys: dict[str, str]) -> None:
    with start(data, settings={"LEARNGENES_ANONYMOUS": "admin"}) as service:
        listed = f"{service.url}/v1/learngenes"
        assert SECRET in httpx.get(listed).text
        assert SECRET in httpx.get(listed, headers={"Host": "localhost:1"}).text
        for host in ("evil.example", "127.0.0.1.evil.example", "[", "localhost.evil", "[::1", "x[::1]"):
            assert SECRET not in httpx.get(listed, headers={"Host": host}).text
        assert SECRET in httpx.get(listed, headers={"Host": "evil.example"} | bearer(keys["read"])).text
