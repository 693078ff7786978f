"""Choosing a size in a real browser: what is slid, typed, clicked and gone back to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Page, expect

Open = Callable[..., Page]
TITLE = "#size-title"


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def slide(page: Page, name: str, value: int) -> None:
    """As a hand does: many values on the way, one where it lets go."""
    slider = page.locator(f"#{name}-slider")
    slider.evaluate(
        "(it, value) => { it.value = value; it.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    slider.dispatch_event("change")


def shows(page: Page, depth: int, width: int) -> None:
    expect(page.locator(TITLE)).to_have_text(f"Depth {depth} × width {width}")


def test_sliding_shows_the_size_writes_the_address_and_back_goes_back(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    shows(page, 5, 32)
    slide(page, "depth", 8)
    shows(page, 8, 32)
    assert query(page) | {"learngene": "tiny", "depth": "8", "width": "32", "dtype": "f32"} == query(page)
    facts = httpx.post(f"{zoo.url}/v1/plan", json={"depth": 8, "width": 32}).json()
    assert f"{facts['params']:,}" in page.locator("#facts").inner_text()
    weights = next(file for file in facts["files"] if file["name"] == "model.safetensors")
    assert f"{weights['bytes']:,} bytes" in page.locator("#facts").inner_text()
    assert page.locator("#depth").input_value() == "8"
    slide(page, "width", 16)
    shows(page, 8, 16)
    page.go_back()
    shows(page, 8, 32)
    page.go_back()
    shows(page, 5, 32)
    assert page.locator("#depth").input_value() == page.locator("#depth-slider").input_value() == "5"
    page.go_forward()
    shows(page, 8, 32)
    page.reload()
    shows(page, 8, 32)


def test_the_width_snaps_to_what_is_legal_and_says_so(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    page.locator("#width").fill("27")
    page.locator("#width").press("Tab")
    expect(page.locator("#width")).to_have_value("32")
    page.locator("#width").fill("20")
    page.locator("#width").press("Enter")
    expect(page.locator("#width")).to_have_value("16")
    shows(page, 5, 16)
    page.locator("#depth").fill("9999")
    page.locator("#depth").press("Tab")
    shows(page, 512, 16)
    assert page.locator("#depth-slider").input_value() == "512"


def test_everything_is_in_reach_of_the_keyboard(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#depth-slider").focus()
    page.keyboard.press("ArrowRight")
    shows(page, 6, 32)
    assert page.evaluate("document.activeElement.id") == "depth-slider"
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == "Python"
    page.keyboard.press("End")
    assert page.get_by_role("tab", selected=True).inner_text() == "CLI"
    assert page.get_by_role("tabpanel").count() == 1
    page.keyboard.press("Home")
    assert page.get_by_role("tab", selected=True).inner_text() == "curl"


def test_a_tab_stays_chosen_while_sizes_change_and_its_text_is_copied(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=5&width=32")
    page.get_by_role("tab", name="timm").click()
    slide(page, "depth", 6)
    shows(page, 6, 32)
    assert page.get_by_role("tab", selected=True).inner_text() == "timm"
    page.get_by_role("button", name="Copy for timm").click()
    expect(page.locator("#said")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert f'os.environ["HF_ENDPOINT"] = "{zoo.url}"' in text and "hf-hub:tiny/depth6-width32" in text


def test_the_command_that_is_shown_fetches_what_is_shown(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=7&width=16&dtype=bf16&num_classes=3")
    body = re.search(r"'(\{.*\})'", page.locator("#code-curl").inner_text())
    assert body is not None
    made = httpx.post(f"{zoo.url}/initialize", content=body[1])
    assert f"{len(made.content):,} bytes" in page.locator("tr.chosen").first.inner_text()
    assert f'"{page.locator("code[title]").get_attribute("title")}"' == made.headers["etag"]


def test_a_budget_is_ranked_and_a_candidate_is_one_click_away(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=8&width=32")
    page.locator("#max_params").fill("12M")
    page.get_by_role("button", name="Rank").click()
    row = page.locator("#ranking tbody tr").first
    expect(row).to_contain_text("%")
    assert query(page)["max_params"] == "12M"
    best = httpx.post(f"{zoo.url}/v1/plan", json={"max_params": 12_000_000}).json()["candidates"][0]
    assert f"{best['depth']} × {best['width']}" == row.locator("th").inner_text()
    row.locator("a").click()
    shows(page, best["depth"], best["width"])
    assert page.locator("#depth").input_value() == str(best["depth"])
    assert page.locator("#ranking tbody tr").count() > 0
    page.locator("#max_params").fill("many")
    page.get_by_role("button", name="Rank").click()
    expect(page.locator("#ranking")).to_contain_text("12M or 1.5G, got 'many'")


def test_a_click_into_the_curve_and_a_row_of_its_table_choose_a_depth(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=8&width=32")
    plot = page.locator("[data-chart] .plot")
    box = plot.bounding_box()
    assert box is not None
    plot.click(position={"x": box["width"] * 0.5, "y": 50})
    shows(page, 5, 32)
    page.get_by_text("The same as a table").first.click()
    page.locator("#curve-table a", has_text=re.compile("^4$")).click()
    shows(page, 4, 32)
    assert page.locator("#curve-table").get_attribute("open") is not None


def test_the_curve_tells_measured_from_interpolated_and_has_its_baselines(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=6&width=32")
    own = page.locator(".plot .own")
    assert (own.locator("circle.measured").count(), own.locator("circle.between").count()) == (4, 3)
    assert (own.locator("line.solid").count(), own.locator("line.dashed").count()) == (1, 5)
    assert page.locator(".plot .band").count() == 1
    for kind in ("scratch", "truncation"):
        assert page.locator(f".plot .{kind} circle.measured").count() >= 3
        assert f"{kind}: digits-" in page.locator(".legend").inner_text()
    assert "interpolated" in page.locator(".stats").inner_text()
    page.goto(f"{zoo.url}/?learngene=sws-small-cifar100&depth=24")
    assert "scratch and truncation not measured in this store" in page.locator("#quality").inner_text()
    assert "not known" in page.locator(".stats").inner_text()


def test_measurements_say_nothing_of_other_classes(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=8&width=32&num_classes=3")
    assert "measured with its own classes alone" in page.locator(".stats").inner_text()


def test_another_learngene_keeps_the_size_or_takes_the_nearest(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=8&width=32")
    page.locator("#learngene").select_option("sws-small-cifar100")
    shows(page, 8, 64)
    assert page.locator("#width").input_value() == "64"
    page.locator(".shelf a", has_text="hostile").click()
    shows(page, 6, 32)


def test_a_size_that_can_not_be_is_one_sentence_and_one_click_from_one_that_can(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?depth=600&width=30")
    asked = httpx.post(f"{zoo.url}/initialize", json={"depth": 600, "width": 30}).json()
    assert asked["detail"][1:] in page.locator("#problem").inner_text()
    page.get_by_role("link", name="Show depth 512, width 32").click()
    shows(page, 512, 32)
    expect(page.locator("#problem section")).to_have_count(0)


def test_a_download_has_the_bytes_of_the_api(zoo: Any, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{zoo.url}/?learngene=sws-small-cifar100&depth=3&width=128&dtype=f16")
    with page.expect_download() as coming:
        page.locator("#download").click()
    expect(page.locator("#getting-said")).to_contain_text(" in ")
    assert coming.value.suggested_filename == "sws-small-cifar100-v2-depth3-width128.safetensors"
    coming.value.save_as(tmp_path / "got")
    body = {"learngene": "sws-small-cifar100", "depth": 3, "width": 128, "dtype": "f16"}
    assert (tmp_path / "got").read_bytes() == httpx.post(f"{zoo.url}/initialize", json=body).content


def test_a_download_can_be_cancelled_and_its_failure_is_said(zoo: Any, open_page: Open) -> None:
    page = open_page(f"{zoo.url}/?learngene=sws-small-cifar100&depth=48&width=384")
    page.locator("#download").click()
    page.locator("#getting-stop").click()
    expect(page.locator("#getting-said")).to_have_text("Cancelled.")
    page.route("**/page/download**", lambda route: route.abort())
    page.locator("#download").click()
    expect(page.locator("#getting-said")).to_contain_text("Not downloaded")


def test_the_colours_follow_the_toggle_and_stay(zoo: Any, open_page: Open) -> None:
    page = open_page(zoo.url, theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.locator("#theme-name").inner_text() == "Light" and page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light" and page.evaluate(ground) != dark
    page.locator("#theme").click()
    assert page.evaluate(ground) == dark
