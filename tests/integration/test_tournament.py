"""Methods compared at one size: learned, built, tuned and measured for real, and continued after a kill."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import factories
import pytest
from cases import jobs
from cases.measurements import top1

from learngenes import spec
from learngenes.catalog import Catalog
from learngenes.errors import BadCheckpoint, BadData
from learngenes.gene import Normalization
from learngenes.job import Stopped
from learngenes.learners import FITTERS
from learngenes.perform.job import perform
from learngenes.perform.workplace import Outcome, Workplace
from learngenes.store.local import LocalStore
from learngenes.tournament.contestants import Excluded, learnings, shared_ancestor, stages
from learngenes.tournament.effort import recorded
from learngenes.tournament.report import Effort, Entry, page, rank
from learngenes.zoo import METHODS

TRAINING = {"epochs": 1, "batch": 128, "learning_rate": 2e-3, "fused_attention": False, "report_seconds": 0}
GEOMETRY = jobs.GEOMETRY | {"depth": 4, "heads": 4}
SPEC: dict[str, Any] = {
    "depth": 2,
    "width": 16,
    "geometry": GEOMETRY,
    "data": jobs.DATA,
    "training": TRAINING,
    "ancestor": {"architecture": "vit", "training": TRAINING | {"epochs": 2}},
    "tuning_epochs": 1,
    "tuning": {"batch": 128, "learning_rate": 2e-3},
    "seeds": [0, 1],
    "methods": ["scratch", "selection", "sws", "minideit"],
    "learngenes": ["tiny@1", "tiny@2"],
    "options": {"minideit": {"repeats": 3}},
}
"""Mini-DeiT can't share 2 blocks by 3, and tiny@2 has no depth of 2."""

pytestmark = pytest.mark.slow


