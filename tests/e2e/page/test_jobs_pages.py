"""Watching a real job in a real browser: its queue, its curves as they grow, a reload in between, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from cases import jobs
from cases.faults import Scene
from cases.queue_servers import start_redis, wait_for_job, wait_until, workers
from learngenes_service.jobs.events import to_keep
from learngenes_service.jobs.job import End
from learngenes_service.jobs.records import Records
from playwright.sync_api import Page, expect

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
Open = Callable[..., Page]
STATUS = "#job-status"


@pytest.fixture(scope="module")
def scene(start: Start, learngenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A service with a queue, on which no worker listens until a test hires one."""
    place = tmp_path_factory.mktemp("queue")
    with (
        start_redis(place / "redis") as redis,
        start(learngenes, settings={"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_REDIS_URL": redis.url}) as service,
        workers(learngenes, redis.url) as crew,
    ):
        yield Scene(service.url, learngenes, redis, crew, lease_seconds=None)


def ask(scene: Scene, **more: Any) -> str:
    answer = httpx.post(f"{scene.url}/v1/jobs", json=jobs.learn(**more))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def points(page: Page, curve: str) -> int:
    return page.locator(f"[data-curve={curve}] line.solid").count()


def step(page: Page) -> float:
    return float(page.locator("#steps").evaluate("(it) => it.value"))


