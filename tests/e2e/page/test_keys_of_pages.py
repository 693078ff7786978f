"""Where the service wants a key: it is typed once, stays in the tab, and private learngenes are there with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

Open = Callable[..., Page]
SECRET = "zz-secret"


def test_a_closed_service_asks_for_a_key_and_opens_with_it(closed: Any, open_page: Open) -> None:
    page = open_page(f"{closed.url}/?learngene={SECRET}&depth=3")
    assert "A key is needed" in page.locator("h1").inner_text() and SECRET not in page.locator("main").inner_text()
    page.locator("#key-here-field").fill(closed.keys["read"])
    page.get_by_role("button", name="Open this page").click()
    expect(page.locator("#size-title")).to_have_text("Depth 3 × width 32")
    assert page.locator("#learngene").input_value() == SECRET
    assert "Authorization: Bearer $LEARNGENES_KEY" in page.locator("#code-curl").inner_text()
    assert closed.keys["read"] not in page.content()
    page.locator("#depth-slider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#size-title")).to_have_text("Depth 4 × width 32")
    with page.expect_download() as coming:
        page.locator("#download").click()
    assert coming.value.path().stat().st_size > 1000
    page.locator("#key summary").click()
    page.locator("#key-forget").click()
    expect(page.locator("h1")).to_have_text("A key is needed")
    assert page.evaluate("sessionStorage.length") == 0


def test_a_key_of_another_service_is_said_to_open_nothing(closed: Any, open_page: Open) -> None:
    page = open_page(closed.url, key="lgz_" + "a" * 43)
    expect(page.locator(".lead")).to_contain_text("opens nothing here")


def test_what_is_private_is_there_with_a_key_alone(zoo: Any, open_page: Open) -> None:
    page = open_page(zoo.url)
    assert SECRET not in page.content()
    page = open_page(zoo.url, key=zoo.keys["read"])
    expect(page.locator(".shelf")).to_contain_text(SECRET)
    expect(page.locator("#key summary")).to_have_text("Key set")


def test_uploading_needs_scope_train(closed: Any, open_page: Open) -> None:
    page = open_page(f"{closed.url}/upload", key=closed.keys["read"])
    expect(page.locator(".lead")).to_contain_text("needs scope 'train', key 'read' has 'read'")
    page = open_page(f"{closed.url}/upload", key=closed.keys["train"])
    expect(page.locator("#upload-go")).to_be_visible()
