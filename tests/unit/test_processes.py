"""Processes that do tasks: what they say is heard, and one that dies takes its own task alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise

import pytest
from cases import crew as cases
from cases.processes import assert_gone

from learngenes.training import processes
from learngenes.training.processes import Crew, Died, Done, Failed, Said, Word

KILLED = Died("signal SIGKILL, perhaps because memory ran out")


@pytest.fixture
def crew() -> Iterator[Crew[str]]:
    with Crew[str](cases.begin, workers=2) as crew:
        yield crew


def heard(crew: Crew[str], *, until: int) -> list[tuple[str, Word]]:
    """So many words, or more that came with the last."""
    words: list[tuple[str, Word]] = []
    while len(words) < until:
        words += crew.hear(30)
    return words


def test_two_do_what_they_are_given_and_say_what_they_have_to(crew: Crew[str]) -> None:
    assert (crew.idle, crew.busy) == (2, ())
    ids = [crew.give("who"), crew.give("who")]
    assert (crew.idle, crew.busy) == (0, ("who", "who"))
    words = heard(crew, until=4)
    assert [word for _, word in words if isinstance(word, Said)] == [Said("I"), Said("I")]
    assert sorted(word.what for _, word in words if isinstance(word, Done)) == list(enumerate(ids))
    assert crew.give("who") in ids
    assert crew.idle == 1


def test_a_task_that_fails_fails_in_words_and_its_process_goes_on(crew: Crew[str]) -> None:
    first = crew.give("odd")
    assert heard(crew, until=1) == [("odd", Failed("Odd: this and that"))]
    assert crew.give("who") == first


def test_one_that_dies_takes_its_own_task_and_another_comes_in_its_place(crew: Crew[str]) -> None:
    ids = [crew.give("wait")]
    assert heard(crew, until=1) == [("wait", Said("waiting"))]
    for _ in range(20):  # the pool of the standard library hangs when one dies while another is being started
        ids.append(crew.give("die"))
        assert heard(crew, until=1) == [("die", KILLED)]
    assert all(one != other for one, other in pairwise(ids))
    ids.append(crew.give("who"))
    assert heard(crew, until=2) == [("who", Said("I")), ("who", Done((1, ids[-1])))]
    crew.stop()
    assert crew.idle == 0
    assert heard(crew, until=1) == [("wait", Done("put down"))]


def test_one_that_dies_while_it_has_nothing_to_do_costs_no_task(crew: Crew[str]) -> None:
    first = crew.give("who")
    heard(crew, until=2)
    os.kill(first, signal.SIGKILL)
    assert_gone(first, seconds=5)
    second = crew.give("who")
    assert second != first
    assert heard(crew, until=2)[-1] == ("who", Done((0, second)))


def test_leaving_ends_who_listens_and_who_does_not(crew: Crew[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LEAVING_SECONDS", 1)
    ids = [crew.give("wait"), crew.give("deaf")]
    heard(crew, until=2)
    crew.__exit__()
    for id in ids:
        assert_gone(id, seconds=0.1)


def test_what_can_not_even_begin_says_why_of_every_task() -> None:
    with Crew[str](cases.broken, workers=1) as crew:
        for _ in range(2):
            crew.give("who")
            assert heard(crew, until=1) == [("who", Failed("RuntimeError: it can't even begin"))]
