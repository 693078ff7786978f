"""What diverged, was taken back, never measured or written by strangers: the page shows it, or says so."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import factories
import pytest
from cases.measurements import learngene, top1
from learngenes_service.jobs.events import Numbering, Progress, numbered, of_kept, to_keep
from learngenes_service.page import quality, snippets, stock, told, writing
from learngenes_service.page.assets import SCRIPT, STATIC, STYLE
from learngenes_service.page.charts import HEIGHT, Label, ticks
from learngenes_service.page.rendering import page
from learngenes_service.page.snippets import Wanted

from learngenes.budget.exclusions import Budget
from learngenes.families.vit import Geometry
from learngenes.initialize import Request
from learngenes.sizes import Size

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
NAN, INFINITY = float("nan"), float("inf")


def event(step: Any, **more: Any) -> dict[str, Any]:
    return {"event": "step", "phase": "auxiliary", "step": step, "steps": 100, "time": 1e9, **more}


def document(**more: Any) -> dict[str, Any]:
    """A job as the API describes it."""
    job = {
        "id": "0" * 32,
        "kind": "learn",
        "status": "running",
        "spec": {"name": "toy", "method": "sws"},
        "asked": "2026-01-01T00:00:00.000Z",
        "asked_by": None,
        "attempts": 1,
        "worker": None,
        "position": None,
        "progress": None,
        "published": [],
        "aliases": {},
        "report": None,
        "error": None,
        "links": {"self": "/v1/jobs/0", "events": "/v1/jobs/0/events"},
    }
    return job | more


def job_page(job: dict[str, Any], events: list[dict[str, Any]], log: str = "") -> str:
    context = {
        "here": "jobs",
        "keyed": True,
        "may_train": True,
        "job": job,
        "spec": json.dumps(job["spec"]),
        "log": log,
    }
    context |= {
        "told": told.told([(f"{n}-0", one) for n, one in enumerate(events)]),
        "inside": True,
        "base_url": "http://zoo",
    }
    return bytes(page("job.html", context).body).decode()


def list_page(job: dict[str, Any]) -> str:
    context = {"here": "jobs", "keyed": True, "may_train": True, "jobs": [job], "status": None, "kind": None}
    return bytes(page("jobs.html", context | {"next": "", "statuses": ("queued",), "first": True}).body).decode()


@pytest.mark.parametrize("bad", [NAN, INFINITY, -INFINITY, 10**400, -3.0, True, "3", None, 1.7e308, 5e-324])
def test_a_number_that_diverged_has_no_place_in_a_curve_and_hides_no_other(bad: Any) -> None:
    events = [event(1, loss=1.0), event(2, loss=bad), event(3, loss=0.5), event(10**400, loss=1.0), event(-1, loss=1.0)]
    loss = told.told([(f"{n}-0", one) for n, one in enumerate(events)]).curves[0]
    assert loss.latest == 0.5 and loss.last == 3
    assert all(0 <= x <= 100 and 0 <= y <= loss.height for x, y in loss.points)
    assert "0.5000" in job_page(document(), events)
    only = told.told([("1-0", event(1, loss=bad))]).curves[0]
    assert all(0 <= y <= only.height for _, y in only.points)


def test_what_json_has_no_number_for_is_null_to_all_who_read_events() -> None:
    lines = [json.dumps(event(1, loss=value)).encode() for value in (NAN, INFINITY, -INFINITY, 0.5)]
    lines.append(b'{"event": "step", "loss": 1e999}')
    found = [one for _, one in numbered(lines, Numbering())]
    assert [one["loss"] for one in found] == [None, None, None, 0.5, None]
    kept = to_keep((f"{n}-0", event(n, loss=NAN)) for n in range(2))
    assert [one["loss"] for _, one in of_kept(kept)] == [None, None]
    assert json.dumps([found, of_kept(kept)], allow_nan=False)


def test_how_far_a_job_is_has_numbers_alone() -> None:
    progress = Progress()
    progress.add(event(HOSTILE, steps="many", loss=NAN))
    progress.add(event(7, loss=INFINITY))
    assert {"step": 7, "steps": 100, "phase": "auxiliary"}.items() <= progress.state.items()
    assert "loss" not in progress.state


def test_what_a_job_was_named_and_said_stands_on_its_pages_and_never_runs() -> None:
    job = document(
        spec={"name": HOSTILE, "method": HOSTILE},
        status="failed",
        error={"code": HOSTILE, "detail": HOSTILE},
        hint=HOSTILE,
        asked_by=HOSTILE,
        worker=HOSTILE,
        report={"a": HOSTILE},
        progress={"steps": 9, "step": 1, "phase": HOSTILE},
    )
    said = [event(1, loss=1.0, phase=HOSTILE), {"event": HOSTILE, "text": HOSTILE, "table": {HOSTILE: HOSTILE}}]
    for text in (job_page(job, said, log=HOSTILE), list_page(job)):
        assert "<img" not in text and "<script" not in text.replace("<script src=", "")
        assert text.count("&lt;script&gt;") >= 5


def test_a_job_that_failed_without_a_word_is_listed() -> None:
    assert "died" in list_page(document(status="failed", error={"code": "died", "detail": ""}))


def test_what_happened_is_told_in_json_where_it_is_no_text() -> None:
    said = [{"event": "start", "resumed": True, "options": {"a": None, "b": [1, 2]}, "seed": None}]
    assert told.told([("1-0", said[0])]).words[0].text == 'resumed true, options {"a":null,"b":[1,2]}'


@pytest.mark.parametrize("highest", [0.0121, 0.0049, 0.33, 0.9])
def test_the_marks_of_an_axis_are_as_far_apart_as_they_say(highest: float) -> None:
    _, marks = ticks(highest)
    said = [float(writing.hundredths(mark).removesuffix(f"{writing.NARROW}%")) for mark in marks]
    assert said == pytest.approx([100 * mark for mark in marks], rel=1e-9)


def test_labels_at_the_edge_stay_apart_and_inside_the_chart() -> None:
    placed = quality._apart([Label(y, "own", str(y)) for y in (238.0, 239.0, 240.0, 10.0)])
    heights = [label.y for label in placed]
    assert heights[0] == 10 and max(heights) <= HEIGHT
    assert all(b - a >= quality.NEAREST_PIXELS for a, b in pairwise(heights))


def test_what_was_measured_after_other_training_is_named() -> None:
    manifest = learngene([top1(2, 32, 0.2), top1(3, 32, 0.3)])
    shown = quality.shown(factories.catalog(None), manifest, Size(3, 32), epochs=7)
    assert shown is not None and shown.chart is None
    assert (shown.dataset, shown.others, shown.here.value) == ("", (0,), None)


@pytest.mark.parametrize(
    ("request_", "yanked"),
    [(Request(num_classes=3), False), (Request(img_size=64, dtype="f16"), False), (Request(), True)],
)
def test_what_the_hub_has_no_address_for_is_fetched_by_the_client_and_loaded(request_: Request, yanked: bool) -> None:
    wanted = Wanted("http://zoo", "deit-s@3", Size(9, 384), request_, False, yanked)
    found = {one.id: one for one in snippets.snippets(wanted, Geometry(9, 384, 6, 16, 224, 1000))}
    for id, use in (("timm", ".to_timm()"), ("transformers", ".to_transformers()")):
        assert "fetch_model" in found[id].text and use in found[id].text and "hf-hub" not in found[id].text
        assert "no address in the hub" in found[id].note
        assert ("allow_yanked=True" in found[id].text) == yanked
    assert "keys='transformers'" in found["transformers"].text
    assert ("?yanked=allow" in found["curl"].text, "--allow-yanked" in found["cli"].text) == (yanked, yanked)


def test_a_ranking_is_worked_out_once_until_something_is_published_or_taken_back() -> None:
    manifest, raw = factories.learngene()
    catalog = factories.catalog(None, (manifest, raw))
    budget = Budget(max_params=10**7)
    first = stock.ranking(catalog, budget, dtype="f32", limit=8)
    assert stock.ranking(catalog, Budget(max_params=10**7), dtype="f32", limit=8) is first
    assert stock.ranking(catalog, budget, dtype="f16", limit=8) is not first
    catalog.publish(replace(manifest, name="other"), [raw])
    second = stock.ranking(catalog, budget, dtype="f32", limit=8)
    assert second is not first and second.total == 2 * first.total
    catalog.yank("other@1", "wrong")
    assert stock.ranking(catalog, budget, dtype="f32", limit=8) == first


def test_every_file_of_the_script_and_the_style_is_joined_and_none_is_long() -> None:
    for folder, names in (("script", SCRIPT), ("style", STYLE)):
        files = list((STATIC / folder).iterdir())
        assert {file.stem for file in files} == set(names)
        assert all(len(file.read_text().splitlines()) <= 250 for file in files)
