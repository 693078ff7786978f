"""Lists of repositories: found, a page at a time, and never at the cost of others."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import factories
import httpx
import pytest
from e2e.hub.tiny import (
    ALL,
    MEASURED,
    NATIVE,
    ONE,
    STARTER,
    Start,
    address,
    commit_of,
)

from learngenes.store.local import LocalStore


def test_repositories_are_found_by_author_name_and_tag(hub: httpx.Client) -> None:
    def ids(query: str) -> set[str]:
        return {row["id"] for row in hub.get(f"/api/models?{query}").json()}

    assert {ONE, NATIVE, ALL} <= ids("author=tiny") and all(id.startswith("tiny/") for id in ids("author=tiny"))
    assert ids("search=DEPTH6-width32-HF") == {NATIVE}
    assert NATIVE not in ids("filter=timm&author=tiny") and ONE in ids(
        "filter=timm,depth-6&sort=downloads&direction=-1"
    )
    assert ids("filter=timm&filter=no-such-tag") == ids("author=nobody") == ids("gated=true") == set()
    row = hub.get("/api/models?search=depth6-width32-hf").json()[0]
    assert "cardData" not in row and row["sha"] == commit_of(hub, NATIVE)
    assert "siblings" in hub.get("/api/models?full=true").json()[0]
    assert hub.get("/api/models?expand=sha").json()[0].keys() == {"_id", "id", "sha"}


def test_a_long_list_goes_on_at_an_absolute_address(hub: httpx.Client) -> None:
    whole = [row["id"] for row in hub.get("/api/models").json()]
    assert len(whole) == len(set(whole)) > 6
    found: list[str] = []
    url: str | None = "/api/models?limit=2&what=ever"
    while url:
        answer = hub.get(url)
        found += [row["id"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url")
        assert url is None or url.startswith(f"{hub.base_url}/api/models?limit=2&what=ever&cursor=")
        assert len(answer.json()) <= 2
    assert found == whole


def test_lists_that_nobody_waits_for_hold_up_nobody(start: Start, tmp_path: Path) -> None:
    deep, raw = factories.learngene(name="deep")
    measured = tuple(replace(MEASURED, depth=depth) for depth in range(400, 412))
    factories.catalog(None, (replace(deep, quality=measured), raw), store=LocalStore(tmp_path / "store"))
    with start(tmp_path, default=STARTER) as service, httpx.Client(base_url=service.url, timeout=60) as hub:
        hub.head(address("deep/deep"))
        for at in range(8):
            with pytest.raises(httpx.ReadTimeout):
                hub.get(f"/api/models/deep/deep/refs?x={at}", timeout=0.05)
        began = time.monotonic()
        assert hub.head(address(f"{STARTER}/depth3-width128", name="config.json")).status_code == 200
        assert time.monotonic() - began < 10
        tags = [row["name"] for row in hub.get("/api/models/deep/deep/refs").json()["tags"]]
        assert tags == ["v1", "depth6-width32", "depth6-width32-hf", *_both(400), *_both(401)]
        began = time.monotonic()
        hub.get("/api/models/deep/deep/refs")
        assert time.monotonic() - began < 2  # it is remembered


def _both(depth: int) -> list[str]:
    return [f"depth{depth}-width32", f"depth{depth}-width32-hf"]
