"""POST /initialize over a real socket: what comes is what the library builds, and what can't be is said well."""

from __future__ import annotations

import json
import time
from typing import Any

import factories
import httpx
import pytest
import safetensors.numpy
import timm
import torch

from learngenes.catalog import Catalog
from learngenes.initialize import Request, initialize
from learngenes.recipe import digest
from learngenes.report import init_report, lineage
from learngenes.store.local import LocalStore
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def post(service: Any, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{service.url}/initialize", content=content, headers=headers, timeout=30)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("depth", [1, 6, 9])
def test_the_stream_is_what_the_library_builds(service: Any, depth: int, dtype: str) -> None:
    manifest, raw = factories.learngene()
    recipe = initialize(manifest, Request(depth=depth, dtype=dtype))
    answer = post(service, {"depth": depth, "width": 32, "dtype": dtype})
    assert answer.status_code == 200
    assert answer.content == b"".join(stream(assemble(recipe, TensorFile(raw))))
    assert answer.headers["etag"] == f'"{digest(recipe)}"'
    assert answer.headers["content-type"] == "application/vnd.safetensors"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-location"] == f"/v1/descendants/{digest(recipe)}/model.safetensors"


def test_an_empty_body_is_the_default_learngene_at_its_own_size(service: Any) -> None:
    document = post(service, b"", accept="application/json").json()
    assert document["learngene"] == "tiny@1"
    assert document["size"] == {"depth": 6, "width": 32}


def test_asking_for_json_gives_the_document(service: Any) -> None:
    answer = post(service, {"depth": 9, "num_classes": 7}, accept="application/json")
    document = answer.json()
    assert answer.headers["vary"] == "accept"
    assert document["layer_map"] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert document["init_report"]["fresh"] == {"tensors": 2, "parameters": 7 * 32 + 7}
    total = sum(document["init_report"][kind]["parameters"] for kind in ("copied", "computed", "resized", "fresh"))
    assert total == document["params"]
    names = [file["name"] for file in document["files"]]
    assert names == ["model.safetensors", "config.json", "recipe.json", "README.md"]


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("*/*", False),
        ("application/json", True),
        ("application/vnd.safetensors", False),
        ("application/json;q=0.5, application/vnd.safetensors", False),
        ("text/html, application/json;q=0.9, */*;q=0.1", True),
        ("application/json;q=0", False),
        ("application/json;q=nonsense", False),
    ],
)
def test_the_accept_header_decides_between_checkpoint_and_document(service: Any, accept: str, is_json: bool) -> None:
    answer = post(service, {"depth": 1}, accept=accept)
    assert answer.headers["content-type"] == ("application/json" if is_json else "application/vnd.safetensors")


def test_config_and_weights_load_in_timm(service: Any) -> None:
    document = post(service, {"depth": 5, "learngene": "half"}, accept="application/json").json()
    files = {file["name"]: httpx.get(service.url + file["url"]).content for file in document["files"]}
    config = json.loads(files["config.json"])
    model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    state = {k: torch.from_numpy(v.copy()) for k, v in safetensors.numpy.load(files["model.safetensors"]).items()}
    model.load_state_dict(state, strict=True)
    assert model.eval()(torch.zeros(1, 3, 8, 8)).isfinite().all()
    assert config["pretrained_cfg"]["label_names"][3] == "class 3"


LEGAL = {"depth": {"first": 1, "last": 512, "step": 1}, "width": {"first": 16, "last": 32, "step": 16}}


