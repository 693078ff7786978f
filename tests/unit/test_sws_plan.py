"""The stage map of SWS; I2 to I5 and I8 are the invariants of the method's notes."""

from __future__ import annotations

from collections import Counter
from functools import cache

import factories
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import BadManifest, InvalidValue, UnknownName
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.methods.sws.options import PlanOptions
from learngenes.planning.stages import deal, layer_map, order_of, stage_counts
from learngenes.recipe import digest
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

AUX = (3, 3, 4, 3, 3)

# depth: front-mid-last (0,1,2,3,4), front-last-mid (0,4,1,3,2); 5 to 16 as the paper and its commands have them
TABLE = {
    5: ((1, 1, 1, 1, 1), (1, 1, 1, 1, 1)),
    6: ((2, 1, 1, 1, 1), (2, 1, 1, 1, 1)),
    7: ((2, 2, 1, 1, 1), (2, 1, 1, 1, 2)),
    8: ((2, 2, 2, 1, 1), (2, 2, 1, 1, 2)),
    9: ((2, 2, 2, 2, 1), (2, 2, 1, 2, 2)),
    10: ((2, 2, 2, 2, 2), (2, 2, 2, 2, 2)),
    11: ((3, 2, 2, 2, 2), (3, 2, 2, 2, 2)),
    12: ((3, 3, 2, 2, 2), (3, 2, 2, 2, 3)),
    13: ((3, 3, 3, 2, 2), (3, 3, 2, 2, 3)),
    14: ((3, 3, 3, 3, 2), (3, 3, 2, 3, 3)),
    15: ((3, 3, 3, 3, 3), (3, 3, 3, 3, 3)),
    16: ((3, 3, 4, 3, 3), (3, 3, 4, 3, 3)),
    17: ((4, 3, 4, 3, 3), (4, 3, 4, 3, 3)),
    18: ((4, 4, 4, 3, 3), (4, 3, 4, 3, 4)),
    21: ((4, 4, 5, 4, 4), (4, 4, 5, 4, 4)),
}
SAME_NETWORK = {5, 6, 10, 11, 15, 16, 17, 21}
ORDERS = {"front-mid-last": 0, "front-last-mid": 1}

layouts = st.lists(st.integers(1, 6), min_size=1, max_size=8).map(tuple)
strategies = st.sampled_from(["cyclic", "random", "proportional", "interleave"])


def mapped(depth: int, counts: tuple[int, ...] = AUX, **options: object) -> tuple[int, ...]:
    return layer_map(depth, counts, PlanOptions(**options))  # type: ignore[arg-type]


def counted(stages: tuple[int, ...], count: int = 5) -> tuple[int, ...]:
    dealt = Counter(stages)
    return tuple(dealt[stage] for stage in range(count))


@cache
def aux() -> tuple[Manifest, TensorFile]:
    manifest, raw = factories.learngene(stages=AUX, width=8)
    return manifest, TensorFile(raw)


@pytest.mark.parametrize("depth", TABLE)
@pytest.mark.parametrize("order", ORDERS)
def test_the_table_of_both_orders(depth: int, order: str) -> None:
    stages = mapped(depth, order=order)
    assert counted(stages) == TABLE[depth][ORDERS[order]]
    assert stages == tuple(sorted(stages))


def test_i2_every_block_is_its_stage_element_for_element() -> None:
    manifest, tensors = aux()
    recipe = initialize(manifest, Request(depth=12))
    made = TensorFile(b"".join(stream(assemble(recipe, tensors))))
    for block, stage in enumerate(recipe.layer_map):
        for name in [name.removeprefix("stages.0.") for name in tensors.tensors if name.startswith("stages.0.")]:
            np.testing.assert_array_equal(made.array(f"blocks.{block}.{name}"), tensors.array(f"stages.{stage}.{name}"))
    assert len({bytes(made.raw(f"blocks.{block}.mlp.fc1.weight")) for block in range(12)}) == len(AUX)


@given(layouts, st.integers(1, 60), strategies, st.integers(0, (1 << 64) - 1))
def test_i3_any_map_is_of_its_depth_in_order_and_holds_every_stage(
    counts: tuple[int, ...], depth: int, strategy: str, seed: int
) -> None:
    stages = mapped(depth, counts, strategy=strategy, seed=seed)
    assert len(stages) == depth
    assert set(stages) <= set(range(len(counts)))
    if strategy == "interleave":
        assert stages == tuple(i % len(counts) for i in range(depth))
    else:
        assert stages == tuple(sorted(stages))
    if depth >= len(counts):
        assert set(stages) == set(range(len(counts)))
    elif strategy != "interleave":
        assert len(set(stages)) == depth and stages[0] == 0
        assert depth == 1 or stages[-1] == len(counts) - 1


@pytest.mark.parametrize("depth", TABLE)
def test_i4_the_two_orders_give_one_network_exactly_where_the_paper_has_ties(depth: int) -> None:
    manifest, _ = aux()
    one, two = (digest(initialize(manifest, Request(depth=depth, options={"order": order}))) for order in ORDERS)
    assert (one == two) == (depth in SAME_NETWORK)


def test_i5_twelve_layers_are_the_authors_own_command() -> None:
    assert mapped(12) == (0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4)


@pytest.mark.parametrize("depth", TABLE)
def test_i8_a_map_given_back_as_layers_is_the_same_recipe(depth: int) -> None:
    manifest, _ = aux()
    dealt = initialize(manifest, Request(depth=depth))
    assert initialize(manifest, Request(options={"layers": list(dealt.layer_map)})) == dealt


