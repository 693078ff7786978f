"""What addresses of the hub mean, before anything is looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learngenes_service.hub.addresses import Repo, Sized, of_size, repo, sized
from learngenes_service.hub.commits import Place, commit_id, git_oid, is_commit, lfs_pointer, place_of
from learngenes_service.hub.finding import Revision, read_revision
from learngenes_service.hub.refusals import Refused

from learngenes.card import front_matter
from learngenes.recipe import KEYS
from learngenes.sizes import Size

PLACES = st.builds(
    Place,
    st.integers(1, 99_999),
    st.builds(Size, st.integers(1, 999), st.integers(1, 999_999)),
    st.sampled_from(KEYS),
)


@pytest.mark.parametrize(
    "text", ["depth9-width384", "d9-w384", "d9.w384", "d9w384", "9x384", "depth09-width0384", "depth9_width384"]
)
def test_every_spelling_of_a_size_means_the_same(text: str) -> None:
    assert sized(text) == Sized(9, 384)
    assert sized(f"{text}-hf") == Sized(9, 384, "transformers")
    assert sized(f"{text}-heads6") == Sized(9, 384, heads=6)


@pytest.mark.parametrize(
    "text",
    ["", "main", "depth9", "depth-9-width384", "depth0-width384", "9-384", "depth9-width384-HF", "depth٣-width3"],
)
def test_what_spells_no_size_is_none(text: str) -> None:
    assert sized(text) is None


def test_a_repository_has_one_canonical_name() -> None:
    assert repo("sws/d9-w384-hf") == Repo("sws", Sized(9, 384, "transformers"))
    found = [repo(text) for text in ("sws", "sws/sws", "sws/9x384", "sws/depth9-width384-heads6")]
    assert [one.id for one in found if one] == ["sws/sws", "sws/sws", "sws/depth9-width384", "sws/depth9-width384"]
    assert repo("sws/other") is None


def test_what_clients_refuse_to_ask_for_is_not_told_of() -> None:
    assert Repo("sws").can_be_named
    assert not Repo("a" * 64).can_be_named
    assert Repo("a" * 64, Sized(9, 384)).can_be_named
    assert not Repo("api", Sized(9, 384)).can_be_named
    assert not Repo("tool.git").can_be_named
    # This name stands for the repository of all its sizes.
    assert not Repo("depth9-width384", Sized(9, 384)).can_be_named
    assert Repo("depth9-width384", Sized(9, 384, "transformers")).can_be_named
    assert Repo("depth9-width384").can_be_named


@given(PLACES, st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_commit_id_says_where_to_look_for_its_files(place: Place, recipe: str) -> None:
    made = commit_id("sws/sws", place, recipe=recipe, oids={})
    assert is_commit(made)
    assert place_of(made) == place


def test_a_commit_id_covers_repository_recipe_and_every_small_file() -> None:
    place = Place(1, Size(9, 384), "timm")
    asked = [("a/a", "0", {"x": "1"}), ("a/b", "0", {"x": "1"}), ("a/a", "1", {"x": "1"}), ("a/a", "0", {"x": "2"})]
    made = [commit_id(name, place, recipe=recipe, oids=oids) for name, recipe, oids in asked]
    assert len(set(made)) == 4
    # For ever: clients keep what they have under this id.
    assert made[0] == "2b1da018402271a6e0c9473fd000001009000384"


def test_a_number_that_is_too_large_for_an_id_is_known_to_be() -> None:
    assert not Place(1, Size(9, 10**6), "timm").fits
    assert not Place(10**5, Size(9, 384), "timm").fits


@pytest.mark.parametrize("text", ["0" * 40, "f" * 40, "0" * 25 + "9" + "00001" + "009" + "000384"])
def test_forty_digits_of_another_hub_are_no_place_here(text: str) -> None:
    assert is_commit(text)
    assert place_of(text) is None


def test_small_files_are_called_as_git_calls_them() -> None:
    assert git_oid(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_oid(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert len(lfs_pointer("0" * 64, 64369264)) == 133


def test_a_revision_is_a_branch_a_version_a_commit_a_size_or_an_alias() -> None:
    family, one = Repo("sws"), Repo("sws", Sized(9, 384))
    commit = commit_id(one.id, Place(3, Size(9, 384), "timm"), recipe="0" * 64, oids={})
    assert read_revision(one, "main") == Revision("main")
    assert (read_revision(one, "HEAD").version, read_revision(one, "refs/heads/main").version) == ("", "")
    assert read_revision(one, "v2").version == "2"
    assert read_revision(one, "refs/tags/best").version == "best"
    assert (read_revision(one, commit).version, read_revision(one, commit).commit) == ("3", commit)
    assert read_revision(family, "d9-w384-hf").size == of_size(Size(9, 384), "transformers")
    other = commit_id(one.id, Place(3, Size(8, 384), "timm"), recipe="0" * 64, oids={})
    for text in ("refs/pr/1", "0" * 40, "2", other):
        with pytest.raises(Refused, match="no revision"):
            read_revision(one, text)


def test_front_matter_is_read_back_as_it_was_written() -> None:
    assert front_matter(b'---\ntags: ["a", "b: c"]\nname: "---"\n---\n# Title\n---\n') == {
        "tags": ["a", "b: c"],
        "name": "---",
    }
