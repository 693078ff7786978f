"""The promises of a method, kept by every one in zoo.METHODS: one line in FACTORIES each.

A case is a function that makes a tiny learngene with its defaults alone, the same bytes every time: 8 by 8 pixels, 10
classes, float32, unless the method needs it otherwise (tests/cases/made.py). All else is asked of the method itself:
its sizes of the manifest's space, its family of the recipe. A line in READY says what a request has to name where the
learngene's own size has to be fitted first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest
import torch
from cases import (
    learngenepool,
    made,
    mimetic,
    minideit,
    scratch,
    selection,
    simple_lg,
    subcloning,
    tleg,
    vanilla_lg,
    wave,
)
from hypothesis import given
from hypothesis import strategies as st

import learngenes
from learngenes import recipe as recipes
from learngenes.errors import InvalidValue, NeedsLearning, UnknownName, UnsupportedSize
from learngenes.families import architectures, transformers
from learngenes.formulas import compute
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize, method_of
from learngenes.recipe import Recipe, digest
from learngenes.report import KINDS, init_report, kind_of, lineage
from learngenes.sizes import Size
from learngenes.sources import Fill
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.zoo import ALWAYS, METHODS

FACTORIES: dict[str, Callable[..., tuple[Manifest, bytes]]] = {
    "sws": factories.learngene,
    "wave": wave.make,
    "selection": selection.make,
    "subcloning": subcloning.make,
    "learngenepool": learngenepool.make,
    "minideit": minideit.make,
    "tleg": tleg.make,
    "simple_lg": simple_lg.make,
    "vanilla_lg": vanilla_lg.make,
    "scratch": scratch.make,
    "mimetic": mimetic.make,
}
READY: dict[str, dict[str, Any]] = {}
BRIDGES: tuple[dict[str, Any], ...] = (
    {"img_size": 12},
    {"patch_size": 2},
    {"img_size": 24, "patch_size": 8},
    {"in_chans": 1},
    {"in_chans": 5},
    {"pool": "token"},
    {"pool": "avg"},
    {"img_size": 12, "in_chans": 1, "pool": "token", "num_classes": 3, "dtype": "f16"},
)
HERE = Path(learngenes.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "methods"


@pytest.fixture(params=FACTORIES)
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def opened(method: str) -> tuple[Manifest, TensorFile]:
    manifest, raw = FACTORIES[method]()
    return manifest, TensorFile(raw)


def asked(method: str, **request: Any) -> Request:
    """A request that the case is ready for."""
    return Request(**{**READY.get(method, {}), **request})


def planned(method: str, **request: Any) -> Recipe:
    return initialize(opened(method)[0], asked(method, **request))


def built(recipe: Recipe, method: str) -> bytes:
    return b"".join(stream(assemble(recipe, opened(method)[1])))


def tensors_of(method: str, **request: Any) -> TensorFile:
    return TensorFile(built(planned(method, **request), method))


def head_of(file: TensorFile, name: str) -> np.ndarray:
    """A tensor of the head, whatever the network calls it."""
    return file.array(next(full for full in file.tensors if full.endswith(f"head.{name}")))


@cache
def ready(method: str) -> tuple[Size, ...]:
    """Sizes to try, all to be had at once: depths up to 12 at the case's own width, a few widths at both ends."""
    space = opened(method)[0].space
    own = planned(method).geometry
    depths = [depth for depth in range(1, 13) if depth in space.depth] or [space.depth.first]
    widths = [width for width in range(1, 2 * own.width + 1) if width in space.width]
    some = widths[:: max(1, len(widths) // 6)]
    sizes = {Size(depth, own.width) for depth in depths} | {Size(d, w) for w in some for d in (depths[0], depths[-1])}
    return tuple(size for size in sorted(sizes) if at_once(method, size))


def at_once(method: str, size: Size) -> bool:
    """Whether a size of the space can be had as it is; if not, those that can are named, and can be had."""
    try:
        planned(method, depth=size.depth, width=size.width)
    except NeedsLearning as error:
        assert METHODS[method].fits and error.size == size and error.ready
        others = error.ready
    except UnsupportedSize as error:
        others = (error.nearest,)
    else:
        return True
    for other in others:
        assert planned(method, depth=other.depth, width=other.width).layer_map
    return False


def test_every_method_is_tested_here() -> None:
    assert FACTORIES.keys() == METHODS.keys()


def test_every_folder_is_a_method_of_the_zoo() -> None:
    folders = {path.name for path in (HERE / "methods").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_every_folder_has_the_same_files(name: str) -> None:
    assert {"__init__.py", "options.py", "plan.py"} <= {path.name for path in (HERE / "methods" / name).iterdir()}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_page(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text("utf-8").startswith("# ")


def test_the_factory_makes_a_learngene_of_its_method(method: str) -> None:
    manifest, _ = opened(method)
    assert method_of(manifest) is METHODS[method]
    assert manifest.varies == METHODS[method].varies
    assert manifest.space.within(METHODS[method].space(manifest.geometry, manifest.method_facts))


def test_what_varies_is_what_the_space_and_the_bridges_leave_open(method: str) -> None:
    space, varies = opened(method)[0].space, METHODS[method].varies
    assert ("depth" in varies, "width" in varies) == tuple(s.first < s.last for s in (space.depth, space.width))
    assert set(varies) <= {"depth", "width", *ALWAYS}
    assert {"num_classes", "labels", "dtype"} <= set(varies)


def test_every_size_loads_and_gives_finite_logits(method: str, tmp_path: Path) -> None:
    manifest, tensors = opened(method)
    several = not METHODS[method].fits and manifest.space.depth.first < manifest.space.depth.last
    assert len(ready(method)) >= (2 if several else 1)
    for size in ready(method):
        recipe = planned(method, depth=size.depth, width=size.width)
        assert (recipe.geometry.depth, recipe.geometry.width) == (size.depth, size.width)
        assert made.logits(recipe, manifest, tensors, tmp_path).shape == (2, manifest.geometry.classes)


def test_every_tensor_is_one_of_the_family_in_name_and_shape(method: str) -> None:
    for size in ready(method):
        recipe = planned(method, depth=size.depth, width=size.width, num_classes=5)
        file = TensorFile(built(recipe, method))
        assert {name: tensor.shape for name, tensor in file.tensors.items()} == architectures.shapes(recipe.geometry)
        assert len(recipe.layer_map) == size.depth and recipe.geometry.classes == 5


def test_transformers_names_are_given_to_the_same_values_or_refused_with_the_way_out(method: str) -> None:
    size = ready(method)[0]
    wanted: dict[str, Any] = {"depth": size.depth, "width": size.width}
    geometry = planned(method, **wanted).geometry
    try:
        names = list(transformers.tensors(geometry))
    except InvalidValue:
        with pytest.raises(InvalidValue, match="leave out keys"):
            planned(method, **wanted, keys="transformers")
        return
    ours, theirs = tensors_of(method, **wanted), tensors_of(method, **wanted, keys="transformers")
    assert sorted(theirs.tensors) == sorted(tensor.name for tensor in names)
    for tensor in names:
        expected = ours.array(tensor.timm)
        expected = expected if tensor.part is None else np.split(expected, 3)[tensor.part]
        np.testing.assert_array_equal(theirs.array(tensor.name), expected)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_every_dtype_is_the_float32_descendant_rounded_once(method: str, dtype: str) -> None:
    rounding = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    for size in {ready(method)[0], ready(method)[-1]}:
        wanted: dict[str, Any] = {"depth": size.depth, "width": size.width, "num_classes": 3}
        wide, file = tensors_of(method, **wanted), tensors_of(method, **wanted, dtype=dtype)
        for name in wide.tensors:
            expected = torch.from_numpy(wide.array(name).copy()).to(rounding).float().numpy()
            np.testing.assert_array_equal(file.array(name), expected)


def test_a_size_off_the_space_is_refused_with_a_nearest_that_works(method: str) -> None:
    manifest, _ = opened(method)
    space = manifest.space
    wrong: list[dict[str, Any]] = [{"depth": depth} for depth in (0, -1, space.depth.last + 1, 10**9)]
    wrong += [{"width": width} for width in (0, space.width.last + 1, 10**9)] + [{"depth": 0, "width": 1 << 70}]
    for request in wrong:
        with pytest.raises(UnsupportedSize, match=f"learngene '{manifest.reference}' can't be depth") as error:
            planned(method, **request)
        assert error.value.space == space
        nearest = error.value.nearest
        if at_once(method, nearest):
            geometry = planned(method, depth=nearest.depth, width=nearest.width).geometry
            assert (geometry.depth, geometry.width) == (nearest.depth, nearest.width)


def test_both_ends_of_the_space_work(method: str) -> None:
    space = opened(method)[0].space
    for depth, width in ((space.depth.first, space.width.first), (space.depth.last, space.width.last)):
        if at_once(method, Size(depth, width)):
            assert len(planned(method, depth=depth, width=width).layer_map) == depth


def test_an_unknown_option_names_the_nearest(method: str) -> None:
    for option in fields(METHODS[method].options):
        with pytest.raises(UnknownName, match=f"did you mean '{option.name}'"):
            planned(method, options={option.name + "x": 1})


def test_every_option_has_a_default_and_seed_is_one_of_them(method: str) -> None:
    assert METHODS[method].options().seed == 0


def test_another_number_of_classes_gets_a_fresh_head_and_says_so(method: str) -> None:
    manifest, tensors = opened(method)
    recipe, own = planned(method, num_classes=7, seed=3), planned(method, seed=3)
    kept = set(own.entries)
    heads = [entry for entry in recipe.entries if entry not in kept]
    assert [entry.name.rpartition("head.")[2] for entry in heads] == ["bias", "weight"]
    file = TensorFile(built(recipe, method))
    for entry in heads:
        assert isinstance(entry.source, Fill)
        np.testing.assert_array_equal(file.array(entry.name), compute(entry.source, entry.shape, tensors))
    assert head_of(file, "weight").any() and not head_of(file, "bias").any()
    names = " and ".join(entry.name for entry in heads)
    notes = init_report(recipe, manifest)["notes"]
    assert f"{names} are fresh: 7 classes were asked for, the learngene knows {manifest.geometry.classes}" in notes


def test_labels_the_learngene_knows_keep_their_rows_of_the_head(method: str) -> None:
    manifest, tensors = opened(method)
    named = replace(manifest, labels=tuple("abcdefghij"))
    recipe = initialize(named, asked(method, labels=("c", "new", "a")))
    own, file = tensors_of(method), TensorFile(b"".join(stream(assemble(recipe, tensors))))
    fresh = all(isinstance(e.source, Fill) for e in planned(method).entries if e.name.endswith("head.weight"))
    assert (recipe.labels, recipe.geometry.classes) == (("c", "new", "a"), 3)
    for name in ("weight", "bias") * (not fresh):
        np.testing.assert_array_equal(head_of(file, name)[[0, 2]], head_of(own, name)[[2, 0]])
        assert head_of(file, name)[1].any() == (name == "weight")
    assert len({row.tobytes() for row in head_of(file, "weight")}) == 3
    known = 0 if fresh else 2
    note = f"the head knows {known} of the 3 labels by name; its other rows are fresh"
    assert note in init_report(recipe, named)["notes"]


@pytest.mark.parametrize("wanted", BRIDGES, ids=str)
def test_every_bridge_loads_is_reported_and_gives_finite_logits(
    method: str, wanted: dict[str, Any], tmp_path: Path
) -> None:
    manifest, tensors = opened(method)
    own = planned(method)
    if own.family != "vit":
        with pytest.raises(InvalidValue, match="no plain ViT: its images, patches, channels and pooling stay"):
            planned(method, **wanted)
        return
    recipe = planned(method, **wanted)
    assert torch.isfinite(made.logits(recipe, manifest, tensors, tmp_path)).all()
    notes = [init_report(r, manifest)["notes"] for r in (own, recipe)]
    assert (notes[0] != notes[1]) == (own.geometry != recipe.geometry)


def test_the_report_counts_every_parameter_once(method: str) -> None:
    manifest, _ = opened(method)
    for size in ready(method):
        recipe = planned(method, depth=size.depth, width=size.width)
        report = init_report(recipe, manifest)
        assert sum(report[kind]["parameters"] for kind in KINDS) == architectures.parameters(recipe.geometry)
        assert sum(report[kind]["tensors"] for kind in KINDS) == len(recipe.entries)
        assert (report["fresh"]["tensors"] == 0) or any("fresh" in note for note in report["notes"])


def test_lineage_names_every_tensor_once_and_what_it_comes_from_exists(method: str) -> None:
    _, tensors = opened(method)
    for size in ready(method):
        recipe = planned(method, depth=size.depth, width=size.width, num_classes=7)
        rows = lineage(recipe)
        assert [row["tensor"] for row in rows] == [entry.name for entry in recipe.entries]
        for row, entry in zip(rows, recipe.entries, strict=True):
            assert len(row.keys() & {"stored", "fill", "reads"}) == 1
            reads = {row["stored"]} if "stored" in row else set(row.get("reads", ()))
            assert reads <= tensors.tensors.keys()
            assert bool(reads) == (kind_of(entry.source) != "fresh")


def test_a_recipe_is_its_json_and_stays_small(method: str) -> None:
    for size in ready(method):
        recipe = planned(method, depth=size.depth, width=size.width, num_classes=7)
        raw = recipes.to_json(recipe)
        assert recipes.from_json(raw) == recipe and recipes.to_json(recipes.from_json(raw)) == raw
        assert len(zlib.compress(raw)) < 1500 + 400 * size.depth


@pytest.mark.parametrize("method", FACTORIES)
@given(st.data())
def test_a_range_equals_the_same_slice_of_the_whole_file(method: str, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from(ready(method)))
    file, whole = served(method, size)
    start, stop = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole) + 9))
    assert b"".join(stream(file, start=start, stop=stop, chunk_bytes=4096)) == whole[start:stop]


@cache
def served(method: str, size: Size) -> tuple[Any, bytes]:
    file = assemble(planned(method, depth=size.depth, width=size.width, num_classes=7), opened(method)[1])
    return file, b"".join(stream(file))


def test_two_builds_give_equal_bytes(method: str) -> None:
    manifest, raw = FACTORIES[method]()
    assert (manifest, raw) == (opened(method)[0], bytes(opened(method)[1].view))
    for size in ready(method):
        request = asked(method, depth=size.depth, width=size.width, num_classes=7)
        again = assemble(initialize(manifest, request), TensorFile(raw))
        assert (again.id, b"".join(stream(again))) == (served(method, size)[0].id, served(method, size)[1])


def test_the_same_request_has_the_same_digest_and_another_one_has_not(method: str) -> None:
    requests: list[dict[str, Any]] = [{}, {"num_classes": 7}, {"num_classes": 7, "seed": 1}, {"dtype": "f16"}]
    own = planned(method).geometry
    others = [s for s in ready(method) if (s.depth, s.width) != (own.depth, own.width)]
    requests += [{"depth": size.depth, "width": size.width} for size in others]
    digests = [digest(planned(method, **request)) for request in requests]
    assert digests == [digest(planned(method, **request)) for request in requests]
    assert len(set(digests)) == len(requests)


def test_a_request_for_the_learngenes_own_values_is_the_empty_request(method: str) -> None:
    own = planned(method)
    explicit: dict[str, Any] = {"depth": own.geometry.depth, "width": own.geometry.width}
    assert planned(method, **explicit, num_classes=own.geometry.classes) == own
    if not any(kind_of(entry.source) == "fresh" for entry in own.entries):
        assert planned(method, **explicit, seed=5) == own
