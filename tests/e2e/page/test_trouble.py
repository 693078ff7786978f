"""What fails, comes late or is gone back from: what stands beside the controls is theirs, or is said not to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import Page, Request, Route, expect

Open = Callable[..., Page]
TITLE = "#size-title"
SLIDE = """([id, values, let_go]) => { const it = document.getElementById(id);
const tell = name => it.dispatchEvent(new Event(name, {bubbles: true}));
for (const value of values) { it.value = value; tell('input'); }
if (let_go) tell('change'); }"""


def shows(page: Page, depth: int, width: int = 32) -> None:
    expect(page.locator(TITLE)).to_have_text(f"Depth {depth} × width {width}")


def slide(page: Page, *values: int) -> None:
    """Over all of them, letting go at the last: in one turn, or an answer may take the slider away before that."""
    page.evaluate(SLIDE, ["depth-slider", list(values), True])


def fill(page: Page, value: str) -> None:
    page.locator("#depth").fill(value)
    page.locator("#depth").press("Tab")


def test_an_update_that_fails_is_seen_and_tried_again(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    trouble, download = page.locator("#trouble"), page.locator("#download")
    expect(trouble).to_be_hidden()
    page.route("**/?*", lambda route: route.abort())
    slide(page, 8)
    expect(trouble).to_be_visible()
    expect(trouble).to_contain_text("can't be reached. What is shown is still depth 5, width 32.")
    expect(page.locator(".result")).to_have_class("result stale failed")
    expect(download).to_have_attribute("aria-disabled", "true")
    download.click(force=True)
    expect(page.locator("#said")).to_contain_text("not there yet")
    expect(page.locator("#getting")).to_be_hidden()
    page.unroute("**/?*")
    page.get_by_role("button", name="Try again").click()
    shows(page, 8)
    expect(trouble).to_be_hidden()
    expect(download).to_have_attribute("aria-disabled", "false")
    expect(page.locator(".result")).to_have_attribute("aria-busy", "false")


def test_a_refusal_to_look_again_so_soon_is_shown_beside_what_was_asked_for(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    page.route("**/?*", lambda route: route.fulfill(status=429, body="<p class='lead'>Ask again in 3 s.</p>"))
    slide(page, 6)
    expect(page.locator("#trouble")).to_contain_text("Ask again in 3 s. What is shown is still depth 5")
    shows(page, 5)


def test_sliding_away_and_back_shows_where_the_slider_is(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    slide(page, 6)
    shows(page, 6)
    page.evaluate(SLIDE, ["depth-slider", [9]])
    shows(page, 9)
    slide(page, 8, 6)
    shows(page, 6)
    assert page.locator("#depth").input_value() == "6"


def test_while_one_view_is_waited_for_no_other_is_asked_for(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    held: list[Route] = []
    asked: list[str] = []
    page.route("**/?*", lambda route: route.continue_() if held else held.append(route))

    def noted(request: Request) -> None:
        """The script's own: not the page's first, nor its icon, which may be told of late."""
        if "/?" in request.url and not request.is_navigation_request():
            asked.append(request.headers.get("page-parts", "whole"))

    page.on("request", noted)
    for depth in range(6, 30):
        page.evaluate(SLIDE, ["depth-slider", [depth]])
    page.wait_for_timeout(400)
    assert (len(held), asked) == (1, ["passing"])
    held[0].continue_()
    shows(page, 29)
    assert asked == ["passing", "passing"]


def test_a_view_in_passing_is_small_and_says_what_the_whole_page_says(zoo: Any) -> None:
    url = f"{zoo.url}/?depth=40&width=32&max_params=12M"
    texts = {parts: httpx.get(url, headers={"page-parts": parts}).text for parts in ("", "answer", "passing")}
    assert len(texts[""]) > len(texts["answer"]) > 1.5 * len(texts["passing"])
    for part, said in (("facts", True), ("quality", True), ("brief", True), ("ranking", False), ("tensors", False)):
        assert (f'id="{part}"' in texts["passing"]) == said
    assert 'id="ranking"' in texts["answer"] and 'class="shelf"' not in texts["answer"]
    assert httpx.get(url, headers={"page-parts": "nonsense"}).text == texts[""]


def test_choosing_another_learngene_is_one_step_back(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=8&width=32")
    page.locator("#learngene").select_option("sws-small-cifar100")
    shows(page, 8, 64)
    page.go_back()
    shows(page, 8, 32)


def test_back_leads_out_of_an_answer_without_controls(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    refusal = '<main id="main" tabindex="-1"><h1>A key is needed</h1></main>'
    page.route("**/?*", lambda route: route.fulfill(status=401, content_type="text/html", body=refusal))
    slide(page, 6)
    expect(page.locator("h1")).to_have_text("A key is needed")
    page.unroute("**/?*")
    page.go_back()
    shows(page, 5)


def test_a_place_on_the_same_page_asks_for_nothing(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/?" in request.url else None)
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.go_back()
    page.wait_for_timeout(200)
    assert asked == []


def test_the_keyboard_stays_where_it_was_whatever_is_put_in(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=12&width=32")
    focused = "document.activeElement.id"
    page.locator("#tensor-list summary").click()
    page.locator("#tensors-next").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pages")).to_contain_text("page 2 of")
    assert page.evaluate(focused) == "tensors-next"
    while page.locator("#tensors-next").count():
        before = page.locator(".pages .hint").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator(".pages .hint")).not_to_have_text(before)
    assert page.evaluate(focused) == "tensors-title"
    page.goto(f"{zoo.url}/?depth=600&width=32")
    page.locator("#nearest").focus()
    page.keyboard.press("Enter")
    shows(page, 512)
    assert page.evaluate(focused) == "size-title"


def test_every_control_is_reached_by_the_tab_key_in_the_order_of_the_page(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    seen = []
    for _ in range(24):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    wanted = [
        "skip",
        "theme",
        "learngene",
        "depth",
        "depth-slider",
        "width",
        "width-slider",
        "download",
        "tab-curl-tab",
    ]
    assert [one for one in seen if one in wanted] == wanted


def test_a_depth_that_is_cleared_stays_what_it_was_last(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    fill(page, "7")
    shows(page, 7)
    fill(page, "")
    expect(page.locator("#depth")).to_have_value("7")
    shows(page, 7)


def test_a_second_download_waits_for_the_first_and_a_length_that_is_not_said_is_no_failure(
    zoo: Any, open_page: Open
) -> None:
    page = open_page(f"{zoo.url}/?learngene=tiny&depth=3&width=32")
    held: list[Route] = []
    page.route("**/page/download**", lambda route: held.append(route))
    page.locator("#download").click()
    page.wait_for_function("document.getElementById('getting-label').textContent.startsWith('Downloading tiny')")
    page.locator("#download").click()
    expect(page.locator("#getting-said")).to_contain_text("One at a time")
    assert len(held) == 1
    with page.expect_download():
        held[0].fulfill(status=200, body=b"x" * 2000, headers={"transfer-encoding": "chunked"})
    expect(page.locator("#getting-said")).to_contain_text(" in ")


def test_with_a_key_a_file_that_no_tab_can_hold_is_left_to_curl(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=3&width=32", key=zoo.keys["read"])
    page.wait_for_selector("html:not(.waiting)")
    page.locator("#download").evaluate("(it) => { it.dataset.bytes = 2 ** 31; }")
    page.get_by_role("tab", name="timm").click()
    page.locator("#download").click()
    expect(page.locator("#getting-said")).to_contain_text("2.15 GB are more than a tab can hold")
    assert page.get_by_role("tab", selected=True).inner_text() == "curl"


def test_what_was_not_measured_after_so_many_epochs_says_after_how_many_it_was(zoo: Any) -> None:
    page = httpx.get(f"{zoo.url}/?depth=5&width=32&epochs=7").text
    assert "Not measured after 7 epochs; measured: " in page and "Nobody measured" not in page


def test_a_depth_beyond_the_curve_is_an_arrow_and_no_line(zoo: Any) -> None:
    for depth, beyond in ((6, False), (300, True)):
        page = httpx.get(f"{zoo.url}/?depth={depth}&width=32").text
        assert ('class="beyond"' in page, 'class="at"' in page) == (beyond, not beyond)


def test_on_a_phone_what_a_size_costs_is_in_sight_of_the_sliders(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32", width=360)
    page.locator("#width-slider").scroll_into_view_if_needed()
    slide(page, 8)
    brief = page.locator("#brief")
    expect(brief).to_contain_text("70.0")
    box = brief.bounding_box()
    assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 800
    assert brief.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    page.route("**/?*", lambda route: route.abort())
    slide(page, 9)
    expect(page.locator("#trouble")).to_be_in_viewport()
    assert not open_page(f"{zoo.url}/?depth=6&width=32").locator("#brief").is_visible()


def test_the_key_is_closed_by_escape_and_takes_what_a_header_can_have(zoo: Any, open_page: Open) -> None:
    page = open_page(zoo.url)
    page.locator("#key summary").click()
    page.locator("#key-field").fill("schlüssel→")
    page.locator("#key-field").press("Enter")
    assert "plain letters" in page.locator("#key-field").evaluate("(it) => it.validationMessage")
    page.keyboard.press("Escape")
    assert page.locator("#key").get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.evaluate("sessionStorage.length") == 0
    label = page.locator("#theme").get_attribute("aria-label")
    assert label is not None and page.locator("#theme-name").inner_text() in label
