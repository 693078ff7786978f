from __future__ import annotations

import inspect
import re

import pytest

from learngenes import errors
from learngenes.errors import BlobExists, BlobNotFound, LearngeneNotFound, LearngenesError, UnknownName, suggest

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, LearngenesError)]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_a_code_of_its_own(error: type[LearngenesError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert "code" in vars(error)
    assert [other for other in CLASSES if other.code == error.code] == [error]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ]*)(?:[├└]── )?([A-Z]\w+)", line)
        if found:
            depth = 0 if "──" not in line else len(found[1]) // 4 + 1
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {error.__name__: error.__bases__[0].__name__ for error in CLASSES}


def test_a_callers_mistake_is_also_pythons_own_error() -> None:
    assert issubclass(errors.InvalidValue, ValueError)
    assert issubclass(BlobNotFound, KeyError)
    assert issubclass(LearngeneNotFound, LookupError)


def test_errors_carry_what_they_speak_of() -> None:
    unknown = UnknownName("dtype", "f31", ["f32", "f16"])
    assert str(unknown) == "unknown dtype 'f31'; did you mean 'f32'?"
    assert (unknown.what, unknown.name, unknown.known) == ("dtype", "f31", ("f32", "f16"))
    assert str(BlobNotFound("a/b")) == "the store holds nothing under 'a/b'"
    assert str(BlobExists("a/b")) == "'a/b' is already in the store, and what is published never changes"
    assert str(LearngeneNotFound("tinny", ["tiny"])) == "no learngene 'tinny' here; did you mean 'tiny'?"


def test_fitted_sizes_are_found_by_name_and_not_listed() -> None:
    known = ["sws", "sws-depth9-width384", "b-depth9-width384"]
    assert str(LearngeneNotFound("x", known)) == "no learngene 'x' here; known: b-depth9-width384, sws"
    assert str(LearngeneNotFound("sws-depth8-width384", known)).endswith("did you mean 'sws-depth9-width384'?")


def test_a_name_like_no_other_gets_all_of_them() -> None:
    assert suggest("xyz", ["b", "a"]) == "known: a, b"
    assert suggest("xyz", []) == "none are known"
