"""What the command line writes, and where that can't be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from learngenes_client import cli
from unit.client import misbehaving as bad
from unit.client.misbehaving import FOLDER, ID, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


JOB = {"id": "ab12", "kind": "learn", "status": "failed", "spec": {}, "error": {"detail": "\x1b[2Jno"}}
EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\ud800"


def process(server: Server, *words: str, stdout: int) -> subprocess.Popen[bytes]:
    """learngenes-client with Python's usual buffering, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "learngenes_client", *words, "--url", server.url]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment)


@pytest.mark.parametrize("words", [("describe",), ("describe", "--json")])
def test_a_reader_who_has_seen_enough_is_no_error(server: Server, words: tuple[str, ...]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with process(server, *words, stdout=writes) as running:
        os.close(writes)
        assert running.stderr is not None and running.stderr.read() == b""
    assert running.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_sentence_and_exit_1(server: Server) -> None:
    with Path("/dev/full").open("wb") as full, process(server, "describe", stdout=full.fileno()) as running:
        assert running.stderr is not None
        errors = running.stderr.read().decode()
    assert running.returncode == 1
    assert errors == "learngenes-client: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "word", ["describe", "descendant", "learngenes", "methods", "yank", "alias", "jobs", "log", "ls"]
)
def test_nothing_that_a_service_says_moves_the_cursor(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    steps = {"first": 1, "last": 2, "step": 1}
    learngene = {"name": f"a{EVIL}", "version": 1, "method": EVIL, "space": {"depth": steps, "width": steps}}
    learngene |= {"yanked": {"reason": EVIL}}
    server.document |= {"license": EVIL, "learngene": f"starter{EVIL}", "dtype": EVIL}
    answers: dict[str, object] = {
        FOLDER: server.document,
        "/v1/plan": server.document,
        "/v1/learngenes": {"default": None, "learngenes": [learngene]},
        "/v1/methods": {"methods": [{"name": EVIL, "title": EVIL}]},
        "/v1/learngenes/a@1/yank": learngene,
        "/v1/learngenes/a/aliases/stable": {"reference": EVIL},
        "/v1/jobs?limit=20": {"jobs": [JOB | {"status": EVIL}]},
    }
    for path, answer in answers.items():
        server.other[path] = [lambda handler, answer=answer: handler.json(200, answer)]  # type: ignore[misc]
    server.other["/v1/jobs/ab12/log"] = [lambda handler: handler.send(200, EVIL[:-1].encode())]
    more = {
        "descendant": [ID],
        "yank": ["a@1", "--reason", "wrong"],
        "alias": ["a", "stable", "1"],
        "log": ["ab12", "--log"],
    }
    place = ["--cache", str(tmp_path)]
    if word == "ls":
        assert cli.main(["fetch", "--url", server.url, *place]) == 0
        capsys.readouterr()
        assert cli.main(["cache", "ls", *place]) == 0
    else:
        command = "job" if word == "log" else word
        assert cli.main([command, "--url", server.url, *place, *more.get(word, [])]) == 0
    out = capsys.readouterr().out
    assert out.strip() and all(letter.isprintable() for line in out.splitlines() for letter in line)
    assert "\r" not in out


def test_json_is_ascii_whatever_a_service_says(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.document["license"] = EVIL
    assert cli.main(["describe", "--json", "--url", server.url, "--cache", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and "\x1b" not in out
    assert json.loads(out)["license"] == EVIL
