from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learngenes_service.descendants.ranges import Answer, negotiate

ETAG = '"abc"'


def ask(size: int, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return negotiate(named, method=method, size=size, etag=ETAG)


@given(size=st.integers(1, 10**12), first=st.integers(0, 10**12), length=st.integers(1, 10**12))
def test_a_range_never_leaves_the_file(size: int, first: int, length: int) -> None:
    answer = ask(size, range=f"bytes={first}-{first + length - 1}")
    if first >= size:
        assert answer.status == 416
    else:
        assert (answer.status, answer.start, answer.stop) == (206, first, min(size, first + length))


@given(size=st.integers(1, 10**12), last=st.integers(0, 10**12))
def test_a_suffix_is_the_end_of_the_file(size: int, last: int) -> None:
    answer = ask(size, range=f"bytes=-{last}")
    expected = (206, max(0, size - last), size) if last else (416, 0, 0)
    assert (answer.status, answer.start, answer.stop) == expected


@given(header=st.text(max_size=40))
def test_any_other_range_header_is_answered_with_something_legal(header: str) -> None:
    answer = ask(1000, range=header)
    assert answer.status in (200, 206, 416)
    assert 0 <= answer.start <= answer.stop <= 1000


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({"if_none_match": ETAG}, "GET", 304),
        ({"if_none_match": f"W/{ETAG}"}, "HEAD", 304),
        ({"if_none_match": ETAG, "range": "bytes=0-1"}, "GET", 304),
        ({"if_none_match": '"x"', "range": "bytes=0-1"}, "GET", 206),
        ({"if_none_match": ETAG}, "POST", 200),
        ({"range": "bytes=0-1"}, "HEAD", 200),
        ({"range": "bytes=0-1"}, "POST", 200),
        ({"range": "bytes=0-1", "if_range": ETAG}, "GET", 206),
        ({"range": "bytes=0-1", "if_range": f"W/{ETAG}"}, "GET", 200),
        ({"range": "bytes=0-1", "if_range": "Sat, 21 Nov 2026 00:00:00 GMT"}, "GET", 200),
    ],
)
def test_conditions_decide_the_status(headers: dict[str, str], method: str, status: int) -> None:
    assert ask(1000, method, **headers).status == status
