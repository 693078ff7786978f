from __future__ import annotations

import json
from typing import Any

import pytest
from learngenes_client import calls, errors
from learngenes_client.calls import Answer, NotTheRest, Rest, Whole
from learngenes_client.models import Steps
from learngenes_client.request import Budget, Request
from unit.client.misbehaving import ID, WEIGHTS, document

ETAG = f'"{ID}"'


def answer(value: object, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())


def test_initialize_sends_only_what_was_said() -> None:
    call = calls.initialize(Request(depth=9, width=384, layers=(0, 1), order="front-mid-last", seed=0))
    assert (call.method, call.path, call.headers) == ("POST", "/initialize", {"Accept": "application/json"})
    assert call.json == {"depth": 9, "width": 384, "layers": [0, 1], "order": "front-mid-last", "seed": 0}
    assert calls.initialize(Request()).json == {}


def test_a_plan_is_asked_for_with_the_same_fields_or_with_a_budget() -> None:
    request = Request(depth=9, labels=("cat",), options={"keep": "first"})
    assert calls.plan(request).json == calls.initialize(request).json
    call = calls.plan(Budget(max_params=10, dataset="digits"))
    assert (call.method, call.path, call.json) == ("POST", "/v1/plan", {"max_params": 10, "dataset": "digits"})


def test_what_can_not_be_asked_is_not_sent() -> None:
    with pytest.raises(errors.InvalidArgument, match="max_params, max_macs"):
        Budget(dataset="digits")
    with pytest.raises(errors.InvalidArgument, match="labels is a list"):
        Request(labels="cat")


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (calls.learngenes(), "/v1/learngenes"),
        (calls.learngene("sws-deit-s@3"), "/v1/learngenes/sws-deit-s@3"),
        (calls.methods(), "/v1/methods"),
        (calls.descendant(ID), f"/v1/descendants/{ID}"),
    ],
)
def test_reading_calls_are_gets_of_their_address(call: calls.Call, path: str) -> None:
    assert (call.method, call.path, call.json) == ("GET", path, None)


@pytest.mark.parametrize("name", ["", "..", "../methods", "a/b", "a?b", "a@", "a b", "é"])
def test_a_name_that_could_leave_its_place_is_not_sent(name: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="name@version"):
        calls.learngene(name)


@pytest.mark.parametrize("id", ["", "a1", ID.upper(), ID + "\n", "../" + ID[3:]])
def test_an_id_that_is_not_a_digest_is_not_sent(id: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="64 lower-case"):
        calls.descendant(id)


def test_a_document_is_read_and_what_is_new_in_it_is_kept_in_raw() -> None:
    raw = document(WEIGHTS)
    read = calls.read_document(answer(raw))
    assert (read.id, read.depth, read.width, read.params) == (ID, 9, 384, 16_727_272)
    assert read.layer_map == (0, 0, 1, 1, 2, 2, 3, 3, 4)
    assert read.file("model.safetensors").bytes == len(WEIGHTS)
    assert read.raw == raw


@pytest.mark.parametrize("field", ["id", "learngene", "size", "params", "files"])
def test_a_document_without_a_needed_field_is_a_bad_answer_naming_it(field: str) -> None:
    raw = document(WEIGHTS)
    del raw[field]
    with pytest.raises(errors.BadAnswer, match=f"'{field}'"):
        calls.read_document(answer(raw))


def test_a_document_may_leave_out_what_it_does_not_know() -> None:
    raw: dict[str, Any] = document(WEIGHTS)
    for field in ("quality", "init_report", "layer_map", "lineage", "license", "snippets"):
        del raw[field]
    raw["files"][0]["sha256"] = None
    assert calls.read_document(answer(raw)).file("model.safetensors").sha256 is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bytes", -1),
        ("bytes", True),
        ("bytes", "5"),
        ("sha256", "A1" * 32),
        ("url", "http://elsewhere/model.safetensors"),
        ("url", "//elsewhere/model.safetensors"),
        ("url", "/a b"),
        ("url", "/" + "a" * 70_000),
        ("url", "/a\r\nX: y"),
    ],
)
def test_a_file_that_can_not_be_is_a_bad_answer(field: str, value: object) -> None:
    raw: dict[str, Any] = document(WEIGHTS)
    raw["files"][0][field] = value
    with pytest.raises(errors.BadAnswer):
        calls.read_document(answer(raw))


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(200, {"content-type": "text/html"}, b"<html>"),
        Answer(200, {}, b"\xff"),
        Answer(200, {}, b"[" * 100_000),
        answer([1]),
        answer({"id": "../../etc/passwd"}),
        answer("id"),
        Answer(204, {}, b""),
        Answer(301, {"location": "https://there/"}, b""),
        answer({"detail": "no code"}, 400),
        Answer(404, {}, b"not here"),
    ],
)
def test_what_is_not_our_protocol_is_a_bad_answer(wrong: Answer) -> None:
    with pytest.raises(errors.BadAnswer):
        calls.read_document(wrong)


def test_a_redirect_names_where_the_service_went() -> None:
    with pytest.raises(errors.BadAnswer, match="https://there/"):
        calls.read_document(Answer(301, {"location": "https://there/"}, b""))


