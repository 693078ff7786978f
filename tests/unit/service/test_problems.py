from __future__ import annotations

import re

from learngenes_service.problems import STATUS

from learngenes import errors
from learngenes.errors import LearngenesError


def subclasses(of: type[LearngenesError]) -> set[type[LearngenesError]]:
    direct = set(of.__subclasses__())
    return direct.union(*(subclasses(one) for one in direct)) if direct else set()


def test_every_error_of_the_library_has_a_status_and_a_code() -> None:
    of_library = {error for error in subclasses(LearngenesError) if error.__module__ == errors.__name__}
    assert STATUS.keys() == of_library
    assert all(400 <= status <= 599 for status in STATUS.values())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code) for error in of_library)