@given(layouts, st.randoms(use_true_random=False))
def test_the_auxiliary_networks_own_depth_gives_back_the_auxiliary_network(
    counts: tuple[int, ...], draw: object
) -> None:
    order = list(range(len(counts)))
    draw.shuffle(order)  # type: ignore[attr-defined]
    assert tuple(deal(sum(counts), counts, tuple(order))) == counts


@given(layouts, st.integers(1, 60))
def test_one_layer_more_is_one_layer_more_of_one_stage(counts: tuple[int, ...], depth: int) -> None:
    order = tuple(range(len(counts)))
    less, more = deal(depth, counts, order), deal(depth + 1, counts, order)
    assert sorted(b - a for a, b in zip(less, more, strict=True)) == [0] * (len(counts) - 1) + [1]


def test_fewer_layers_than_stages_are_spread_and_keep_first_and_last() -> None:
    assert [mapped(depth) for depth in (1, 2, 3, 4)] == [(0,), (0, 4), (0, 2, 4), (0, 1, 3, 4)]


@pytest.mark.parametrize(
    ("depth", "counts"),
    [(6, (1, 1, 1, 1, 1, 1)), (8, (1, 2, 1, 1, 2, 1)), (12, (1, 4, 1, 1, 4, 1)), (13, (2, 4, 1, 1, 4, 1))],
)
def test_an_unbalanced_layout_fills_its_stages_up_before_any_gets_more(depth: int, counts: tuple[int, ...]) -> None:
    assert counted(mapped(depth, (1, 4, 1, 1, 4, 1)), 6) == counts


def test_proportional_shares_go_by_largest_remainder_and_every_stage_has_one() -> None:
    assert counted(mapped(12, strategy="proportional")) == (3, 2, 3, 2, 2)
    assert counted(mapped(32, strategy="proportional")) == (6, 6, 8, 6, 6)
    assert counted(mapped(3, (9, 1, 1), strategy="proportional"), 3) == (1, 1, 1)


def test_interleaving_goes_round_the_stages() -> None:
    assert mapped(7, strategy="interleave") == (0, 1, 2, 3, 4, 0, 1)


def test_random_maps_are_drawn_by_their_seed() -> None:
    assert mapped(16, strategy="random", seed=3) == mapped(16, strategy="random", seed=3)
    assert len({mapped(16, strategy="random", seed=seed) for seed in range(20)}) > 10


def test_the_seed_of_the_request_draws_the_map_and_one_among_the_options_goes_first() -> None:
    manifest, _ = aux()
    drawn = initialize(manifest, Request(depth=16, seed=3, options={"strategy": "random"})).layer_map
    assert drawn == mapped(16, strategy="random", seed=3)
    named = initialize(manifest, Request(depth=16, seed=3, options={"strategy": "random", "seed": 4})).layer_map
    assert named == mapped(16, strategy="random", seed=4) != drawn


def test_layers_decide_the_depth_and_may_be_in_any_order() -> None:
    manifest, _ = aux()
    assert initialize(manifest, Request(options={"layers": [4, 0, 4]})).layer_map == (4, 0, 4)


def test_orders_by_name_and_by_number() -> None:
    assert order_of("front-mid-last", 5) == (0, 1, 2, 3, 4)
    assert order_of("front-last-mid", 5) == (0, 4, 1, 3, 2)
    assert order_of("front-last-mid", 6) == (0, 5, 1, 4, 2, 3)
    assert counted(mapped(7, order=(2, 3, 0, 1, 4))) == (1, 1, 2, 2, 1)


REFUSED = {
    "layers names 2 blocks, the depth asked for is 3": {"depth": 3, "layers": [0, 1]},
    "layers names stage 5; the stages are 0 to 4": {"layers": [0, 5]},
    r"layers is a list of stages counted from 0, got \[-1\]": {"layers": [-1]},
    r"layers is a list of stages counted from 0, got \[\]": {"depth": 3, "layers": []},
    "layers names every block itself: leave out order and strategy, or layers": {"layers": [0], "strategy": "random"},
    r"order \[0, 0, 1, 2, 3\] is not a permutation of the stages 0 to 4": {"order": [0, 0, 1, 2, 3]},
    r"order \[9\] is not a permutation of the stages 0 to 4": {"depth": 2, "order": [9]},
    "means nothing to strategy 'random': name one of the two": {"order": "front-last-mid", "strategy": "random"},
    "a seed is a whole number": {"seed": -1},
    "layers is a list, got '012'": {"layers": "012"},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_options_that_cannot_be_are_refused_in_a_sentence(sentence: str) -> None:
    options = dict(REFUSED[sentence])
    depth = options.pop("depth", None)
    with pytest.raises(InvalidValue, match=sentence):
        initialize(aux()[0], Request(depth=depth, options=options))


@pytest.mark.parametrize(
    ("option", "typo", "nearest"), [("order", "front-mid-lst", "front-mid-last"), ("strategy", "cyclik", "cyclic")]
)
def test_a_misspelt_option_value_names_the_nearest(option: str, typo: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        initialize(aux()[0], Request(options={option: typo}))


@pytest.mark.parametrize("stages", [None, [], "3", [0, 6], [3.0, 3], [True, 5], {"a": 6}])
def test_stage_counts_that_are_none_are_the_manifests_fault(stages: object) -> None:
    manifest, _ = factories.learngene()
    manifest.method_facts["stages"] = stages
    with pytest.raises(BadManifest, match="learngene tiny@1: sws needs its stage counts"):
        stage_counts(manifest)


def test_stage_counts_sum_up_to_the_depth() -> None:
    manifest, _ = factories.learngene()
    manifest.method_facts["stages"] = [2, 2]
    with pytest.raises(BadManifest, match=r"stages \(2, 2\) are 4 layers, its network has 6"):
        initialize(manifest, Request())
