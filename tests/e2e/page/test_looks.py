"""Every page in both themes, on a phone, without its script and by axe's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Open = Callable[..., Page]

PAGES = [
    "/?depth=6&width=32&max_params=12M&tensors=1",
    "/?depth=600&width=30",
    "/?learngene=wave&depth=6",
    "/?learngene=hostile&num_classes=3&img_size=16",
    "/?learngene=a-learngene-with-a-name-as-long-as-any-name-of-them-may-ever-be&depth=64",
    "/?learngene=nobody",
    "/jobs",
    "/upload",
]
"""The service has no queue: /jobs is a page that says so. test_jobs_page has those with jobs on them."""


def violations(page: Page) -> list[str]:
    """What axe finds, with the place."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['target']} {node.get('failureSummary')}" for rule in found for node in rule["nodes"]]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(zoo: Any, open_page: Open, theme: str) -> None:
    page = open_page(zoo.url, theme=theme, width=360)
    for path in PAGES:
        page.goto(zoo.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        page.set_viewport_size({"width": 1100, "height": 800})
        page.evaluate("document.querySelectorAll('details:not(#key)').forEach((it) => { it.open = true; })")
        assert violations(page) == [], path
        page.set_viewport_size({"width": 360, "height": 740})


def test_the_api_is_a_page_that_asks_nobody_else(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/docs")
    page.get_by_text("/v1/descendants/{id}", exact=True).first.wait_for()
    page.locator("#operations-initialize-post_initialize_initialize_post").wait_for()
    assert httpx.get(f"{zoo.url}/redoc").status_code == 404


def test_every_picture_has_a_table_twin(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32")
    assert page.locator("svg[role=img]").count() == 2
    assert page.locator("#curve-table tbody tr").count() == page.locator(".plot .own circle").count()
    assert page.locator(".shares tbody tr").count() == 4
    assert page.locator("ol.blocks li").count() == 6


def test_without_its_script_the_page_is_a_form_and_has_everything(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32", script=False)
    assert not page.locator("#depth-slider").is_visible() and not page.locator("#theme").is_visible()
    page.locator("#depth").fill("4")
    page.locator("#width").fill("16")
    page.get_by_label("bf16").check()
    page.get_by_role("button", name="Show this size").click()
    assert page.url == f"{zoo.url}/?learngene=tiny&depth=4&width=16&dtype=bf16&num_classes=&img_size="
    assert page.locator("#size-title").inner_text() == "Depth 4 × width 16"
    for name in ("curl", "python", "timm", "transformers", "cli"):
        assert page.locator(f"#code-{name}").is_visible()
    page.locator("#max_params").fill("12M")
    page.get_by_role("button", name="Rank").click()
    assert page.locator("#ranking tbody tr").count() == 8
    assert page.locator("#size-title").inner_text() == "Depth 4 × width 16"
    link = page.locator("#download").get_attribute("href")
    got = httpx.get(zoo.url + str(link), follow_redirects=True)
    body = {"depth": 4, "width": 16, "dtype": "bf16"}
    assert got.content == httpx.post(f"{zoo.url}/initialize", json=body).content
    page.goto(f"{zoo.url}/?depth=600")
    page.get_by_role("link", name="Show depth 512, width 32").click()
    assert page.locator("#size-title").inner_text() == "Depth 512 × width 32"
    page.locator("#tensor-list summary").click()
    page.get_by_role("link", name="Next").click()
    assert "page 2 of" in page.locator(".pages").inner_text()


def test_in_print_there_is_what_is_known_and_nothing_to_click(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32", theme="dark")
    page.emulate_media(media="print")
    assert not page.locator("aside").is_visible() and not page.locator("#download").is_visible()
    assert page.locator("#code-transformers").is_visible() and page.locator(".plot").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_four_times_as_large_it_still_fits_and_nothing_moves_for_who_wants_it_so(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32&max_params=12M", width=320)  # 1280 at 400 %
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize(("one", "other"), [("/?depth=6", "/jobs"), ("/jobs", "/upload")])
def test_the_pages_lead_to_each_other(zoo: Any, open_page: Open, one: str, other: str) -> None:
    page = open_page(zoo.url + one)
    page.locator(f".top nav a[href='{other}']").click()
    assert page.url == zoo.url + other
