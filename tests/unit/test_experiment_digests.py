"""What makes a task the same one, and so its outcome one that is there already."""

from __future__ import annotations

import importlib
import json
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

from experiments import grid, tasks
from learngenes.fit_job import FitJob
from learngenes.zoo import METHODS


def test_tables_share_what_they_declare_alike_and_nothing_else() -> None:
    t1, t4 = (list(tasks.measures(grid.load(name))) for name in ("t1", "t4"))
    by_digest = {task.digest: task for task in t1}
    shared = [(task, by_digest[task.digest]) for task in t4 if task.digest in by_digest]
    assert {(a.row.name, b.row.name) for a, b in shared} == {("order 1", "SWS")}
    needs = tasks.with_needs(iter([*t1, *t4]))
    assert len({task.digest for task in needs}) == len(needs)
    for i, task in enumerate(needs):
        assert all(need in needs[:i] for need in task.needs)


def test_whatever_decides_a_result_changes_the_digest_and_a_name_does_not() -> None:
    """Every field of every task, and of what they hold."""
    fitted = next(t for t in tasks.measures(grid.load("better-tuned")) if t.fit and t.epochs)
    plain = next(t for t in tasks.measures(grid.load("better-tuned")) if t.row.name == "SWS" and t.epochs)
    fit, learn, taught = fitted.fit, fitted.learn, fitted.learn.ancestor
    assert fit is not None and isinstance(taught, tasks.Teach) and learn.job.data is not None
    assert taught.options.training is not None and learn.job.training is not None
    job, other = learn.job, replace(learn.job.data, test="digits:test")
    longer, wider = replace(learn.job.training, epochs=9), replace(learn.job.geometry, depth=15)
    of_measure: dict[str, Any] = {
        "learn": replace(learn, job=replace(job, seed=9)),
        "row": replace(plain.row, options={"order": "front-last-mid"}),
        "depth": 7,
        "width": 64,
        "epochs": 1,
        "train": "digits:train",
        "test": "digits:test",
        "training": {"batch": 1},
        "data": {"flip": 0.1},
        "precision": "float32",
        "fit": fit,
    }
    of_fit: dict[str, Any] = {
        "learn": replace(learn, job=replace(job, seed=9)),
        "depth": 7,
        "width": 64,
        "data": other,
        "options": {"steps": 1},
    }
    of_learn: dict[str, Any] = {
        "job": replace(job, training=longer),
        "ancestor": replace(taught, seed=9),
        "input": replace(learn.input, crop_pct=0.5),
    }
    of_teach: dict[str, Any] = {
        "seed": 9,
        "options": replace(taught.options, training=replace(taught.options.training, epochs=9)),
        "geometry": replace(taught.geometry, classes=9),
        "data": other,
    }
    of_job: dict[str, Any] = {
        "method": "tleg",
        "geometry": wider,
        "data": other,
        "training": longer,
        "ancestor": taught.options,
        "options": {"stages": [4, 3, 3, 3, 3]},
        "seed": 9,
    }
    differ: list[tuple[tasks.Task, dict[str, Any]]] = [
        (plain, of_measure),
        (fitted, {"fit": replace(fit, depth=7)}),
        (fit, of_fit),
        (learn, of_learn),
        (taught, of_teach),
        *((learn, {"job": replace(job, **{name: value})}) for name, value in of_job.items()),
    ]
    for task, by_field in differ:
        for name, value in by_field.items():
            assert replace(task, **{name: value}).digest != task.digest, (type(task).__name__, name)
    told: list[tuple[type[Any], dict[str, Any], set[str]]] = [
        (tasks.Measure, of_measure, set()),
        (tasks.Fit, of_fit, set()),
        (tasks.Learn, of_learn, {"name"}),
        (tasks.Teach, of_teach, {"name"}),
        (type(job), of_job, {"name", "license", "description"}),
    ]
    for kind, by_field, decides_nothing in told:
        assert by_field.keys() | decides_nothing == {f.name for f in fields(kind)}
    renamed = replace(learn, name="other", job=replace(job, name="other", description="else"))
    assert replace(plain, learn=renamed, row=replace(plain.row, name="else")).digest == plain.digest


def test_how_test_images_are_shown_decides_untuned_results_too() -> None:
    untuned = next(t for t in tasks.measures(grid.load("better-tuned")) if not t.epochs)
    shown = replace(untuned, row=replace(untuned.row, data={"crop_pct": 0.5}))
    padded = replace(untuned, row=replace(untuned.row, data={"padding": 3}))
    assert (shown.digest != untuned.digest, padded.digest == untuned.digest) == (True, True)


def test_defaults_that_digests_leave_out_are_those_of_this_format() -> None:
    first = next(tasks.measures(grid.load("t1")))
    fit = asdict(FitJob("any", 1, 1, first.learn.job.data)) | {"data": None}  # type: ignore[arg-type]
    tuning = asdict(replace(first, epochs=1, training={}).job("any").tuning(1, width=96, fused_attention=False))
    pinned = tasks.digest({"fit": fit, "tuning": tuning})
    assert pinned == "e33b291cec2a19f8", "these defaults decide outcomes: raise tasks.FORMAT, then pin them"


def test_defaults_of_the_methods_options_are_those_of_this_format() -> None:
    """Tables name the options that they mean; the others go into no digest."""
    defaults = {}
    for method in sorted(METHODS):
        module = importlib.import_module(f"learngenes.methods.{method}.options")
        for kind in ("LearnOptions", "PlanOptions", "FitOptions"):
            options = fields(getattr(module, kind)) if hasattr(module, kind) else ()
            given = {f.name: f.default for f in options if f.default is not MISSING}
            given |= {f.name: f.default_factory() for f in options if f.default_factory is not MISSING}
            defaults[f"{method}.{kind}"] = given
    pinned = tasks.digest(json.loads(json.dumps(defaults, default=list)))
    assert pinned == "9502d231917d4bf2", "where one of these changed what is learned, raise tasks.FORMAT; then pin them"
