from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from learngenes.recent import Recent


def test_what_was_used_longest_ago_leaves_first() -> None:
    recent = Recent[str, int](2, weight=100)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)


def test_the_newest_stays_however_heavy_it_is() -> None:
    recent = Recent[str, int](5, weight=10)
    recent.put("a", 1, weight=10)
    recent.put("b", 2, weight=11)
    assert (recent.get("a"), recent.get("b")) == (None, 2)
    recent.put("b", 3, weight=4)
    recent.put("c", 4, weight=6)
    assert (recent.get("b"), recent.get("c")) == (3, 4)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12))))
def test_whatever_is_put_the_bounds_hold(puts: list[tuple[int, int]]) -> None:
    recent, weights = Recent[int, int](3, weight=10), dict[int, int]()
    for key, weight in puts:
        recent.put(key, weight, weight=weight)
        weights[key] = weight
        kept = [weights[key] for key in weights if recent.get(key) is not None]
        assert recent.get(key) == weight
        assert len(recent) == len(kept) <= 3
        assert len(kept) == 1 or sum(kept) <= 10