@pytest.mark.parametrize(
    ("body", "code", "words", "nearest"),
    [
        ({"depth": 0}, "unsupported-size", "depth 0", {"depth": 1, "width": 32}),
        ({"depth": 10**9}, "unsupported-size", "depth 1000000000", {"depth": 512, "width": 32}),
        ({"depth": 10**400}, "unsupported-size", "the nearest is depth 512", {"depth": 512, "width": 32}),
        ({"depth": 9, "width": 385}, "unsupported-size", "width 385", {"depth": 9, "width": 32}),
        ({"depth": "9"}, "invalid-request", "got '9'", {"depth": 9, "width": 32}),
        ({"depth": 9.5}, "invalid-request", "got 9.5", {"depth": 9, "width": 32}),
        ({"depth": True}, "invalid-request", "got True", {"depth": 1, "width": 32}),
        ({"depth": 9, "witdh": 384}, "invalid-request", "did you mean 'width'?", {"depth": 9, "width": 32}),
        ({"depth": 9, "width": 23}, "unsupported-size", "width 16 to 32 in steps of 16", {"depth": 9, "width": 16}),
    ],
)
def test_a_size_that_cannot_be_is_answered_with_the_ones_that_can(
    service: Any, body: Any, code: str, words: str, nearest: Any
) -> None:
    answer = post(service, body)
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"]) == (code, 422)
    assert words in problem["detail"]
    assert problem["legal"] == LEGAL
    assert problem["nearest"] == nearest
    assert post(service, problem["nearest"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 422, "invalid-request", "Invalid JSON"),
        (b"[" * 60_000, 422, "invalid-request", "Invalid JSON"),
        (b'{"depth":' * 7_000, 422, "invalid-request", "Invalid JSON"),
        (b"[]", 422, "invalid-request", "object"),
        (b'{"depth": 1e999}', 422, "invalid-request", "got inf"),
        (b'{"learngene": "\\ud800"}', 422, "invalid-request", "Invalid JSON"),
        (b"\xff\xfe", 422, "invalid-request", "Invalid JSON"),
        ({"learngene": "../etc"}, 422, "invalid-key", "can't name a learngene"),
        ({"learngene": "tyni"}, 404, "learngene-not-found", "did you mean 'tiny'?"),
        ({"learngene": "tiny@7"}, 404, "learngene-not-found", "tiny"),
        ({"method": "selection"}, 422, "invalid-value", "'sws', not 'selection': the store has none of that method"),
        ({"method": "swss"}, 422, "unknown-name", "did you mean 'sws'?"),
        ({"dtype": "f64"}, 422, "invalid-request", "'f32', 'f16' or 'bf16'"),
        ({"num_classes": 0}, 422, "invalid-value", "1 to 100000, got 0"),
        ({"order": [0, 1]}, 422, "invalid-value", "not a permutation"),
        ({"order": [0, 1, 2], "strategy": "random"}, 422, "invalid-value", "name one of the two"),
        ({"layers": [0, 1, 5]}, 422, "invalid-value", "stage 5"),
        ({"layers": [0, 1], "depth": 3}, 422, "invalid-value", "names 2 blocks"),
        ({"seed": -1}, 422, "invalid-value", "got -1"),
        ({"img_size": 0}, 422, "invalid-value", "1 to 8192, got 0"),
        ({"img_size": 9}, 422, "invalid-value", "9"),
        ({"img_size": "8"}, 422, "invalid-request", "got '8'"),
        ({"patch_size": 10**30}, 422, "invalid-value", "1 to 128"),
        ({"img_size": 8192, "patch_size": 1}, 422, "invalid-value", "8192 a side"),
        ({"in_chans": 65}, 422, "invalid-value", "1 to 64, got 65"),
        ({"pool": "max"}, 422, "invalid-request", "'token' or 'avg'"),
        ({"labels": []}, 422, "invalid-request", "at least 1 item"),
        ({"labels": ["cat"]}, 422, "invalid-value", "not their names"),
        ({"labels": ["cat", "cat"], "learngene": "half"}, 422, "invalid-value", "names 'cat' twice"),
        ({"labels": ["cat"], "num_classes": 2, "learngene": "half"}, 422, "invalid-value", "num_classes is 2"),
        ({"labels": [7]}, 422, "invalid-request", "labels.0"),
        ({"options": []}, 422, "invalid-request", "options"),
        ({"options": {"selcet": "random"}}, 422, "unknown-name", "did you mean 'select'?"),
        ({"options": {"select": "randon"}}, 422, "unknown-name", "did you mean 'random'?"),
        ({"options": {"select": ["random"]}}, 422, "unknown-name", "select"),
        ({"options": {"layers": [0, "x"]}}, 422, "invalid-value", "'x'"),
        ({"options": {"select": None}}, 422, "unknown-name", "select"),
        ({"options": {"order": [2, 1, 0]}, "order": [2, 1, 0]}, 422, "invalid-value", "'order' is given twice"),
        ({"options": {"seed": 5}}, 422, "invalid-value", "give it beside the options"),
        ({"options": {"select": "importance"}, "width": 16}, 422, "invalid-value", "no importance scores"),
        ({"select": "random"}, 422, "invalid-request", "did you mean 'options.select'?"),
    ],
)
def test_bad_input_gets_one_clear_sentence(service: Any, body: Any, status: int, code: str, words: str) -> None:
    answer = post(service, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


WIDER = [
    {"width": 16, "options": {"select": "random", "scale": "none"}, "seed": 3},
    {"width": 16, "options": {"heads": "within", "layers": [0, 2, 2]}},
    {"options": {"order": "front-last-mid"}, "depth": 7},
    {"img_size": 12, "patch_size": 2, "in_chans": 1},
    {"pool": "token", "num_classes": 3, "seed": 1},
    {"learngene": "half", "labels": ["class 3", "a new one", "class 0"], "dtype": "f16"},
]


@pytest.mark.parametrize("body", WIDER)
def test_every_field_reaches_the_library_as_it_was_sent(service: Any, body: dict[str, Any]) -> None:
    name, given = body.get("learngene", "tiny"), {key: body[key] for key in body if key != "learngene"}
    catalog = Catalog(LocalStore(service.data / "store"))
    manifest = catalog.get(name)
    given |= {"labels": tuple(body["labels"])} if "labels" in body else {}
    recipe = initialize(manifest, Request(**given))
    answer = post(service, body)
    assert answer.status_code == 200
    assert answer.content == b"".join(stream(catalog.assemble(recipe, manifest)))
    document = post(service, body, accept="application/json").json()
    assert document["init_report"] == json.loads(json.dumps(init_report(recipe, manifest)))
    assert document["lineage"] == json.loads(json.dumps(lineage(recipe)))


def test_a_short_form_and_the_option_are_the_same_descendant(service: Any) -> None:
    short, long = ({"layers": [0, 1, 2, 2]}, {"options": {"layers": [0, 1, 2, 2]}})
    assert post(service, short).headers["etag"] == post(service, long).headers["etag"]


def test_ten_thousand_labels_are_no_problem(service: Any) -> None:
    labels = [f"class {i}" for i in range(10_000)]
    start = time.monotonic()
    assert "'class 9999' twice" in post(service, {"learngene": "half", "labels": [*labels, labels[-1]]}).text
    assert time.monotonic() - start < 1
    document = post(service, {"learngene": "half", "depth": 1, "labels": labels}, accept="application/json").json()
    assert document["init_report"]["notes"][0].startswith("the head knows 10 of the 10000 labels by name")
    config = httpx.get(service.url + document["files"][1]["url"]).json()
    assert config["pretrained_cfg"]["label_names"] == labels


def test_a_body_beyond_the_limit_is_refused(service: Any) -> None:
    assert post(service, b" " * 1_100_000).status_code == 413


def test_the_same_request_has_the_same_id_after_a_restart(service: Any, start: Any) -> None:
    body = {"depth": 11, "strategy": "random", "seed": 5, "num_classes": 3}
    before = post(service, body)
    with start(service.data) as again:
        after = httpx.get(again.url + before.headers["content-location"])
        assert after.content == before.content
        assert post(again, body).headers["etag"] == before.headers["etag"]


def test_a_service_without_its_default_learngene_is_alive_but_not_ready(start: Any, tmp_path: Any) -> None:
    with start(tmp_path, default="missing") as service:
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        answer = httpx.get(f"{service.url}/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
        assert post(service, {"depth": 9}).json()["code"] == "learngene-not-found"


def test_the_fresh_head_of_many_classes_costs_no_memory(service: Any) -> None:
    answer = post(service, {"depth": 1, "num_classes": 100_000})
    size = len(answer.content)
    piece = httpx.get(
        service.url + answer.headers["content-location"], headers={"range": f"bytes={size // 2}-{size // 2 + 99}"}
    )
    assert piece.content == answer.content[size // 2 : size // 2 + 100]


def test_learngenes_and_methods_say_what_there_is(service: Any) -> None:
    listed = httpx.get(f"{service.url}/v1/learngenes").json()
    assert listed["default"] == "tiny"
    assert {"tiny", "half", "large"} <= {row["name"] for row in listed["learngenes"]}
    manifest = httpx.get(f"{service.url}/v1/learngenes/half@1").json()
    assert (manifest["dtype"], manifest["method_facts"]) == ("F16", {"stages": [2, 2, 2]})
    assert httpx.get(f"{service.url}/v1/learngenes/halv").json()["code"] == "learngene-not-found"
    assert "parent" not in manifest