def test_learngenes_come_with_the_sizes_they_take() -> None:
    space = {"depth": {"first": 6, "last": 12, "step": 1}, "width": {"first": 384, "last": 384, "step": 64}}
    raw = {"name": "starter", "version": 1, "method": "sws", "space": space}
    catalog = calls.read_learngenes(answer({"default": "starter", "learngenes": [raw]}))
    assert catalog.default == "starter"
    assert catalog.learngenes == (calls.read_learngene(answer(raw)),)
    learngene = catalog.learngenes[0]
    assert (learngene.version, learngene.depth.last, learngene.width.step) == ("1", 12, 64)
    assert calls.read_learngenes(answer({"default": None, "learngenes": []})).default is None


def test_methods_are_named() -> None:
    assert [method.name for method in calls.read_methods(answer({"methods": [{"name": "sws"}]}))] == ["sws"]


def test_methods_come_with_their_options() -> None:
    schema = {"type": "object", "properties": {"keep": {"default": "first", "description": "which"}}}
    raw = {"name": "selection", "title": "Weight selection", "paper": "P", "varies": ["depth"], "options": schema}
    (method,) = calls.read_methods(answer({"methods": [raw]}))
    assert (method.title, method.paper, method.varies, method.fits) == ("Weight selection", "P", ("depth",), False)
    assert method.options == {"keep": {"default": "first", "description": "which"}}
    assert method.learning == {}


def ranking() -> dict[str, Any]:
    quality = {"kind": "measured", "value": 1, "low": 0.5, "high": None, "seeds": 2, "n": 100, "between": []}
    best = {"learngene": "a@1", "method": "sws", "depth": 2, "width": 8, "params": 5, "macs": 6, "bytes": 20}
    steps = {"first": 1, "last": 9, "step": 2}
    left_out = {"learngene": "b@1", "depths": steps, "widths": None, "sizes": 5, "limit": "params", "reason": "above 5"}
    return {
        "dataset": None,
        "metric": "top1",
        "total": 1,
        "candidates": [best | {"quality": quality, "latency_ms": None, "needs_learning": True}],
        "exclusions": [left_out],
        "notes": ["nobody measured"],
    }


def test_a_ranking_is_read_and_what_is_new_in_it_is_kept_in_raw() -> None:
    read = calls.read_ranking(answer(ranking()))
    (best,), (left_out,) = read.candidates, read.exclusions
    assert (best.learngene, best.depth, best.needs_learning, best.latency_ms) == ("a@1", 2, True, None)
    assert (best.quality.kind, best.quality.value, best.quality.high) == ("measured", 1.0, None)
    assert (left_out.depths, left_out.widths, left_out.reason) == (Steps(1, 9, 2), None, "above 5")
    assert (read.notes, read.raw) == (("nobody measured",), ranking())


@pytest.mark.parametrize("field", ["candidates", "total", "metric"])
def test_a_ranking_without_a_needed_field_is_a_bad_answer_naming_it(field: str) -> None:
    raw = ranking()
    del raw[field]
    with pytest.raises(errors.BadAnswer, match=f"'{field}'"):
        calls.read_ranking(answer(raw))


def test_a_range_is_asked_for_only_of_a_known_version() -> None:
    assert calls.download("/f", have=5, etag=ETAG).headers == {
        "Accept": "*/*",
        "Range": "bytes=5-",
        "If-Range": ETAG,
    }
    for call in (calls.download("/f", have=0, etag=ETAG), calls.download("/f", have=5, etag=None)):
        assert call.headers == {"Accept": "*/*"}


@pytest.mark.parametrize(
    ("have", "status", "headers", "meaning"),
    [
        (0, 200, {"content-length": "9", "etag": ETAG}, Whole(9, ETAG)),
        (0, 200, {"etag": 'W/"weak"'}, Whole(None, None)),
        (0, 200, {"etag": '"a", "b"'}, Whole(None, None)),
        (0, 200, {"etag": '"é"'}, Whole(None, None)),
        (5, 200, {"content-length": "9"}, Whole(9, None)),
        (5, 206, {"content-range": "bytes 5-8/9", "etag": ETAG}, Rest(9)),
        (5, 206, {"content-range": "bytes 5-6/9"}, Rest(9)),
        (5, 206, {"content-range": "bytes 4-8/9"}, NotTheRest()),
        (5, 206, {"content-range": "bytes 50-58/99"}, NotTheRest()),
        (5, 206, {"content-range": "bytes 5-8/*"}, NotTheRest()),
        (5, 206, {"content-range": "bytes 5-8/9", "etag": '"other"'}, NotTheRest()),
        (5, 206, {}, NotTheRest()),
        (5, 206, {"content-range": f"bytes 5-8/{'9' * 5000}"}, NotTheRest()),
        (5, 416, {"content-range": "bytes */3"}, NotTheRest()),
        (0, 416, {}, None),
        (0, 404, {}, None),
        (5, 304, {}, None),
    ],
)
def test_an_answer_to_a_download_means(have: int, status: int, headers: dict[str, str], meaning: object) -> None:
    assert calls.read_download(calls.download("/f", have=have, etag=ETAG), status, headers) == meaning
