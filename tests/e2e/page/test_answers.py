"""The pages as HTTP: what they let a browser do, what they keep, whom they answer, and that nothing in them runs."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from learngenes_service.page import endpoints, job_pages
from learngenes_service.page.route import PageRoute

SECRET, ABSENT = "zz-secret", "zz-absent"
HOSTILE = "<script>alert(1)</script>"
VOLATILE = re.compile(r"(id|Request) <code>\w+</code>|[0-9a-f]{64}|<code title=\"\w+\">\w+</code>")


def pages() -> list[str]:
    """The path of every page, with something in its braces."""
    routes = [*endpoints.router.routes, *job_pages.router.routes]
    assert all(isinstance(route, PageRoute) for route in routes)
    return [str(route.path).replace("{id}", "0" * 32) for route in routes if isinstance(route, PageRoute)]


def test_every_page_may_load_nothing_but_its_own_and_be_framed_by_nobody(zoo: Any) -> None:
    for path in ["/", "/?depth=600", "/?learngene=nobody", "/jobs", "/upload"]:
        answer = httpx.get(zoo.url + path)
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'", path
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'", path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.search(r"<script(?! src=\"/page/)|<style|<[a-z][^>]*\s(style|on\w+)=", answer.text), path
        assert not re.search(r"(src|href|action)=\"(https?:)?//", answer.text), path


def test_its_files_are_kept_for_ever_under_the_address_of_their_content(zoo: Any) -> None:
    found = set(re.findall(r"/page/\w+\.[0-9a-f]{12}\.\w+", httpx.get(zoo.url).text))
    assert {address.rsplit(".")[-1] for address in found} == {"css", "js", "svg"}
    for address in found:
        answer = httpx.get(zoo.url + address, headers={"accept-encoding": "identity"})
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "content-encoding" not in answer.headers
        etag = answer.headers["etag"]
        assert re.fullmatch(r'"[0-9a-f]{64}"', etag) and etag[1:].startswith(address.split(".")[1])
        packed = httpx.get(zoo.url + address)
        assert packed.content == answer.content and packed.headers["etag"] != etag
        with httpx.stream("GET", zoo.url + address) as raw:
            assert gzip.decompress(b"".join(raw.iter_raw())) == answer.content
        headers = {"if-none-match": etag, "accept-encoding": "identity"}
        again = httpx.get(zoo.url + address, headers=headers)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        head = httpx.head(zoo.url + address, headers={"accept-encoding": "identity"})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    assert httpx.get(f"{zoo.url}/page/page.css").headers["cache-control"] == "no-cache"
    for name in ("page.000000000000.css", "..%2Fzoo.py", "%00", "x" * 500):
        assert httpx.get(f"{zoo.url}/page/{name}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/?learngene=hostile",
        "/?learngene=hostile&depth=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?learngene=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?dtype=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?max_params=%3Cscript%3Ealert(1)%3C/script%3E&num_classes=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/?epochs=%3Cscript%3E&tensors=%3Cscript%3E",
    ],
)
def test_what_others_wrote_stands_on_the_page_and_never_runs(zoo: Any, path: str) -> None:
    answer = httpx.get(zoo.url + path)
    assert answer.status_code < 500
    if answer.headers["content-type"].startswith("text/html"):
        assert "<img" not in answer.text and "<script" not in answer.text.replace("<script src=", "")
    if path == "/?learngene=hostile":
        assert answer.text.count("&lt;script&gt;alert(1)") >= 3


def test_nonsense_in_the_address_is_never_a_failure_of_the_service(zoo: Any) -> None:
    for name in ("learngene", "depth", "width", "dtype", "num_classes", "img_size", "epochs", "max_params", "tensors"):
        for value in (
            "-1",
            "0",
            "1e9",
            "9" * 400,
            "%00",
            "%ff",
            "%F0%9F%92%A9",
            "@",
            "tiny@",
            "tiny@1",
            "../..",
            "true",
            "²",
        ):
            answer = httpx.get(f"{zoo.url}/?{name}={value}")
            assert answer.status_code in (200, 404, 422), (name, value, answer.text[:300])
            assert answer.headers["content-type"].startswith("text/html"), (name, value)
    for query in ("depth=512&width=384&learngene=sws-small-cifar100", "max_params=1.", "max_bytes=.5M"):
        assert httpx.get(f"{zoo.url}/?{query}").status_code == 200
    assert httpx.post(zoo.url).status_code == 405


def test_a_status_tells_what_the_page_says(zoo: Any) -> None:
    said = {"/?depth=5": 200, "/?depth=600": 422, "/?depth=x": 422, "/?learngene=nobody": 404, "/jobs": 503, "/": 200}
    said["/?learngene=wave&depth=6"] = 409
    assert {path: httpx.get(zoo.url + path).status_code for path in said} == said
    assert "learngenes serve" in httpx.get(f"{zoo.url}/jobs").text
    assert {httpx.head(zoo.url + path).status_code for path in ("/", "/upload")} == {200}


def test_a_size_that_needs_learning_shows_the_job_and_what_can_be_had_at_once(zoo: Any) -> None:
    page = httpx.get(f"{zoo.url}/?learngene=wave&depth=6&width=32").text
    refused = httpx.post(f"{zoo.url}/initialize", json={"learngene": "wave", "depth": 6, "width": 32}).json()
    assert "This size has to be learned first" in page and "&#34;kind&#34;: &#34;fit-size&#34;" in page
    alternative = refused["alternative"]["body"]
    assert f"{alternative['learngene']}, depth {alternative['depth']}, width {alternative['width']}" in page


def test_a_version_that_was_taken_back_is_said_to_be_and_shown_to_who_insists(zoo: Any) -> None:
    key = {"authorization": f"Bearer {zoo.keys['admin']}"}
    place = f"{zoo.url}/v1/learngenes/sws-small-cifar100@1/yank"
    assert httpx.put(place, json={"reason": "<b>measured twice</b>"}, headers=key).status_code in (200, 201)
    try:
        page = httpx.get(f"{zoo.url}/?learngene=sws-small-cifar100@1")
        assert page.status_code == 410 and "&lt;b&gt;measured twice&lt;/b&gt;" in page.text
        assert "/?learngene=sws-small-cifar100%401&amp;yanked=allow" in page.text
        assert httpx.get(f"{zoo.url}/page/download?learngene=sws-small-cifar100@1").status_code == 410
        page = httpx.get(f"{zoo.url}/?learngene=sws-small-cifar100@1&yanked=allow")
        assert page.status_code == 200 and "was taken back on" in page.text
        assert "/initialize?yanked=allow" in page.text and "allow_yanked=True" in page.text
        assert "sws-small-cifar100@1</b> (taken back)" in page.text
        assert httpx.get(f"{zoo.url}/?yanked=perhaps").status_code == 422
    finally:
        httpx.delete(place, headers=key)


def test_no_page_is_there_for_who_may_not_read(closed: Any) -> None:
    found = pages()
    assert {"/", "/jobs", "/upload", "/page/download"} <= set(found)
    for path in found:
        for method in ("GET", "HEAD"):
            answer = httpx.request(method, closed.url + path)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "Key of this service" in httpx.get(closed.url + path).text
        opened = httpx.get(closed.url + path, headers={"authorization": f"Bearer {closed.keys['train']}"})
        assert opened.status_code in (200, 303, 503), path
        assert "no-store" in opened.headers["cache-control"], path
    assert httpx.get(f"{closed.url}/page/page.css").status_code == 200


def test_a_private_learngene_looks_like_one_that_is_not_there(zoo: Any) -> None:
    key = {"authorization": f"Bearer {zoo.keys['read']}"}
    id = httpx.post(f"{zoo.url}/v1/plan", json={"learngene": SECRET, "depth": 3}, headers=key).json()["id"]
    stranger = {"host": "elsewhere.example"}  # reads, and no more: who trains here sees no more of what is private
    for query in ("", "@1", "@best", "&depth=3", "&depth=600", "&max_params=9G", "&tensors=1"):
        for path in ("/?learngene=", "/page/download?learngene="):
            seen = []
            for name in (SECRET, ABSENT):
                answer = httpx.get(f"{zoo.url}{path}{name}{query}", headers=stranger)
                assert id not in answer.text
                seen.append((answer.status_code, VOLATILE.sub("", answer.text.replace(name, "NAME"))))
            assert seen[0] == seen[1], (path, query)
    for path in ("/", "/?max_params=9G", "/?depth=3"):
        assert SECRET not in httpx.get(zoo.url + path, headers=stranger).text
    assert SECRET in httpx.get(zoo.url, headers=key).text


def test_looking_at_sizes_writes_nothing_into_the_store(zoo: Any, learngenes: Path) -> None:
    def kept() -> int:
        return sum(1 for _ in (learngenes / "store" / "recipes").rglob("*"))

    before = kept()
    for depth in range(10, 16):
        assert httpx.get(f"{zoo.url}/?depth={depth}&width=16").status_code == 200
    assert kept() == before
    assert httpx.get(f"{zoo.url}/page/download?depth=11&width=16").status_code == 303
    assert kept() > before


def test_pages_are_no_part_of_the_api(zoo: Any) -> None:
    paths = httpx.get(f"{zoo.url}/openapi.json").json()["paths"]
    assert not {"/", "/jobs", "/jobs/{id}", "/upload", "/page/{name}", "/page/download"} & set(paths)
