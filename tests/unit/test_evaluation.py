"""What an evaluation measures, under which names it keeps it, and what it makes of it; nothing is measured here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from cases import wave

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.errors import BadCheckpoint, InvalidValue, NeedsLearning, UnknownName, UnsupportedSize
from learngenes.evaluation import grid, plots, tables
from learngenes.evaluation.grid import Cell, ImageFacts, Result, Setting
from learngenes.evaluation.job import EvaluationJob
from learngenes.evaluation.run import Evaluated, Measured
from learngenes.gene import Manifest, Parent
from learngenes.preparation import called, head_for
from learngenes.sizes import Size, SizeSpace, Steps

CLASSES = tuple("0123456789")
SETTING = Setting(
    test=ImageFacts("digits:test", 360, CLASSES),
    train=ImageFacts("digits:train", 1437, CLASSES),
    device="cpu",
    hardware="x",
)
MANIFEST, RAW = factories.learngene(labels=CLASSES)
CATALOG = factories.catalog(None, (MANIFEST, RAW))


def job(**changes: Any) -> EvaluationJob:
    given: dict[str, Any] = {"test": "digits:test", "train": "digits:train", "depths": (2, 3)}
    return EvaluationJob(learngene="tiny@1", **given | changes)


def cells(
    manifest: Manifest = MANIFEST, catalog: Catalog = CATALOG, setting: Setting = SETTING, **changes: Any
) -> list[Cell]:
    return grid.cells(job(**changes), manifest, catalog, setting)


def names(*arguments: Any, **changes: Any) -> set[str]:
    return {cell.name for cell in cells(*arguments, **changes)}


def test_the_recipe_is_the_authors_scaled_to_the_batch() -> None:
    small, base = (job().tuning(10, width=width, fused_attention=False) for width in (384, 768))
    assert (small.learning_rate, base.learning_rate) == (pytest.approx(5e-5 / 4), pytest.approx(1e-5 / 4))
    assert (small.batch, small.min_lr, small.warmup_epochs, small.weight_decay) == (128, 1e-6, 0.0, 0.05)
    whole = job(training={"batch": 512}).tuning(10, width=384, fused_attention=False)
    assert whole.learning_rate == pytest.approx(5e-5)


def test_a_table_overrides_the_recipe() -> None:
    changed = job(training={"learning_rate": 1e-3, "drop_path": 0.1}).tuning(1, width=384, fused_attention=False)
    assert (changed.learning_rate, changed.drop_path, changed.weight_decay) == (1e-3, 0.1, 0.05)
    tiny = job(training={"learning_rate": 1e-7}).tuning(1, width=384, fused_attention=False)
    assert tiny.min_lr == 1e-7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": ()}, "depths is empty"),
        ({"depths": (0,)}, "depths are whole numbers of at least 1, got 0"),
        ({"seeds": (1, 1)}, "seeds names 1 twice"),
        ({"epochs": (0, 10), "train": None}, "10 epochs of tuning need images to train on"),
        ({"training": {"epochs": 3}}, r"epochs is an option of the evaluation; take it out of \[training\]"),
        ({"data": {"test": "digits:test"}}, r"take it out of \[data\]"),
        ({"epochs": (1,), "training": {"batch": 0}}, "batch is at least 1"),
    ],
)
def test_a_job_that_can_not_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        job(**changes)


def test_an_unknown_key_of_a_table_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'weight_decay'"):
        job(training={"weightdecay": 0.1})


def test_untuned_descendants_in_which_nothing_is_drawn_are_one_cell_for_all_seeds() -> None:
    made = cells(epochs=(0, 2), seeds=(0, 1, 2))
    assert [(cell.depth, cell.epochs, cell.seed) for cell in made] == [
        (2, 0, 0), (2, 2, 0), (2, 2, 1), (2, 2, 2), (3, 0, 0), (3, 2, 0), (3, 2, 1), (3, 2, 2)
    ]  # fmt: skip


def test_a_fresh_head_is_drawn_anew_for_every_seed() -> None:
    unlike = replace(SETTING, test=ImageFacts("folder:flowers", 100, ("rose", "tulip")))
    made = cells(setting=unlike, seeds=(0, 1), depths=(2,))
    assert [cell.seed for cell in made] == [0, 1]
    assert all(cell.recipe.geometry.classes == 2 for cell in made)
    assert len({cell.name for cell in made}) == 2


def test_an_untuned_measurement_has_the_seed_the_learngene_was_learned_with() -> None:
    manifest = replace(MANIFEST, training={"seed": 7})
    catalog = factories.catalog(None, (manifest, RAW))
    assert {cell.seed for cell in cells(manifest, catalog)} == {7}


def test_a_cells_name_is_that_of_everything_that_decides_it() -> None:
    base = names(epochs=(0, 1))
    assert names(epochs=(0, 1)) == base
    assert names(epochs=(0, 1), depths=(2, 3, 4)) > base
    for changes in (
        {"training": {"learning_rate": 1e-3}},
        {"data": {"flip": 0.0}},
        {"precision": "bfloat16"},
        {"seeds": (1,)},
    ):
        assert len(names(epochs=(0, 1), **changes) & base) <= 2  # at most the untuned ones are the same
        assert not names(epochs=(1,), **changes) & base
    assert not names(setting=replace(SETTING, device="cuda")) & base
    assert not names(setting=replace(SETTING, test=ImageFacts("digits:test", 359, CLASSES))) & base


def test_what_changes_no_result_changes_no_name() -> None:
    assert names(epochs=(1,), training={"checkpoint_minutes": 1.0, "workers": 2}) == names(epochs=(1,))


def test_a_version_with_more_measurements_has_the_same_cells() -> None:
    later = replace(MANIFEST, version=2, training={"more": "words"})
    catalog = factories.catalog(None, (MANIFEST, RAW), (later, RAW))
    assert names(later, catalog) == names()
    other, raw = factories.learngene(labels=CLASSES, seed=1)
    assert not names(other, factories.catalog(None, (other, raw))) & names()


def test_sizes_that_can_not_be_are_refused_before_anything_is_measured() -> None:
    with pytest.raises(UnsupportedSize, match="depth 600"):
        cells(depths=(2, 600))
    manifest, raw = wave.make(sizes=((4, 32),))
    with pytest.raises(NeedsLearning):
        cells(manifest, factories.catalog(None, (manifest, raw)), depths=(3,), widths=(32,))


def test_a_fitted_size_is_measured_as_what_was_fitted() -> None:
    manifest, raw = wave.make(sizes=((4, 32), (3, 32)))
    short = replace(manifest, method_facts=manifest.method_facts | {"sizes": [[4, 32]]})
    child = replace(
        manifest,
        name=gene.fitted_name(manifest.name, Size(3, 32)),
        space=SizeSpace(Steps(3, 3), Steps(32, 32)),
        parent=Parent(short.reference, short.digest),
    )
    catalog = factories.catalog(None, (short, raw), (child, raw))
    (cell,) = cells(short, catalog, depths=(3,), widths=(32,))
    assert (cell.learngene, cell.depth) == (child.reference, 3)


def test_latencies_come_last_and_belong_to_the_hardware() -> None:
    made = cells(latency=True)
    assert [cell.metric for cell in made] == ["top1", "top1", "latency_ms", "latency_ms"]
    elsewhere = cells(latency=True, setting=replace(SETTING, hardware="y"))
    assert [one.name == other.name for one, other in zip(made, elsewhere, strict=True)] == [True, True, False, False]


RESULT = Result(0.5, 360, 44, "1 x 1 threads of something", {"torch": "2", "timm": "1", "python": "3"})


def test_a_result_is_read_back_and_a_strange_file_is_refused(tmp_path: Path) -> None:
    first, second = cells()
    assert grid.read(tmp_path, first) is None
    grid.write(tmp_path, first, RESULT)
    assert grid.read(tmp_path, first) == RESULT
    assert [path.name for path in tmp_path.iterdir()] == [f"{first.name}.json"]
    (tmp_path / f"{first.name}.json").rename(tmp_path / f"{second.name}.json")
    with pytest.raises(BadCheckpoint, match="holds another measurement"):
        grid.read(tmp_path, second)
    for junk in ("", "[]", "{}", '{"key": 1}'):
        (tmp_path / f"{second.name}.json").write_text(junk)
        with pytest.raises(BadCheckpoint, match="delete it"):
            grid.read(tmp_path, second)


def evaluated(**changes: Any) -> Evaluated:
    """Made-up results: every value follows from its cell."""
    made = []
    for cell in cells(**changes):
        value = 3.25 if cell.metric == "latency_ms" else 0.2 + cell.depth / 20 + cell.epochs / 50 + cell.seed / 100
        made.append(Measured(cell, replace(RESULT, value=value)))
    return Evaluated(tuple(made), stopped=False)


ALL: dict[str, Any] = {"epochs": (0, 1), "seeds": (0, 1), "widths": (16, 32), "latency": True}


def test_the_table_has_a_row_for_every_size_with_its_intervals() -> None:
    found = evaluated(**ALL)
    rows = tables.rows(found)
    assert [(row.size.width, row.size.depth) for row in rows] == [(16, 2), (16, 3), (32, 2), (32, 3)]
    assert rows[0].top1[0].seeds == 1
    assert rows[0].top1[1].seeds == 2
    assert rows[0].top1[1].value == pytest.approx(0.325)
    assert rows[0].latency_ms is not None
    assert rows[0].latency_ms.value == 3.25
    text = tables.page(job(**ALL), MANIFEST, found, name="tiny", command="learngenes evaluate")
    assert "| 2 | 16 | " in text
    assert " | 30.00 % (25.50 to 34.92) | 32.50 % (26.15 to 38.85) | 3.25 ms |" in text
    assert "learning rate 1.25e-05 at width 32" in text
    assert "scaled by batch / 512" in text


def test_what_is_missing_is_said() -> None:
    found = evaluated()
    first, second = found.measured
    holes = Evaluated((Measured(first.cell, None, "its process ended with signal SIGKILL"), second), stopped=False)
    text = tables.page(job(), MANIFEST, holes, name="tiny", command="learngenes evaluate")
    assert "Not measured: 1 of 2 cells." in text
    assert "signal SIGKILL" in text
    assert "| not measured |" in text
    table = json.loads(tables.as_json(job(), MANIFEST, holes, command=""))
    assert [entry["cell"] for entry in table["missing"]] == [first.cell.name]


def test_page_json_and_picture_are_the_same_bytes_again() -> None:
    for widths in ((32,), (16, 32)):
        changes = ALL | {"widths": widths}
        one, other = evaluated(**changes), evaluated(**changes)
        assert tables.as_json(job(**changes), MANIFEST, one, command="c") == tables.as_json(
            job(**changes), MANIFEST, other, command="c"
        )
        pictures = [plots.svg(tables.rows(found), title="tiny") for found in (one, other)]
        assert pictures[0] == pictures[1]
        assert pictures[0].startswith(b"<?xml")
        assert len(pictures[0]) < 60_000


def test_a_head_is_asked_for_only_where_the_classes_differ() -> None:
    assert head_for(MANIFEST, CLASSES) == {}
    assert head_for(MANIFEST, ("a", "3")) == {"labels": ("a", "3")}
    nameless = replace(MANIFEST, labels=())
    assert head_for(nameless, tuple("abcdefghij")) == {}
    assert head_for(nameless, ("a", "b")) == {"num_classes": 2}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("digits:test", ("digits", "test")),
        ("parquet:cifar100/test.parquet", ("cifar100", "test")),
        ("folder:flowers/val", ("flowers", "val")),
    ],
)
def test_a_source_names_its_data_set_and_split(source: str, expected: tuple[str, str]) -> None:
    assert called(source) == expected