def play(
    place: Path, seen: list[dict[str, Any]], document: dict[str, Any] = SPEC, *, stop_at: int = 10**9
) -> Outcome | Stopped | None:
    """The tournament in this process, stopped soon after so many more steps; its events are appended to `seen`."""
    (place / "run").mkdir(exist_ok=True)
    wanted = spec.read("tournament", document)
    catalog = Catalog(LocalStore(place / "store"))
    spec.check(wanted, catalog)
    stops = len(seen) + stop_at
    return perform(
        wanted,
        Workplace(
            run=place / "run",
            data=place,
            store=str(place / "store"),
            catalog=catalog,
            command="",
            report=seen.append,
            stop=lambda: len(seen) >= stops,
        ),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place whose store has two versions of a learngene of colour images: the second takes no other size."""
    place = tmp_path_factory.mktemp("store")
    manifest, raw = factories.learngene(stages=(1, 2, 1), labels=tuple("0123456789"))
    grey = replace(manifest, normalization=Normalization((0.3,) * 3, (0.38,) * 3))
    fixed = replace(grey, version=2, space=replace(grey.space, depth=replace(grey.space.depth, first=4, last=4)))
    factories.catalog(None, (grey, raw), (fixed, raw), store=LocalStore(place / "store"))
    return place


@pytest.fixture(scope="module")
def straight(store: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report of a tournament that nobody interrupted, and its events."""
    seen: list[dict[str, Any]] = []
    outcome = play(store, seen)
    assert isinstance(outcome, Outcome)
    assert outcome.report is not None
    return outcome.report, seen


def test_every_method_that_can_is_ranked_and_what_it_was_given_is_counted(
    straight: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    report, _ = straight
    rows = {row["contestant"]: row for row in report["rows"]}
    assert rows.keys() == {"scratch", "selection", "sws", "tiny@1"}
    assert {row["tuning_steps"] for row in rows.values()} == {11}
    steps = {name: row["steps"] for name, row in rows.items()}
    assert steps == {"scratch": 0, "selection": 0, "sws": 11, "tiny@1": None}
    assert rows["sws"]["images"] == 11 * 128
    assert all((row["fitting_steps"], row["depth"], row["width"]) == (0, 4, 32) for row in rows.values())
    assert rows["scratch"]["stored"] == 0 < rows["sws"]["stored"] < rows["selection"]["stored"]
    means = [row["top1"]["value"] for row in report["rows"]]
    assert means == sorted(means, reverse=True)
    assert all(row["seeds"].keys() == {"0", "1"} and row["behind"] >= 0 for row in rows.values())
    assert report["ancestor"] | {"seconds": 0, "accuracy": 0} == {
        "architecture": "vit", "steps": 22, "images": 22 * 128, "seconds": 0, "accuracy": 0
    }  # fmt: skip
    assert json.loads(json.dumps(report)) == report


def test_who_can_not_take_part_is_named_with_the_reason(
    straight: tuple[dict[str, Any], list[dict[str, Any]]], store: Path
) -> None:
    excluded = {one["name"]: one["reason"] for one in straight[0]["excluded"]}
    assert excluded.keys() == {"minideit", "tiny@2"}
    assert "takes depth 4" in excluded["tiny@2"]
    text = (store / "run" / "report.md").read_text()
    assert text == page(straight[0])
    assert f"- minideit: {excluded['minideit']}" in text


def test_a_learngene_of_the_store_is_marked_and_told_apart_by_its_own_training(
    straight: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    text = page(straight[0])
    assert "| tiny@1 \\* | 4 x 32 |" in text
    assert "- tiny@1: images not recorded, so many not recorded, epochs not recorded, batch not recorded" in text
    assert [row["contestant"] for row in straight[0]["rows"] if row["conditions"] is not None] == ["tiny@1"]


def test_of_a_fitted_learngene_of_the_store_the_fitting_counts_too() -> None:
    manifest, _ = factories.learngene()
    trained = replace(manifest, training={"steps": 30, "batch": 64, "seconds": 2.0, "train": "digits:train"})
    child = replace(trained, training={"steps": 200, "batch": 32, "seconds": 1.5})
    effort = recorded(trained, child)
    assert (effort.steps, effort.images, effort.fitting_steps, effort.fitting_images) == (30, 1920, 200, 6400)
    assert effort.seconds == 3.5
    assert effort.conditions is not None
    assert effort.conditions["train"] == "digits:train"
    pool = replace(trained, training={"steps": 3, "batch": 8, "auxiliary": {"small": {"steps": 4}}})
    assert (recorded(pool, None).steps, recorded(pool, None).images, recorded(pool, None).seconds) == (7, None, None)


def test_a_tournament_whose_directory_was_moved_midway_goes_on_and_counts_the_fitting_apart(
    tmp_path: Path,
) -> None:
    alone = {"methods": ["wave"], "options": {}, "learngenes": [], "seeds": [0], "tuning_epochs": 0, "tuning": {}}
    before, after, seen = tmp_path / "before", tmp_path / "after", list[dict[str, Any]]()
    before.mkdir()
    stopped = play(before, seen, SPEC | alone, stop_at=32)
    assert isinstance(stopped, Stopped)
    assert stopped.phase == "auxiliary"
    shutil.copytree(before, tmp_path / "swapped")
    before.rename(after)
    outcome = play(after, seen, SPEC | alone)
    assert isinstance(outcome, Outcome)
    assert outcome.report is not None
    (row,) = outcome.report["rows"]
    assert (row["steps"], row["images"]) == (11, 11 * 128)
    assert (row["fitting_steps"], row["fitting_images"]) == (200, 200 * 256)
    swapped = tmp_path / "swapped" / "run" / "ancestor" / "ancestor.safetensors"
    raw = swapped.read_bytes()
    swapped.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(BadCheckpoint, match=r"ancestor\.checkpoint was"):
        play(tmp_path / "swapped", seen, SPEC | alone)


def test_a_method_that_finds_out_late_that_it_can_not_is_named_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> NoReturn:
        raise BadData("an image can't be read")

    monkeypatch.setitem(FITTERS, "wave", late)
    without = {name: value for name, value in SPEC.items() if name not in ("ancestor", "tuning", "tuning_epochs")}
    changes = {"methods": ["scratch", "wave"], "options": {}, "learngenes": [], "seeds": [0]}
    outcome = play(tmp_path, [], without | changes)
    assert isinstance(outcome, Outcome)
    assert outcome.report is not None
    assert [row["contestant"] for row in outcome.report["rows"]] == ["scratch"]
    assert outcome.report["excluded"] == [{"name": "wave", "reason": "an image can't be read"}]


def test_the_ancestor_is_trained_once_and_events_say_of_whom_they_are(
    straight: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    starts = [(event["contestant"], event["phase"]) for event in straight[1] if event["event"] == "start"]
    assert starts.count(("ancestor", "ancestor")) == 1
    assert {("sws-seed0", "auxiliary"), ("sws-seed1", "auxiliary"), ("scratch-seed1", "tuning")} <= set(starts)
    assert len(starts) == 1 + 2 + 8
    assert sum(event["event"] == "measured" for event in straight[1]) == 8


def test_a_tournament_stopped_again_and_again_gives_the_same_report(
    straight: tuple[dict[str, Any], list[dict[str, Any]]], store: Path, tmp_path: Path
) -> None:
    (tmp_path / "store").symlink_to(store / "store")
    seen: list[dict[str, Any]] = []
    rounds = 0
    while isinstance(outcome := play(tmp_path, seen, stop_at=40), Stopped):
        rounds += 1
    assert rounds >= 2
    assert isinstance(outcome, Outcome)
    assert outcome.report is not None
    times = {"seconds": 0.0}
    for report in (straight[0], outcome.report):
        report["rows"] = [row | times for row in report["rows"]]
        report["ancestor"] |= times
    assert outcome.report == straight[0]
    seen.clear()
    again = play(tmp_path, seen)  # a finished one trains nothing
    assert isinstance(again, Outcome)
    assert {event["event"] for event in seen} == {"start", "measured"}
    assert {event["step"] - event["steps"] for event in seen if event["event"] == "start"} == {0}


def test_every_method_has_defaults_that_suit_its_learner() -> None:
    wanted = spec.read("tournament", SPEC | {"methods": [], "options": {}})
    assert isinstance(wanted, spec.Tournament)
    job = wanted.job
    for ancestor in (job.ancestor, shared_ancestor(job, "x.safetensors")):
        found, excluded = learnings(job, seed=3, ancestor=ancestor)
        assert (found.keys(), excluded) == (METHODS.keys(), [])
        assert {learning.seed for learning in found.values()} == {3}
    without, excluded = learnings(replace(job, ancestor=None), seed=0, ancestor=None)
    assert {one.name for one in excluded} == {"selection", "subcloning", "vanilla_lg", "learngenepool"}
    assert without["sws"].options["alpha"] == 0
    assert all(isinstance(one, Excluded) and "[ancestor]" in one.reason for one in excluded)


def test_the_example_of_the_documentation_is_a_tournament_that_can_be_held(store: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text("utf-8")
    wanted = spec.from_json(text.partition("```json")[2].partition("```")[0].encode())
    assert isinstance(wanted, spec.Tournament)
    spec.check(wanted, Catalog(LocalStore(store / "store")))


@pytest.mark.parametrize(
    ("depth", "dealt"), [(16, (3, 3, 4, 3, 3)), (12, (2, 2, 3, 3, 2)), (6, (2, 2, 2)), (3, (3,)), (1, (1,))]
)
def test_blocks_are_dealt_to_stages_as_in_the_paper(depth: int, dealt: tuple[int, ...]) -> None:
    assert sorted(stages(depth)) == sorted(dealt)
    assert stages(16) == (3, 3, 4, 3, 3)
    assert sum(stages(depth)) == depth


def test_ranks_follow_the_means_and_differences_are_taken_seed_by_seed() -> None:
    values = {"a": (0.50, 0.70), "b": (0.49, 0.68), "c": (0.49, 0.68), "d": (0.2, 0.3)}
    effort = Effort(4, 32, 5, 640, 0, 0, 1.0)
    entries = [
        Entry(name, seed, replace(top1(2, 16, value), seed=seed), 10 if name == "c" else 20, effort, 2)
        for name, pair in values.items()
        for seed, value in enumerate(pair)
    ]
    rows = rank(entries)
    assert [row.contestant for row in rows] == ["a", "c", "b", "d"]
    assert (rows[0].behind, rows[0].behind_low) == (0, None)
    assert rows[1].behind == pytest.approx(0.015)
    assert rows[1].behind_low is not None
    assert rows[1].behind_low < 0.015
    assert rows[1].seeds == {0: 0.49, 1: 0.68}
