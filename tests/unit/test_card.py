from __future__ import annotations

from dataclasses import replace
from typing import Any

import factories
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from learngenes.card import descendant_card, facts, front_matter, learngene_card
from learngenes.errors import BadManifest
from learngenes.gene import Manifest, Quality, from_json, to_json
from learngenes.initialize import Request, initialize
from learngenes.recipe import KEYS, digest

MEASURED = Quality(7, 32, "digits", "test", "top1", 0.5, 100, 0, 1, "learngenes evaluate | tee log")


def front(card: bytes) -> dict[str, Any]:
    _, matter, _ = card.decode().split("---\n", 2)
    table: dict[str, Any] = yaml.safe_load(matter)
    return table


def measured() -> Manifest:
    return replace(factories.learngene()[0], quality=(MEASURED,))


@pytest.mark.parametrize("keys", ["timm", "transformers"])
def test_the_front_matter_of_a_card_is_its_facts_in_yaml(keys: Any) -> None:
    manifest = measured()
    recipe = initialize(manifest, Request(depth=7, keys=keys))
    card = descendant_card(recipe, manifest, id=digest(recipe))
    assert front(card) == facts(recipe, manifest, manifest.quality)
    assert front(card)["library_name"] == keys
    assert digest(recipe) in card.decode()
    assert front(card)["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5


@pytest.mark.parametrize(
    "more", [{"depth": 6}, {"num_classes": 3}, {"img_size": 16}, {"options": {"strategy": "interleave"}}], ids=str
)
def test_nothing_is_said_to_be_measured_that_was_not(more: dict[str, Any]) -> None:
    manifest = measured()
    recipe = initialize(manifest, Request(**({"depth": 7} | more)))
    card = descendant_card(recipe, manifest, id=digest(recipe))
    assert "model-index" not in front(card)
    assert "was not measured" in card.decode()


def test_what_a_learngene_says_of_itself_stays_in_its_place() -> None:
    hostile = "yes: no\n---\n# [x](javascript:1) | `y` <b>"
    training = {"command": hostile, "a\n\n# Owned": 1}
    quality = (replace(MEASURED, metric=hostile, command=hostile, dataset=hostile),)
    manifest = replace(measured(), license=hostile, description=hostile, training=training, quality=quality)
    recipe = initialize(manifest, Request(depth=7))
    for card in (learngene_card(manifest), descendant_card(recipe, manifest, id=digest(recipe))):
        assert (front(card)["license"], front(card)["license_name"]) == ("other", hostile)
        body = card.decode().split("---\n", 2)[2]
        headings = [line for line in body.splitlines() if line.startswith("#")]
        assert headings[0].startswith(("# tiny@1", "# tiny, depth 7"))
        assert not any("Owned" in line or "javascript" in line for line in headings)
        rows = [line.replace("\\|", "") for line in body.splitlines() if line.startswith("|")]
        assert {row.count("|") for row in rows} == {3, 9}
        outside = "".join(part for line in body.splitlines() for part in line.split("`")[::2])
        assert "<b>" not in outside and "[x](" not in outside


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_said_yaml_reads_it_as_json_does(name: str, dataset: str) -> None:
    try:
        manifest = from_json(to_json(replace(measured(), license=name, training={"train": f"parquet:{dataset}/x"})))
    except (BadManifest, UnicodeEncodeError):  # lone surrogates never get into a manifest
        return
    card = learngene_card(manifest)
    assert front(card) == front_matter(card)
    assert front(card).get("license_name", name.lower()) in (name, name.lower())


@pytest.mark.parametrize(("said", "known"), [("apache-2.0", "apache-2.0"), ("MIT", "mit"), ("proprietary", "other")])
def test_a_license_goes_by_the_name_that_hubs_know(said: str, known: str) -> None:
    assert front(learngene_card(replace(measured(), license=said)))["license"] == known


def test_the_address_in_a_card_is_pinned_to_the_version_it_describes() -> None:
    manifest = measured()
    timm, native = (
        descendant_card(recipe, manifest, id="f" * 64).decode()
        for recipe in (initialize(manifest, Request(depth=7, keys=keys)) for keys in KEYS)
    )
    assert 'timm.create_model("hf-hub:tiny/depth7-width32@v1", pretrained=True)' in timm
    assert 'from_pretrained("tiny/depth7-width32-hf", revision="v1")' in native
