"""Publishing from the browser, with the digest that it works out, or the one that a manifest or its owner states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases import checkpoints
from playwright.sync_api import Page, expect

from learngenes import gene
from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
Open = Callable[..., Page]
SAID = "#upload-said"


@pytest.fixture(scope="module")
def url(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("upload")
    factories.catalog(None, factories.learngene(), store=LocalStore(data / "store"))
    with start(data, settings={"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_UPLOAD_BYTES": "2M"}) as service:
        yield service.url


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    path.write_bytes(checkpoints.raw())
    return path


def test_a_checkpoint_is_published_and_shown(url: str, open_page: Open, network: Path) -> None:
    page = open_page(f"{url}/upload")
    page.locator("#file").set_input_files(network)
    page.locator("#name").fill("mine")
    page.locator("#license").fill("cc-by-4.0")
    page.locator("#description").fill("Drawn, not learned.")
    page.get_by_role("button", name="Upload and publish").click()
    expect(page.locator(SAID)).to_have_text("Published mine@1")
    page.locator(f"{SAID} a").click()
    expect(page.locator("#size-title")).to_be_visible()
    assert "Drawn, not learned." in page.locator("#about").inner_text()
    made = httpx.get(f"{url}/v1/learngenes/mine").json()
    assert (made["license"], made["method"]) == ("cc-by-4.0", "selection")


def test_an_exported_learngene_needs_no_digest_but_that_of_its_manifest(
    url: str, open_page: Open, tmp_path: Path
) -> None:
    manifest, raw = factories.learngene(name="elsewhere", seed=3)
    (tmp_path / "learngene.safetensors").write_bytes(raw)
    (tmp_path / "manifest.json").write_bytes(gene.to_json(manifest))
    page = open_page(f"{url}/upload", width=360)
    page.locator("#file").set_input_files(tmp_path / "learngene.safetensors")
    page.get_by_label("an exported learngene").check()
    page.locator("#manifest").set_input_files(tmp_path / "manifest.json")
    page.get_by_role("button", name="Upload and publish").click()
    expect(page.locator(SAID)).to_have_text("Published elsewhere@1")
    assert httpx.post(f"{url}/initialize", json={"learngene": "elsewhere", "depth": 3}).status_code == 200


def test_what_can_not_be_published_is_said_in_the_services_own_words(
    url: str, open_page: Open, network: Path, tmp_path: Path
) -> None:
    page = open_page(f"{url}/upload")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04 not tensors")
    page.locator("#file").set_input_files(tmp_path / "pickle.safetensors")
    page.locator("#name").fill("bad")
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("Not published")
    (tmp_path / "large.safetensors").write_bytes(bytes(2_100_000))
    page.locator("#file").set_input_files(tmp_path / "large.safetensors")
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("the file has 2.1 MB, the service takes 2.0 MB")
    page.locator("#file").set_input_files(network)
    page.locator("#name").fill("tiny")
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("admin")


def test_a_manifest_that_is_none_is_said_to_be(url: str, open_page: Open, network: Path, tmp_path: Path) -> None:
    page = open_page(f"{url}/upload")
    page.locator("#file").set_input_files(network)
    page.locator("#upload-go").click()
    assert page.evaluate("document.activeElement.id") == "name"  # which is required
    page.get_by_label("an exported learngene").check()
    page.locator("#upload-go").click()
    assert page.locator("#manifest").evaluate("(it) => it.validity.valueMissing && !it.form.elements.name.required")
    for text in ("{}", "null", "no json", '{"weights": {"sha256": 3}}'):
        (tmp_path / "manifest.json").write_text(text)
        page.locator("#manifest").set_input_files(tmp_path / "manifest.json")
        page.locator("#upload-go").click()
        expect(page.locator(SAID)).to_contain_text("manifest.json is no manifest of a learngene")
        page.evaluate("document.getElementById('upload-said').textContent = ''")


def test_where_the_browser_works_out_no_digest_its_owner_pastes_one(url: str, open_page: Open, network: Path) -> None:
    page = open_page(f"{url}/upload")
    page.evaluate("document.getElementById('upload').dataset.digestBytes = 10")
    page.locator("#file").set_input_files(network)
    page.locator("#name").fill("pasted")
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("paste its sha256")
    assert page.evaluate("document.activeElement.id") == "sha256"
    page.locator("#sha256").fill("0" * 64)
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("Not published")
    page.locator("#sha256").fill("zz")
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_contain_text("64 digits")
    page.locator("#sha256").fill(hashlib.sha256(network.read_bytes()).hexdigest().upper())
    page.locator("#upload-go").click()
    expect(page.locator(SAID)).to_have_text("Published pasted@1")


def test_without_the_script_a_command_is_shown_instead(url: str, open_page: Open) -> None:
    page = open_page(f"{url}/upload", script=False)
    assert "learngenes push" in page.locator(".nojs").first.inner_text()
    assert not page.locator("#upload").is_visible()
