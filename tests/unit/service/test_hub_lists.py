"""How much one list of the hub may cost: what is told of, what is looked at, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

import factories
import pytest
from cases import wave
from learngenes_service.hub import history
from learngenes_service.hub.addresses import Repo, Sized
from learngenes_service.hub.commits import Place
from learngenes_service.hub.listing import EXAMINED, PAGE_BLOCKS, Cursor, Wanted, cursor, page
from learngenes_service.hub.offered import MOST_BLOCKS, MOST_SIZES, fitted_sizes, main_size, offered
from learngenes_service.hub.snapshots import Snapshots
from unit.service.test_private import Watched

from learngenes.catalog import Catalog
from learngenes.gene import Manifest, Quality
from learngenes.sizes import Size

MEASURED = Quality(6, 32, "digits", "test", "top1", 0.5, 100, 0, 0, "by hand")


def measured(depths: range, *, name: str = "tiny", width: int = 32) -> tuple[Manifest, bytes]:
    made, raw = factories.learngene(name=name)
    return replace(made, quality=tuple(replace(MEASURED, depth=depth, width=width) for depth in depths)), raw


def test_of_many_deep_sizes_the_first_are_told_of() -> None:
    sizes = offered(measured(range(400, 446))[0], [])
    assert sizes == [Size(6, 32), Size(400, 32), Size(401, 32)]
    assert sum(size.depth for size in sizes[1:]) <= MOST_BLOCKS
    many, _ = measured(range(1, 512))
    assert len(offered(many, [])) == 44  # 1 + 2 + ... + 44 blocks are less than 1000, and `main` is one of them
    known = [Size(depth, width) for depth in range(1, 31) for width in (16, 32) if (depth, width) != (6, 32)]
    assert offered(factories.learngene()[0], known) == [Size(6, 32), *known][:MOST_SIZES]


def test_main_is_the_own_size_or_the_nearest_that_can_be_had() -> None:
    own, fitted = Size(4, 32), Size(5, 32)
    assert main_size(wave.make()[0], []) == own
    stored = wave.make(sizes=((2, 32),))[0]
    assert main_size(stored, []) == Size(2, 32)
    assert main_size(stored, [fitted]) == fitted
    assert main_size(stored, [fitted, own]) == own
    assert main_size(factories.learngene()[0], []) == Size(6, 32)


def test_a_repository_tells_of_as_many_versions_as_have_so_many_blocks() -> None:
    made, raw = factories.learngene()
    catalog = factories.catalog(None, *((replace(made, version=version), raw) for version in range(1, 6)))
    snapshots = Snapshots()
    for depth, versions in ((6, 5), (400, 2), (512, 1)):
        repo = Repo("tiny", Sized(depth, 16))
        main = snapshots.of(repo, Place(5, Size(depth, 16), "timm"), catalog.get("tiny"), catalog)
        tags = history.refs(repo, main, catalog=catalog, snapshots=snapshots)["tags"]
        assert [row["name"] for row in tags] == [f"v{5 - at}" for at in range(versions)]
        assert len(history.commits(main, catalog=catalog, snapshots=snapshots)) == versions + (depth > 6)


def test_a_page_ends_where_enough_was_looked_at_and_the_next_goes_on_there() -> None:
    catalog = factories.catalog(None, *(measured(range(230, 233), name=name) for name in ("a", "b")))
    snapshots, start, seen, pages = Snapshots(), Cursor(), [], 0
    while True:
        found = page(Wanted(), start, catalog=catalog, snapshots=snapshots)
        seen += [row.repo.id for row in found.rows]
        pages += 1
        assert sum(row.place.size.depth for row in found.rows) < PAGE_BLOCKS + 512
        if found.after is None:
            break
        start = cursor(str(found.after))
        assert start == found.after
    assert pages > 1
    assert len(seen) == len(set(seen)) == 2 * 9


def test_learngenes_that_have_nothing_to_show_count_too() -> None:
    many = (factories.learngene(name=f"n{at:03}") for at in range(EXAMINED + 5))
    catalog = factories.catalog(None, *((replace(made, quality=(MEASURED,)), raw) for made, raw in many))
    found = page(Wanted(search="depth7"), Cursor(), catalog=catalog, snapshots=Snapshots())
    assert (found.rows, found.after) == ([], Cursor(f"n{EXAMINED:03}"))
    rest = page(Wanted(search="depth7"), Cursor(f"n{EXAMINED:03}"), catalog=catalog, snapshots=Snapshots())
    assert (rest.rows, rest.after) == ([], None)


@pytest.mark.parametrize("wanted", [Wanted(author="wave"), Wanted(search="wave/depth4"), Wanted(search="resnet")])
def test_a_page_asks_for_names_once_and_only_of_those_that_may_be_meant(wanted: Wanted) -> None:
    store = Watched()
    waves = (wave.make(name=name) for name in ("other-1", "other-2", "wave"))
    factories.catalog(None, *waves, store=store)
    store.asked.clear()
    found = page(wanted, Cursor(), catalog=Catalog(store), snapshots=Snapshots())
    assert bool(found.rows) == (wanted.search != "resnet")
    assert store.asked.count("learngenes/") == 1
    assert not [prefix for prefix in store.asked if prefix.startswith("learngenes/other")]


def test_a_search_may_begin_and_end_anywhere_in_an_address() -> None:
    for text in ("", "tiny", "iny2/d", "DEPTH9-width384", "2/depth12", "9-width3", "-hf", "84-hf", "width", "/tiny2"):
        assert Wanted(search=text).may_be_of("tiny2")
    for text in ("resnet", "depth9x", "width9-depth9", "hf-", "tiny/depth"):
        assert not Wanted(search=text).may_be_of("tiny2")


def test_what_is_no_cursor_is_the_beginning() -> None:
    assert cursor("3-tiny") == Cursor("tiny", 3)
    for text in ("", "7", "-tiny", "x-tiny", "99999999-tiny", "3-" + "a" * 65):
        assert cursor(text) == Cursor()


def test_what_was_listed_once_is_remembered_without_its_files() -> None:
    made, raw = factories.learngene(labels=tuple(f"class {at}" for at in range(10)))
    catalog, snapshots = factories.catalog(None, (made, raw)), Snapshots()
    deep = [Place(1, Size(depth, 16), "timm") for depth in range(440, 443)]
    taken = [snapshots.of(Repo("tiny"), place, made, catalog) for place in deep]
    weight = sum(sum(file.size for file in one.small.values()) for one in taken)
    assert all(snapshots.known(Repo("tiny"), one.place, made) is one for one in taken)
    assert taken[0].card is taken[0].card
    assert not taken[0].measured
    assert weight > 100 * sum(snapshots._kept._kept[key][1] for key in snapshots._kept._kept)
    # The files themselves are made again where they were let go.
    files = snapshots.files(taken[0], made)
    snapshots._small._kept.clear()
    assert snapshots.files(taken[0], made) == files
    assert {name: len(content) for name, content in files.items()} == {
        name: file.size for name, file in taken[0].small.items()
    }


def test_sizes_that_were_fitted_take_one_look_at_all_names_however_often_they_are_asked_for() -> None:
    store = Watched()
    catalog = factories.catalog(None, wave.make(name="wave"), store=store)
    names = catalog.names()
    store.asked.clear()
    assert fitted_sizes(catalog.get("wave@1"), catalog, names=names) == []
    assert "learngenes/" not in store.asked
