"""Which learngene answers a request: by size, by parent, and never for a method that needs no fitting."""

from __future__ import annotations

from dataclasses import replace

import factories
import pytest
from cases import wave

from learngenes import gene
from learngenes.errors import NeedsLearning
from learngenes.gene import Manifest, Parent, size_fitted
from learngenes.initialize import Request, initialize
from learngenes.ready import fitted_to, planned, ready
from learngenes.sizes import Size, SizeSpace, Steps


def child(of: Manifest, size: Size, *, version: int = 1) -> tuple[Manifest, bytes]:
    """A learngene of one size that holds the scalers of it, and of the sizes its parent has, as a whole file."""
    sizes = tuple((depth, width) for depth, width in of.method_facts["sizes"])
    made, raw = wave.make(sizes=(*sizes, (size.depth, size.width)), seed=version)
    space = SizeSpace(Steps(size.depth, size.depth), Steps(size.width, size.width))
    parent = Parent(of.reference, of.digest)
    return replace(made, name=gene.fitted_name(of.name, size), version=version, space=space, parent=parent), raw


def test_a_fitted_size_is_planned_from_the_newest_child_and_any_other_from_the_parent() -> None:
    own = wave.make(name="wave")
    first, second = (child(own[0], Size(6, 16), version=version) for version in (1, 2))
    catalog = factories.catalog(None, own, first, second)
    assert ready(catalog, own[0], Request(depth=6, width=16)) == second[0]
    assert ready(catalog, own[0], Request(depth=4, width=16)) == own[0]
    assert ready(catalog, own[0], Request(depth=0, width=16)) == own[0]
    assert ready(catalog, first[0], Request()) == first[0]
    recipe, chosen = planned(catalog, own[0], Request(depth=6, width=16))
    assert (recipe, chosen) == (initialize(second[0], Request()), second[0])


def test_a_request_with_choices_of_its_own_is_answered_by_the_learngene_named() -> None:
    own = wave.make(name="wave")
    catalog = factories.catalog(None, own, child(own[0], Size(6, 16)))
    for scalers, name in (("fitted", "wave-depth6-width16"), ("interp", "wave"), ("random", "wave")):
        request = Request(depth=6, width=16, options={"scalers": scalers})
        assert ready(catalog, own[0], request).name == name


def test_a_child_of_another_version_is_no_child() -> None:
    own, newer = wave.make(name="wave"), wave.make(name="wave", version=2, seed=1)
    catalog = factories.catalog(None, own, newer, child(own[0], Size(6, 16)))
    assert ready(catalog, newer[0], Request(depth=6, width=16)) == newer[0]
    assert [manifest.name for manifest in fitted_to(catalog, own[0])] == ["wave-depth6-width16"]
    assert fitted_to(catalog, newer[0]) == []


def test_what_needs_learning_names_the_fitted_sizes_nearest_first() -> None:
    own = wave.make(name="wave")
    catalog = factories.catalog(None, own, child(own[0], Size(6, 16)), child(own[0], Size(40, 32)))
    with pytest.raises(NeedsLearning) as error:
        planned(catalog, own[0], Request(depth=7, width=16))
    assert error.value.ready == (Size(6, 16), Size(4, 16), Size(4, 32), Size(40, 32))
    assert "it has them for depth 6 width 16, depth 4 width 16, depth 4 width 32, depth 40 width 32; fit" in str(
        error.value
    )
    assert {size_fitted(manifest) for manifest in fitted_to(catalog, own[0])} == {Size(6, 16), Size(40, 32)}


def test_a_method_that_needs_no_fitting_is_answered_by_the_learngene_named() -> None:
    own = factories.learngene()
    catalog = factories.catalog(None, own)
    assert ready(catalog, own[0], Request(depth=3)) == own[0]
    assert fitted_to(catalog, own[0]) == []
