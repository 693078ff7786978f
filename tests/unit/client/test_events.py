from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learngenes_client.errors import BadAnswer
from learngenes_client.events import LONGEST_EVENT, LONGEST_LINE_BYTES, Decoder
from learngenes_client.jobs import Event

STREAM = (
    b": hello\n\nid: 1-0\nevent: start\ndata: {}\n\n"
    b'event: step\r\nid: 2-0\r\ndata: {"step": 1,\r\ndata:  "loss": 2}\r\n\r\n'
    b': keepalive\n\nretry: 3000\nid: 3-0\nevent: note\ndata: {"text": "\xc3\xa9"}\n\nevent: end\ndata: {"half'
)
EVENTS = [
    Event("1-0", "start", {}),
    Event("2-0", "step", {"step": 1, "loss": 2}),
    Event("3-0", "note", {"text": "é"}),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    decoder = Decoder()
    places = [0, *sorted(cuts), len(STREAM)]
    found = [e for start, stop in pairwise(places) for e in decoder.feed(STREAM[start:stop])]
    assert found == EVENTS
    assert decoder.last_id == "3-0"


def test_what_was_half_said_is_forgotten_when_another_answer_begins() -> None:
    decoder = Decoder()
    assert list(decoder.feed(STREAM)) == EVENTS
    decoder.restart()
    assert list(decoder.feed(b'data: {"status": "failed"}\nevent: end\n\n')) == [
        Event("3-0", "end", {"status": "failed"})
    ]


@pytest.mark.parametrize("piece", [b"data: [1]\n\n", b"data: {\n\n", b"data: " + b"x" * LONGEST_LINE_BYTES])
def test_what_is_no_event_of_ours_is_a_bad_answer(piece: bytes) -> None:
    with pytest.raises(BadAnswer):
        list(Decoder().feed(piece))


def test_an_event_of_many_lines_is_not_held_without_end() -> None:
    decoder = Decoder()
    for piece in (b"data: x\n" * 1000, b"data:\n" * 1000):
        decoder.restart()
        with pytest.raises(BadAnswer, match="longer than"):
            for _ in range(LONGEST_EVENT // 1000 + 1):
                assert list(decoder.feed(piece)) == []
