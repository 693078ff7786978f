"""Processes that do tasks: what they say is heard, and one that dies takes its own task alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from cases import crew as cases
from cases.processes import assert_gone
from cases.queue_servers import wait_until

from learngenes.training import crew as crews
from learngenes.training.crew import Crew, Died, Done, Failed, Said, Word
from learngenes.training.processes import alone

KILLED = Died("signal SIGKILL, perhaps because memory ran out")


@pytest.fixture
def crew() -> Iterator[Crew[str]]:
    with Crew[str](cases.begin, workers=2) as crew:
        yield crew


def heard(crew: Crew[str], *, until: int) -> list[tuple[str, Word]]:
    """So many words, or more that came with the last."""
    words: list[tuple[str, Word]] = []
    limit = time.monotonic() + 60
    while len(words) < until:
        assert time.monotonic() < limit, f"no more than {words} in a minute"
        words += crew.hear(1)
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


def test_those_that_die_take_their_own_task_and_others_come_in_their_place(crew: Crew[str]) -> None:
    with Crew[str](cases.begin, workers=4) as many:
        many.give("wait")
        assert heard(many, until=1) == [("wait", Said("waiting"))]
        for _ in range(8):
            for _ in range(3):  # one dies while another is being started
                many.give("die")
            assert heard(many, until=3) == [("die", KILLED)] * 3
        fresh = many.give("who")
        assert heard(many, until=2)[-1][1] in [Done((index, fresh)) for index in range(4)]
        many.stop()
        assert many.idle == 0
        assert heard(many, until=1) == [("wait", Done("put down"))]


def test_one_that_dies_while_it_has_nothing_to_do_costs_no_task(crew: Crew[str]) -> None:
    first = crew.give("who")
    heard(crew, until=2)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{first}").exists(), seconds=5)
    second = crew.give("who")
    assert second != first
    assert heard(crew, until=2)[-1] == ("who", Done((0, second)))


def test_leaving_ends_who_listens_and_who_does_not(
    crew: Crew[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "LEAVING_SECONDS", 3)
    ids = [crew.give(f"leave {tmp_path / 'left'}"), crew.give("deaf")]
    heard(crew, until=2)
    crew.__exit__()
    assert (tmp_path / "left").exists()
    for id in ids:
        assert_gone(id, seconds=0.1)


def test_what_can_not_even_begin_says_why_of_every_task() -> None:
    with Crew[str](cases.broken, workers=1) as crew:
        for _ in range(2):
            crew.give("who")
            assert heard(crew, until=1) == [("who", Failed("RuntimeError: it can't even begin"))]


def test_the_terminals_ctrl_c_does_not_reach_the_server_while_it_imports() -> None:
    """The signal goes to every process of the terminal's foreground, and the server ignores it only once it serves."""
    from multiprocessing import forkserver

    with Crew[str](cases.begin, workers=1) as crew:
        crew.give("who")
        pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        (blocked,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigBlk" in line]
        assert int(blocked.split()[1], 16) & 1 << signal.SIGINT - 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_path_is_one_process_at_a_time_and_who_is_told_to_stop_waits_no_longer(tmp_path: Path) -> None:
    path, told, answers = tmp_path / "locks" / "one", Event(), list[bool]()

    def other() -> None:
        with alone(path, told.is_set) as mine:
            answers.append(mine)

    with alone(path, lambda: False) as mine:
        assert mine
        waiting = Thread(target=other)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        told.set()
        waiting.join(5)
    assert answers == [False]
    told.clear()
    other()
    assert answers == [False, True]
