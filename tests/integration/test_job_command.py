"""`learngenes job` as a worker runs it: stopped, continued, repeated, refused; what outcome.json and the store say."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from cases import jobs, wave
from cases.measurements import top1
from PIL import Image

from learngenes import spec
from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes.job import Stopped
from learngenes.perform.evaluate import CellsFailed
from learngenes.perform.job import perform
from learngenes.perform.workplace import Outcome, Workplace
from learngenes.publish import publish_measured
from learngenes.store.local import LocalStore

LEARN = jobs.learn(epochs=20, measure=[2, 3], alias="best", private=True, dtype="f16")
SENTENCE = {"code": "learngene-not-found", "detail": "no learngene 'nobody' here; none are known"}

pytestmark = pytest.mark.slow


def here(document: dict[str, Any], place: Path, seen: list[dict[str, Any]], **more: Any) -> Outcome | Stopped | None:
    """The job in this process; its events are appended to `seen`."""
    (place / "run").mkdir(parents=True, exist_ok=True)
    wanted = spec.from_json(json.dumps(document).encode())
    at = Workplace(
        run=place / "run",
        data=place,
        store=str(place / "store"),
        catalog=Catalog(LocalStore(place / "store")),
        command="learngenes ...",
        report=seen.append,
        stop=lambda: False,
        job=spec.identify(wanted),
    )
    return perform(wanted, replace(at, **more))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LEARN, stopped by a signal, and continued to its end."""
    place = tmp_path_factory.mktemp("learned")
    process = jobs.start(LEARN, place)
    jobs.wait_for("step", place, process)
    process.send_signal(signal.SIGTERM)
    status, outcome = jobs.finish(process, place)
    assert status == 130, (place / "log").read_text()
    assert outcome["stopped"]["phase"] == "auxiliary"
    assert 0 < outcome["stopped"]["step"] < outcome["stopped"]["steps"] == 100
    assert not list((place / "store").glob("learngenes/*"))
    status, outcome = jobs.finish(jobs.start(LEARN, place), place)
    assert status == 0, (place / "log").read_text()
    assert outcome == {"published": ["toy@1"], "aliases": {"toy@best": "toy@1"}, "report": None}
    return place


def test_a_stopped_job_goes_on_where_it_was_and_publishes_a_measured_private_learngene(learned: Path) -> None:
    catalog = Catalog(LocalStore(learned / "store"))
    manifest = catalog.get("toy@best")
    assert manifest.training["job"] == spec.identify(spec.from_json(json.dumps(LEARN).encode()))
    assert (manifest.reference, manifest.dtype, catalog.private()) == ("toy@1", "F16", {"toy"})
    assert [(one.depth, one.n) for one in manifest.quality] == [(2, 360), (3, 360)]
    starts = [event["step"] for event in jobs.events(learned) if event["event"] == "start"]
    assert starts[0] == 0 < starts[1]


def test_the_events_say_how_fast_how_long_and_how_much_and_end_with_what_was_published(learned: Path) -> None:
    events = jobs.events(learned)
    steps = [event for event in events if event["event"] == "step"]
    assert steps[-1]["eta_seconds"] == 0 < steps[0]["eta_seconds"] < 60
    assert all(event["memory_bytes"] > 10**7 and event["images_per_second"] > 0 for event in steps)
    assert all(0 <= event["accuracy"] <= 1 for event in events if event["event"] == "epoch")
    assert [event["event"] for event in events[-2:]] == ["published", "end"]
    assert events[-2]["learngene"] == "toy@1"


@pytest.mark.parametrize("lost", ["outcome.json", "run"])
def test_a_job_that_published_and_lost_its_outcome_publishes_nothing_again(
    learned: Path, tmp_path: Path, lost: str
) -> None:
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "run" / "outcome.json").read_bytes()
    if lost == "run":
        shutil.rmtree(tmp_path / "run")
    else:
        (tmp_path / "run" / lost).unlink()
    words = ["job", str(jobs.write(LEARN, tmp_path)), "--run", str(tmp_path / "run")]
    assert main([*words, "--store", str(tmp_path / "store"), "--data", str(tmp_path)]) == 0
    assert (tmp_path / "run" / "outcome.json").read_bytes() == before
    catalog = Catalog(LocalStore(tmp_path / "store"))
    assert (catalog.versions("toy"), catalog.aliases("toy")) == ([1], {"best": 1})


def test_two_trainers_of_one_job_publish_once_and_other_jobs_take_the_next_version(tmp_path: Path) -> None:
    quick = jobs.learn()
    first = here(quick, tmp_path, [])

    class Late(Catalog):
        """The catalog of a trainer that looked so many times before the other one published."""

        looks = 0

        def versions(self, name: str) -> list[int]:
            self.looks -= 1
            return [] if self.looks >= 0 else super().versions(name)

    late = Late(LocalStore(tmp_path / "store"))
    for late.looks in range(7):
        assert here(quick, tmp_path, [], catalog=late) == first == Outcome(("toy@1",))
    other = jobs.learn(description="another job of that name")
    assert here(other, tmp_path, [], run=tmp_path) == Outcome(("toy@2",))


