"""What the page is made of, without a browser: its address, its numbers, its curves, what is said to be pasted."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from typing import Any

import factories
import pytest
from cases import tleg
from cases.measurements import learngene, top1
from learngenes_service.page import quality, snippets, told, writing
from learngenes_service.page.asked import Asked, asked
from learngenes_service.page.charts import ticks
from learngenes_service.page.methods import SENTENCES
from learngenes_service.page.origin import origin
from learngenes_service.page.snippets import Wanted
from learngenes_service.page.zoo import controls

from learngenes.budget.exclusions import Budget
from learngenes.errors import InvalidValue
from learngenes.families.stitched import StitchedGeometry
from learngenes.families.vit import Geometry
from learngenes.initialize import Request, initialize
from learngenes.sizes import Size
from learngenes.zoo import METHODS

PLAIN = Geometry(9, 384, 6, 16, 224, 1000)


def test_every_method_has_its_sentence() -> None:
    assert SENTENCES.keys() == METHODS.keys()
    assert all(sentence.endswith(".") and len(sentence) < 140 for sentence in SENTENCES.values())


def test_the_service_starts_without_the_template_engine() -> None:
    says = "import sys, learngenes_service.app; print({'jinja2', 'markupsafe'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12M", 12_000_000),
        ("1.5g", 1_500_000_000),
        ("800k", 800_000),
        ("12,000,000", 12_000_000),
        ("7", 7),
        ("1.", 1),
        (".5M", 500_000),
        ("", None),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, value: int | None) -> None:
    assert Asked(max_params=text, max_bytes="9").to_budget() == Budget(max_params=value, max_bytes=9)


@pytest.mark.parametrize("text", ["many", "-3M", "1.2.3", "M", "1e9", "²", "9" * 30])
def test_a_limit_that_is_no_number_is_said_with_one_that_would_be(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"12M or 1.5G, got"):
        Asked(max_params=text).to_budget()


def test_an_address_is_changed_where_it_is_told_to_and_nowhere_else() -> None:
    wanted = asked({"learngene": "tiny", "depth": "9", "max_params": "1M", "other": "x"})
    assert wanted.link(depth=3) == "/?learngene=tiny&depth=3&max_params=1M"
    assert wanted.link("/page/download", max_params=None) == "/page/download?learngene=tiny&depth=9"
    assert asked({"learngene": "<&\"'>"}).link() == "/?learngene=%3C%26%22%27%3E"
    assert Asked().link() == "/"


@pytest.mark.parametrize(
    ("value", "text"),
    [(16_089_700, "16.1 M"), (999_600, "1.00 M"), (257_791_488, "258 M"), (1.2345e9, "1.23 G"), (7, "7"), (0, "0")],
)
def test_amounts_have_three_digits_that_count(value: float, text: str) -> None:
    assert writing.amount(value).replace(writing.NARROW, " ") == text


def test_what_is_there_is_never_shown_as_nothing_or_everything() -> None:
    shown = [writing.part(value).replace(writing.NARROW, " ") for value in (0, 0.01, 0.06, 99.96, 100)]
    assert shown == ["0.0 %", "< 0.1 %", "0.1 %", "> 99.9 %", "100.0 %"]


@pytest.mark.parametrize("highest", [1e-4, 0.011, 0.37, 0.99, 1.0, 2.3, 7, 40_000])
def test_an_axis_begins_at_zero_and_reaches_over_all_in_few_round_steps(highest: float) -> None:
    scale, marks = ticks(highest)
    assert marks[0] == scale.first == 0 and marks[-1] == scale.last >= highest
    assert 2 <= len(marks) <= 6 and marks[-2] < highest


def test_a_curve_is_solid_between_measured_neighbours_dashed_elsewhere_and_nothing_beyond() -> None:
    manifest = learngene([top1(2, 32, 0.2), top1(3, 32, 0.3), top1(6, 32, 0.6), top1(2, 64, 0.5), top1(6, 64, 0.9)])
    shown = quality.shown(factories.catalog(None), manifest, Size(4, 32), epochs=0)
    assert shown is not None and shown.chart is not None
    own = next(line for line in shown.chart.lines if line.kind == "own")
    assert [(a.value, b.value, solid) for a, b, solid in own.pieces] == [
        (2, 3, True),
        (3, 4, False),
        (4, 5, False),
        (5, 6, False),
    ]
    assert [(row.depth, row.estimate.kind) for row in shown.rows][1:3] == [(3, "measured"), (4, "interpolated")]
    assert shown.here.value == pytest.approx(0.4) and shown.here.kind == "interpolated"
    assert [(baseline.label, baseline.reference) for baseline in shown.baselines] == [
        ("scratch", None),
        ("truncation", None),
    ]
    far = quality.shown(factories.catalog(None), manifest, Size(500, 32), epochs=0)
    assert far is not None and far.chart is not None
    assert (far.here.kind, far.chart.beyond, far.rows[-1].depth) == ("unknown", True, 500)
    assert quality.shown(factories.catalog(None), learngene(), Size(4, 32), epochs=0) is None


def test_the_slider_reaches_what_can_be_hit_and_the_number_all_of_it() -> None:
    manifest, _ = factories.learngene()
    made = controls(manifest, Request(depth=5, width=32))
    assert (made.slider.last, made.space_depth.last) == (32, 512)
    assert controls(manifest, Request(depth=400)).slider.last == 512
    assert (controls(manifest, Request(depth=9999, width=1)).depth, made.depth) == (512, 5)


def test_every_block_is_drawn_or_counted_and_shares_are_whole() -> None:
    manifest, _ = factories.learngene()
    for depth in (2, 6, 40, 41, 512):
        drawn = origin(initialize(manifest, Request(depth=depth)), manifest)
        assert sum(cell.count for cell in drawn.cells) == depth
        assert sum(share.breadth for share in drawn.shares) == pytest.approx(100)
    feeds = [(layer.name, layer.blocks) for layer in origin(initialize(manifest, Request(depth=2)), manifest).layers]
    assert feeds == [("stage 0", 1), ("stage 1", 0), ("stage 2", 1)]
    assert [cell.source for cell in origin(initialize(manifest, Request(depth=4)), manifest).cells] == [
        "stage 0",
        "stage 0",
        "stage 1",
        "stage 2",
    ]


def test_the_lines_of_tleg_are_drawn_as_one_or_as_the_stages_they_were_learned_for() -> None:
    plain, _ = tleg.make()
    assert [cell.source for cell in origin(initialize(plain, Request(depth=2)), plain).cells] == [
        "base",
        "base + 1/2 slope",
    ]
    staged, _ = tleg.make(stages=(3, 3))
    drawn = origin(initialize(staged, Request(depth=3)), staged)
    assert [cell.source for cell in drawn.cells] == ["stage 0", "stage 0", "stage 1"]
    assert [(layer.name, layer.blocks) for layer in drawn.layers] == [("stage 0", 2), ("stage 1", 1)]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("request_", [Request(), Request(dtype="bf16")])
def test_what_is_to_be_pasted_is_python_and_names_the_size(request_: Request, keyed: bool) -> None:
    wanted = Wanted("https://zoo.example:8000", "deit-s@3", Size(9, 384), request_, keyed)
    found = {snippet.id: snippet.text for snippet in snippets.snippets(wanted, PLAIN)}
    assert list(found) == ["curl", "python", "timm", "transformers", "cli"]
    for id in ("python", "timm", "transformers"):
        ast.parse(found[id])
        assert "zoo.example:8000" in found[id]
    assert '"hf-hub:deit-s/depth9-width384@v3"' in found["timm"]
    assert 'revision="v3"' in found["transformers"]
    assert ("LEARNGENES_KEY" in found["curl"]) == ("HF_TOKEN" in found["timm"]) == keyed


def test_what_no_library_can_load_is_said_instead_of_a_line_that_fails() -> None:
    crossing = StitchedGeometry(replace(PLAIN, depth=4, width=192, heads=3), replace(PLAIN, depth=5))
    wanted = Wanted("http://zoo", "pool", Size(9, 384), Request(), False)
    found = {snippet.id: snippet for snippet in snippets.snippets(wanted, crossing)}
    assert found["timm"].text == found["transformers"].text == ""
    assert "no plain ViT" in found["timm"].note and "no class" in found["transformers"].note
    pooled = replace(PLAIN, class_token=True, pool="avg")
    native = {snippet.id: snippet for snippet in snippets.snippets(wanted, pooled)}["transformers"]
    assert "-hf" not in native.text and "timm" in native.note


def event(step: int, **more: Any) -> dict[str, Any]:
    return {"event": "step", "phase": "auxiliary", "step": step, "steps": 100, "time": 1e9, **more}


def test_what_a_job_says_becomes_curves_in_which_a_step_taken_again_counts_as_taken_last() -> None:
    said = [event(n, loss=3.0 - n / 100, images_per_second=10.0) for n in range(1, 61)]
    said += [{"event": "crashed", "attempt": 1, "time": 1e9}] + [event(n, loss=1.0) for n in range(50, 101)]
    said += [event(100, phase="distil", loss=0.5), {"event": "epoch", "phase": "distil", "step": 100, "accuracy": 0.25}]
    said += [{"event": "checkpoint", "step": n} for n in range(5)] + [
        {"event": "step"},
        {},
        {"event": "step", "step": "x"},
    ]
    shown = told.told([(f"{n}-0", one) for n, one in enumerate(said)])
    loss, accuracy, speed = shown.curves
    assert (loss.first, loss.last, loss.latest) == (1, 200, 0.5)
    assert (accuracy.last, accuracy.latest, len(accuracy.points)) == (200, 0.25, 1)
    assert speed.latest == 10.0
    assert [word.event for word in shown.words] == ["?", "checkpoint", "crashed"]
    assert shown.rows == [{"at": 200, "phase": "distil", "step": 100, "loss": 0.5, "accuracy": 0.25}]
    assert len(told.told([(f"{n}-0", event(n, loss=1.0)) for n in range(9000)]).curves[0].points) == told.MOST_POINTS
    assert told.told([]).curves[0].latest is None
