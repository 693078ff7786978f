"""Names that would read like something else in an address are refused where they are new, and read for ever."""

from __future__ import annotations

from dataclasses import replace

import factories
import pytest

from learngenes.aliases import is_alias
from learngenes.errors import InvalidKey
from learngenes.names import RESERVED, check_new_alias, check_new_name
from learngenes.publish import check_name_of, publish_as_next
from learngenes.tensorfile import TensorFile

SIZES = ("depth6-width32", "depth6-width32-hf", "d6-w32", "6x32", "depth6-width32-heads2")


@pytest.mark.parametrize("name", [*SIZES, "tool.git", *sorted(RESERVED)])
def test_no_new_learngene_is_called_like_a_size_or_a_path(name: str) -> None:
    with pytest.raises(InvalidKey, match=f"'{name}' can't name a learngene: "):
        check_new_name(name)


@pytest.mark.parametrize("name", ["tiny", "swave-depth6-width16", "depth6", "v2", "main", "apis", "git"])
def test_other_names_are_free(name: str) -> None:
    assert check_new_name(name) == name


@pytest.mark.parametrize("alias", [*SIZES, "main", "head", "v2", "v002", "a0" * 20, "abcdef1234" * 4])
def test_no_new_alias_reads_like_another_revision(alias: str) -> None:
    with pytest.raises(InvalidKey, match=f"'{alias}' can't be a new alias"):
        check_new_alias(alias)
    catalog = factories.catalog(None, factories.learngene())
    with pytest.raises(InvalidKey, match=f"'{alias}' can't be a new alias"):
        catalog.move_alias("tiny", alias, 1)
    assert catalog.aliases("tiny") == {}
    # One from before is there as ever.
    assert is_alias(alias)
    catalog.store.create(f"aliases/tiny/{alias}/1", [b"1"])
    assert catalog.get(f"tiny@{alias}").reference == "tiny@1"
    assert catalog.aliases("tiny") == {alias: 1}


@pytest.mark.parametrize("alias", ["best", "v2-best", "mainly", "0" * 39, "x9"])
def test_other_aliases_are_free(alias: str) -> None:
    assert check_new_alias(alias) == alias


def test_publishing_refuses_such_a_name_and_goes_on_with_one_that_is_there() -> None:
    made, raw = factories.learngene(name="depth6-width32")
    catalog = factories.catalog(None)
    with pytest.raises(InvalidKey, match="reads like a size"):
        publish_as_next(made, TensorFile(raw), catalog=catalog, replaces=lambda reference: None)
    with pytest.raises(InvalidKey, match="reads like a size"):
        check_name_of(catalog, made.name)
    assert catalog.names() == []
    catalog.publish(made, [raw])
    again, new = publish_as_next(
        replace(made, description="more"), TensorFile(raw), catalog=catalog, replaces=lambda reference: None
    )
    assert (again.reference, new) == ("depth6-width32@2", True)