def test_measurements_become_the_next_version_once(learned: Path, tmp_path: Path) -> None:
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    document = {"kind": "evaluate", "spec": {"learngene": "toy", "test": "digits:test", "depths": [4], "alias": "new"}}
    seen: list[dict[str, Any]] = []
    wanted = Outcome(("toy@2",), {"toy@new": "toy@2"})
    assert here(document, tmp_path, seen, workers=1) == wanted
    assert here(document, tmp_path, seen, workers=1) == wanted  # as after a kill between publishing and outcome.json
    catalog = Catalog(LocalStore(tmp_path / "store"))
    assert [one.depth for one in catalog.get("toy@2").quality] == [2, 3, 4]
    assert catalog.get("toy@2").training["job"] == catalog.get("toy@1").training["job"]
    assert [event["event"] for event in seen].count("cell") == 1


def test_a_learning_done_again_leaves_its_alias_on_what_was_measured_since(learned: Path, tmp_path: Path) -> None:
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    catalog = Catalog(LocalStore(tmp_path / "store"))
    measured = publish_measured(catalog.get("toy"), [top1(4, 32, 0.5)], catalog=catalog)
    catalog.move_alias("toy", "best", measured.version)
    assert here(LEARN, tmp_path, []) == Outcome(("toy@1",), {"toy@best": "toy@2"})
    assert catalog.aliases("toy") == {"best": 2}
    other, raw = factories.learngene(name="toy", version=3)
    catalog.publish(other, [raw])
    catalog.move_alias("toy", "best", 3)  # of another job: this one asked for the alias to be its own
    assert here(LEARN, tmp_path, []) == Outcome(("toy@1",), {"toy@best": "toy@1"})


def test_a_failed_cell_is_a_crash_of_the_job_and_nothing_is_published(tmp_path: Path) -> None:
    for name in "0123456789":
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "a.png")
    (tmp_path / "images" / "0" / "a.png").write_bytes(b"no image")
    factories.catalog(None, factories.learngene(), store=LocalStore(tmp_path / "store"))
    document = {"kind": "evaluate", "spec": {"learngene": "tiny", "test": "folder:images", "depths": [2]}}
    with pytest.raises(CellsFailed, match=r"depth2-width32.* failed: "):
        here(document, tmp_path, [], workers=1)
    assert Catalog(LocalStore(tmp_path / "store")).versions("tiny") == [1]


def test_what_is_fitted_is_published_once_and_private_where_its_parent_is(tmp_path: Path) -> None:
    manifest, raw = wave.make(name="templates", labels=tuple("0123456789"))
    catalog = factories.catalog(None, (manifest, raw), store=LocalStore(tmp_path / "store"))
    catalog.set_private("templates", True)
    data = jobs.DATA | {"mean": [0.5] * 3, "std": [0.5] * 3}
    fit = {"learngene": "templates", "depth": 3, "width": 16, "data": data, "steps": 3, "batch": 16, "images": 32}
    document, seen = {"kind": "fit-size", "spec": fit}, list[dict[str, Any]]()
    done = [here(document, tmp_path, seen) for _ in range(2)]
    assert done == [Outcome(("templates-depth3-width16@1",))] * 2
    assert catalog.private() == {"templates", "templates-depth3-width16"}
    child: Manifest = catalog.get("templates-depth3-width16")
    assert child.training["job"] == spec.identify(spec.from_json(json.dumps(document).encode()))
    assert [event["event"] for event in seen].count("start") == 1


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"kind": "evaluate", "spec": {"learngene": "nobody", "test": "digits:test", "depths": [2]}}, SENTENCE),
        ({"kind": "lern", "spec": {}}, {"code": "unknown-name"}),
        (jobs.learn(options={"stages": [1, 1]}), {"code": "invalid-value"}),
    ],
)
def test_a_job_that_can_not_be_says_so_and_is_refused(
    tmp_path: Path, document: dict[str, Any], error: dict[str, str]
) -> None:
    status, outcome = jobs.finish(jobs.start(document, tmp_path), tmp_path)
    assert (status, outcome.keys()) == (2, {"error"})
    assert outcome["error"].items() >= error.items()
    assert outcome["error"]["detail"] in (tmp_path / "log").read_text()


def test_what_lies_in_the_machine_is_a_crash_without_an_outcome(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a directory has to be")
    status = jobs.start(jobs.learn(), tmp_path).wait(timeout=60)
    assert status == 1, (tmp_path / "log").read_text()
    assert "File exists" in (tmp_path / "log").read_text()


def test_a_job_whose_worker_is_gone_does_nothing(tmp_path: Path) -> None:
    process = jobs.start(jobs.learn(), tmp_path, LEARNGENES_PARENT="999999999")
    assert process.wait(timeout=60) == 1
    assert not (tmp_path / "run").exists()