def test_a_size_that_needs_learning_is_asked_for_by_a_button(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/?learngene=wave&depth=6&width=32")
    page.get_by_role("button", name="Ask for this job").click()
    expect(page.locator(STATUS)).to_have_text("queued")
    assert "/jobs/" in page.url and "no worker is running" in page.locator("#job-head").inner_text().lower()
    page.goto(f"{scene.url}/jobs")
    expect(page.locator(".jobs li").first).to_contain_text("wave")
    page.get_by_role("link", name="finished").click()
    assert "No finished job" in page.locator("#jobs").inner_text()
    page.go_back()
    page.locator(".jobs a").first.click()
    page.get_by_role("button", name="Cancel this job").click()
    page.get_by_role("button", name="Really cancel it?").click()
    expect(page.locator(STATUS)).to_have_text("cancelled")
    expect(page.locator("#cancel")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "job-status"
    expect(page.locator("#said")).to_have_text("The job was cancelled")


def test_a_finished_job_leads_to_what_it_learned_and_is_followed_with_a_key_too(
    scene: Scene, open_page: Open, keys: dict[str, str]
) -> None:
    """What a worker leaves of a job is written by hand: to learn takes longer than to look."""
    id = ask(scene, name="page-toy", epochs=2)
    page = open_page(f"{scene.url}/jobs/{id}", key=keys["read"])
    expect(page.locator(STATUS)).to_have_text("queued")
    records = Records(LocalStore(scene.data / "store"))
    job = records.get(id)
    assert job is not None
    steps = [{"event": "step", "phase": "auxiliary", "step": n, "steps": 9, "loss": 1 / n} for n in range(1, 10)]
    steps[3]["loss"], steps[4]["loss"] = float("nan"), float("inf")
    said = [*steps, {"event": "published", "learngene": "tiny@1", "time": 1e9}]
    events = to_keep((f"{n}-0", event) for n, event in enumerate(said, 1))
    records.end(job, End("finished", records.now(), ("tiny@1",)), events=events, log=b"done <b>&</b>\n")
    expect(page.locator(STATUS)).to_have_text("finished", timeout=15_000)
    expect(page.locator("#words")).to_contain_text("published")
    expect(page.locator("#log")).to_have_text("done <b>&</b>")
    assert points(page, "loss") == 6 and page.locator("[data-curve=loss] [data-latest]").inner_text() == "0.1111"
    page.get_by_role("link", name="tiny@1").first.click()
    expect(page.locator("#size-title")).to_have_text("Depth 6 × width 32")


@pytest.mark.slow
def test_a_job_that_learns_is_watched_reloaded_and_cancelled(scene: Scene, open_page: Open) -> None:
    training = {"checkpoint_minutes": 5, "report_seconds": 0.1}
    id = ask(scene, name="watched", epochs=100_000, training=training)
    page = open_page(f"{scene.url}/jobs/{id}")
    expect(page.locator(STATUS)).to_have_text("queued")
    assert (points(page, "loss"), page.locator("#live").is_visible()) == (0, False)  # nothing came yet
    scene.hire()
    expect(page.locator(STATUS)).to_have_text("running", timeout=60_000)
    wait_until(lambda: points(page, "loss") > 5 and points(page, "accuracy") > 1)
    assert points(page, "throughput") > 1
    first = step(page)
    wait_until(lambda: step(page) > first)
    assert "%" in page.locator("[data-curve=accuracy] [data-latest]").inner_text()
    page.locator("#steps-table summary").click()
    assert page.locator("#rows tr").count() > 1
    assert page.locator("#words").inner_text().count("attempt") >= 1

    seen = points(page, "loss")
    page.reload()
    wait_until(lambda: points(page, "loss") >= seen, seconds=5)
    assert [rule["id"] for rule in Axe().run(page).response["violations"]] == []
    still = open_page(page.url, script=False, theme="dark", width=360)
    assert points(still, "loss") > 5 and still.locator(STATUS).inner_text() == "running"
    assert (
        "/v1/jobs/" in still.locator(".actions").inner_text()
        and still.get_by_role("link", name="Look again").is_visible()
    )
    listed = open_page(f"{scene.url}/jobs", width=360, theme="dark")
    row = listed.locator(".jobs li").first
    before = row.inner_text()
    expect(row).not_to_have_text(before, timeout=10_000)
    for narrow in (listed, open_page(page.url, width=360)):
        assert narrow.evaluate("document.documentElement.scrollWidth") <= 360
        assert [rule["id"] for rule in Axe().run(narrow).response["violations"]] == []

    page.get_by_role("button", name="Cancel this job").click()
    page.get_by_role("button", name="Really cancel it?").click()
    expect(page.locator(STATUS)).to_have_text("cancelled", timeout=30_000)
    expect(page.locator("#live")).to_be_hidden()
    page.reload()
    wait_until(lambda: points(page, "loss") > 5, seconds=5)
    assert wait_for_job(scene.url, id, "cancelled")


def test_the_pages_of_jobs_take_any_address(scene: Scene) -> None:
    hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    for path in (f"/jobs/{hostile}", f"/jobs?status={hostile}", f"/jobs?kind={hostile}", f"/jobs?cursor={hostile}"):
        answer = httpx.get(scene.url + path)
        assert answer.status_code in (200, 404, 422), path
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script" not in answer.text.replace("<script src=", ""), path
    for query in ("status=nonsense", "cursor=%C3%A9", "cursor=-1", "kind=%00", "status=finished&cursor=x"):
        assert httpx.get(f"{scene.url}/jobs?{query}").status_code in (200, 422), query


def test_a_refusal_to_tell_of_a_job_is_said_and_not_asked_for_again(scene: Scene, open_page: Open) -> None:
    id = ask(scene, name="refused", epochs=1)
    page = open_page(f"{scene.url}/jobs")
    asked: list[str] = []

    def refuse(route: Any) -> None:
        asked.append(route.request.url)
        status = 503 if len(asked) == 1 else 403
        route.fulfill(status=status, content_type="application/problem+json", body='{"detail": "this key may not"}')

    page.route("**/events", refuse)
    page.goto(f"{scene.url}/jobs/{id}")
    expect(page.locator("#follow-said")).to_have_text("Not followed any more: this key may not.")
    page.wait_for_timeout(2500)
    assert len(asked) == 2 and not page.locator("#live").is_visible()


def test_what_a_job_prints_and_who_asked_for_it_is_not_for_strangers(scene: Scene) -> None:
    id = ask(scene, name="unseen", epochs=1)
    for host, seen in (("elsewhere.example", False), ("localhost", True)):
        page = httpx.get(f"{scene.url}/jobs/{id}", headers={"host": host}).text
        assert ('id="log"' in page, "for callers with a key" in page) == (seen, not seen)
        assert ('id="cancel"' in page) == seen
    hidden = ask(scene, name="zz-hidden", private=True, epochs=1)
    gone = httpx.get(f"{scene.url}/jobs/{hidden}", headers={"host": "elsewhere.example"})
    assert gone.status_code == 404 and "zz-hidden" not in gone.text
    assert "zz-hidden" not in httpx.get(f"{scene.url}/jobs", headers={"host": "elsewhere.example"}).text
