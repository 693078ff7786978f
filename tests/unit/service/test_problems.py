from __future__ import annotations

import re

import pytest
from learngenes_service.problems import DRAINED_BYTES, STATUS, UNREAD, ProblemResponse, closing
from starlette.datastructures import Headers

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


@pytest.mark.parametrize("status", sorted(UNREAD))
def test_the_connection_ends_where_far_more_was_to_come_than_is_worth_reading(status: int) -> None:
    def closes(**headers: str) -> bool:
        sent = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        return closing(ProblemResponse(status, "x", "y"), sent).headers.get("connection") == "close"

    assert closes(content_length=str(DRAINED_BYTES + 1)) and closes(content_length="9" * 30)
    assert not closes(content_length=str(DRAINED_BYTES)) and not closes() and not closes(content_length="-1")
