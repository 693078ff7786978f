from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from learngenes.errors import InvalidKey
from learngenes.store import check_key

ROOT = Path("/srv/store")
tricky = st.lists(st.sampled_from(["a", "b1", ".", "..", "/", "//", "-", "_", "~", "\\", "\0", "A", "%2e", "c:"]))


@given(st.text(max_size=30) | tricky.map("".join))
@example("a/b.c-d_e/0")
@example("..")
def test_no_accepted_key_leaves_the_root(key: str) -> None:
    try:
        check_key(key)
    except InvalidKey:
        return
    path = Path(ROOT, key)
    assert path.resolve().is_relative_to(ROOT) and path != ROOT
    assert path == ROOT.joinpath(*key.split("/"))
    assert not any(part.startswith(".") or ".." in part for part in path.parts[1:])
    assert not PureWindowsPath(key).drive and not PurePosixPath(key).is_absolute()


@pytest.mark.parametrize(
    "key", ["a", "0", "a/b", "blobs/sha256/" + "0" * 64, "learngenes/tiny-1.0_x/12", "x" * 128, "a.b", "a--b", "a__b"]
)
def test_a_key_is_itself(key: str) -> None:
    assert check_key(key) == key


def test_the_text_shows_no_more_than_the_beginning_of_a_long_key() -> None:
    with pytest.raises(InvalidKey) as error:
        check_key("../" * 100_000)
    assert len(str(error.value)) < 400
