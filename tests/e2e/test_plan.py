"""POST /v1/plan over a real socket: what a size would be, and which sizes fit a budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from learngenes_client import Client, InvalidArgument, UnknownName
from learngenes_client.cli import main

from learngenes.budget.ranking import Budget, plan
from learngenes.catalog import Catalog
from learngenes.gene import Quality
from learngenes.store.local import LocalStore

LIMIT = 60_000


def measured(depth: int, value: float) -> Quality:
    return Quality(depth, 32, "digits", "test", "top1", value, 500, 0, 0, "learngenes evaluate ...")


@pytest.fixture(scope="module")
def planning(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    data = tmp_path_factory.mktemp("planning")
    manifest, raw = factories.learngene(name="good")
    good = replace(manifest, quality=(measured(2, 0.5), measured(4, 0.7)))
    factories.catalog(None, (good, raw), factories.learngene(name="unknown"), store=LocalStore(data / "store"))
    with start(data, default="good") as running:
        yield running


def ask(service: Any, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{service.url}/v1/plan", content=content)


def test_a_size_is_answered_with_its_document_and_its_files_are_there(planning: Any) -> None:
    document = ask(planning, {"depth": 5, "width": 16, "seed": 3}).json()
    assert document["size"] == {"depth": 5, "width": 16}
    assert document["files"][0]["sha256"] is None
    for file in document["files"]:
        assert len(httpx.get(planning.url + file["url"]).content) == file["bytes"]
    httpx.get(f"{planning.url}/v1/descendants/{document['id']}")
    again = ask(planning, {"depth": 5, "width": 16, "seed": 3}).json()
    assert len(again["files"][0]["sha256"]) == 64


def test_a_budget_is_answered_with_the_librarys_ranking(planning: Any) -> None:
    answer = ask(planning, {"max_params": LIMIT, "limit": 5})
    catalog = Catalog(LocalStore(planning.data / "store"))
    manifests = [catalog.get(name) for name in catalog.names()]
    ranking = plan(manifests, Budget(max_params=LIMIT), limit=5, fitted=catalog.fitted)
    assert answer.json() == json.loads(json.dumps(asdict(ranking)))
    assert answer.json()["candidates"][0]["learngene"] == "good@1"


def test_the_client_ranks_and_fetches_the_best(planning: Any, tmp_path: Path) -> None:
    with Client(planning.url, cache=tmp_path) as client:
        ranking = client.plan(max_params=LIMIT, dataset="digits")
        best = ranking.candidates[0]
        assert best.quality.kind in ("measured", "interpolated")
        assert all(candidate.params <= LIMIT for candidate in ranking.candidates)
        assert any(exclusion.reason for exclusion in ranking.exclusions)
        model = client.fetch_model(best.depth, best.width, learngene=best.learngene)
        assert (model.document.params, model.path.stat().st_size) == (best.params, best.bytes)
        only = client.plan(max_macs=10**9, learngene="unknown", limit=3)
        assert {candidate.learngene for candidate in only.candidates} == {"unknown@1"} and only.total > 3
        assert client.plan(max_bytes=1).candidates == ()
        with pytest.raises(UnknownName, match="digits"):
            client.plan(max_params=LIMIT, dataset="digit")
        with pytest.raises(InvalidArgument, match="max_params"):
            client.plan(dataset="digits")


def test_the_command_line_prints_the_best_and_the_reasons(planning: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--url", planning.url, "--max-params", "60k", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("good@1  depth")
    assert "top1" in lines[0]
    assert any(line.startswith("not ") for line in lines)
    assert main(["plan", "--url", planning.url, "--max-params", "60k", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["budget"]["max_params"] == LIMIT


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"max_params": 0}, "invalid-value", "0"),
        ({"max_params": "12M"}, "invalid-request", "got '12M'"),
        ({"max_params": 5, "depth": 3}, "invalid-value", "'depth' names a descendant and 'max_params' is of a budget"),
        ({"max_parms": 5}, "invalid-request", "max_parms: unknown field; did you mean 'max_params'?"),
        ({"max_params": 5, "datset": "digits"}, "invalid-request", "did you mean 'dataset'?"),
        ({"max_params": 5, "limit": 0}, "invalid-request", "limit"),
        ({"max_params": 5, "method": "swss"}, "unknown-name", "did you mean 'sws'?"),
        ({"max_params": 5, "method": "selection", "learngene": "good"}, "invalid-value", "not 'selection'"),
        ({"max_params": 5, "dataset": "digit"}, "unknown-name", "did you mean 'digits'?"),
        ({"max_latency_ms": 1e999}, "invalid-value", "inf"),
        ({"depth": 0}, "unsupported-size", "the nearest is depth 1"),
        (b"{", "invalid-request", "Invalid JSON"),
        (b"[" * 60_000, "invalid-request", "Invalid JSON"),
        (b"[]", "invalid-request", "object"),
    ],
)
def test_bad_input_gets_one_clear_sentence(planning: Any, body: Any, code: str, words: str) -> None:
    answer = ask(planning, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert words in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
