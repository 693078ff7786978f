"""The client and its command line, in real processes, against a real server on loopback."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from learngenes_client import (
    BadAnswer,
    Client,
    IntegrityError,
    InvalidArgument,
    ServiceUnavailable,
    Stalled,
    Unreachable,
    UnsupportedSize,
    cli,
)
from learngenes_client.transport import ANSWER_BYTES_LIMIT
from unit.client import misbehaving as bad
from unit.client.misbehaving import CONFIG, FOLDER, ID, WEIGHTS, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    with Client(server.url, cache=tmp_path / "cache", timeout_seconds=5, stall_seconds=5) as client:
        yield client


def weights_at(cache: Path) -> Path:
    return cache / "descendants" / ID / "model.safetensors"


def start(server: Server, cache: Path, *more: str, **options: object) -> subprocess.Popen[str]:
    """learngenes-client fetch, in a process of its own."""
    command = [sys.executable, "-m", "learngenes_client", "fetch", "--url", server.url, "--cache", str(cache)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*command, *more], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "waited 20 seconds in vain"
        time.sleep(0.02)


def has_bytes(path: Path, count: int) -> bool:
    return path.exists() and path.stat().st_size >= count


def test_fetch_model_brings_weights_and_config_and_keeps_them(client: Client, server: Server, tmp_path: Path) -> None:
    model = client.fetch_model(
        9,
        384,
        order=[0, 4, 1],
        layers=[0, 1],
        labels=("cat", "dog"),
        img_size=96,
        patch_size=8,
        in_chans=1,
        pool="avg",
        dtype="f32",
        options={"select": "random"},
    )
    assert model.path == weights_at(tmp_path / "cache")
    assert model.path.read_bytes() == WEIGHTS
    assert model.config == json.loads(CONFIG)
    assert (model.document.id, model.document.depth) == (ID, 9)
    assert json.loads(server.seen[0].body) == {
        "depth": 9,
        "width": 384,
        "labels": ["cat", "dog"],
        "img_size": 96,
        "patch_size": 8,
        "in_chans": 1,
        "pool": "avg",
        "dtype": "f32",
        "order": [0, 4, 1],
        "layers": [0, 1],
        "options": {"select": "random"},
    }
    client.fetch_model(9, 384)
    assert [seen.method for seen in server.seen] == ["POST", "GET", "GET", "POST"]


def test_describe_brings_no_file_and_has_nothing_built(client: Client, server: Server, tmp_path: Path) -> None:
    assert client.describe(depth=9, options={"select": "random"}).id == ID
    assert (server.seen[0].path, server.seen[0].headers["accept"]) == ("/v1/plan", "application/json")
    assert json.loads(server.seen[0].body) == {"depth": 9, "options": {"select": "random"}}
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_is_mended(client: Client, server: Server, tmp_path: Path) -> None:
    path = client.fetch_model().path
    path.write_bytes(WEIGHTS[:10])
    client.fetch_model()
    assert path.read_bytes() == WEIGHTS


def test_progress_is_told_of_the_weights_alone(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with Client(server.url, cache=tmp_path, progress=lambda done, total: told.append((done, total))) as client:
        client.fetch_model()
    assert told[0] == (0, len(WEIGHTS))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))


def test_a_service_below_a_path_is_reached_there(server: Server, tmp_path: Path) -> None:
    with Client(server.url + "/zoo/", cache=tmp_path) as client:
        client.describe()
    assert server.seen[0].path == "/zoo/v1/plan"


def test_an_unsupported_size_is_an_error_that_leads_on(client: Client, server: Server) -> None:
    server.initialize = bad.problem(422, "unsupported-size", nearest={"depth": 12, "width": 384})
    with pytest.raises(UnsupportedSize) as caught:
        client.fetch_model(99, 384)
    assert caught.value.nearest == {"depth": 12, "width": 384}


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (bad.plain(502), ServiceUnavailable, "502"),
        (lambda handler: handler.send(200, b"[]"), BadAnswer, "object"),
        (lambda handler: handler.send(301, b"", Location="/there"), BadAnswer, "/there"),
        (lambda handler: handler.send(200, bytes(ANSWER_BYTES_LIMIT + 1)), BadAnswer, "longer than"),
        (lambda handler: handler.server.released.wait(5), Stalled, "not a byte for 0.2 seconds"),
    ],
)
def test_a_wrong_answer_to_initialize_is_named(
    server: Server, tmp_path: Path, act: bad.Act, error: type[Exception], text: str
) -> None:
    server.initialize = act
    with (
        Client(server.url, cache=tmp_path, timeout_seconds=0.2 if error is Stalled else 5) as client,
        pytest.raises(error, match=text),
    ):
        client.describe()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_can_not_be_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Client(url)


def test_a_password_in_the_address_is_not_told(server: Server) -> None:
    server.shutdown()
    server.server_close()
    url = server.url.replace("http://", "http://user:secret@")
    with Client(url) as client, pytest.raises(Unreachable) as caught:
        client.methods()
    assert "secret" not in str(caught.value)
    assert "http://127.0.0.1:" in str(caught.value)


def test_a_killed_download_is_gone_on_with_by_the_next_process(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(200_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    with start(server, tmp_path) as process:
        wait_until(lambda: has_bytes(part, 150_000))
        process.kill()
    kept = part.stat().st_size
    assert 150_000 <= kept <= 200_000

    with Client(server.url, cache=tmp_path) as client:
        assert client.fetch_model().path.read_bytes() == WEIGHTS
    assert server.ranges == [None, f"bytes={kept}-"]
    assert server.seen[-1].headers["if-range"] == f'"{ID}"'
    assert {path.name for path in part.parent.iterdir()} == {"model.safetensors", "config.json", "document.json"}


def test_two_processes_that_want_the_same_file_ask_for_it_once(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    with start(server, tmp_path) as first:
        wait_until(lambda: len(server.ranges) == 1)
        with start(server, tmp_path) as second:
            wait_until(lambda: len(server.asked("/initialize")) == 2)
            time.sleep(0.3)  # time for the second to reach the lock; if it does not, this test still holds
            assert second.poll() is None
            server.released.set()
            outputs = first.communicate()[0], second.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert outputs == (f"{weights_at(tmp_path)}\n",) * 2
    assert server.ranges == [None]
    assert weights_at(tmp_path).read_bytes() == WEIGHTS


def test_when_the_first_of_two_processes_is_killed_the_second_goes_on(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    with start(server, tmp_path) as first:
        wait_until(lambda: has_bytes(part, 90_000))
        with start(server, tmp_path) as second:
            wait_until(lambda: len(server.asked("/initialize")) == 2)
            first.kill()
            second.communicate()
    assert second.returncode == 0
    assert weights_at(tmp_path).read_bytes() == WEIGHTS
    assert len(server.ranges) == 2
    assert server.ranges[1] is not None


def test_control_c_exits_130_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, and so inherited, in a `make &`
    process = start(server, tmp_path)
    signal.signal(signal.SIGINT, ours)
    with process:
        wait_until(lambda: has_bytes(part, 90_000))
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
    assert process.returncode == 130
    assert errors == "learngenes-client: stopped; what has arrived is kept\n"
    assert part.stat().st_size == 100_000


def test_a_bar_is_shown_on_a_terminal_only(server: Server, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    try:
        with start(server, tmp_path / "terminal", stderr=theirs) as process:
            process.communicate()
        assert b"starter@1 9x384: 100%" in os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    with start(server, tmp_path / "pipe") as process:
        assert process.communicate()[1] == ""


def run(server: Server, cache: Path, *words: str) -> int:
    return cli.main([words[0], "--url", server.url, "--cache", str(cache), *words[1:]])


def test_fetch_prints_where_the_file_is(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, tmp_path, "fetch", "--depth", "9", "--order", "0,4,1", "--layers", "0,0,1") == 0
    assert capsys.readouterr() == (f"{weights_at(tmp_path)}\n", "")
    assert json.loads(server.seen[0].body) == {"depth": 9, "order": [0, 4, 1], "layers": [0, 0, 1]}


def test_every_word_of_the_command_line_is_sent(server: Server, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("tench, Tinca tinca\ngoldfish\n", "utf-8")
    words = ["--img-size", "96", "--patch-size", "8", "--in-chans", "1", "--pool", "avg", "--labels", f"@{names}"]
    words += ["--option", "select=random", "--option", "path=[3, 4]", "--option", "scale=none"]
    assert run(server, tmp_path, "fetch", *words) == 0
    assert json.loads(server.seen[0].body) == {
        "img_size": 96,
        "patch_size": 8,
        "in_chans": 1,
        "pool": "avg",
        "labels": ["tench, Tinca tinca", "goldfish"],
        "options": {"select": "random", "path": [3, 4], "scale": "none"},
    }
    assert run(server, tmp_path, "describe", "--labels", "cat,dog") == 0
    assert json.loads(server.seen[-1].body) == {"labels": ["cat", "dog"]}


def test_an_option_given_twice_is_a_wrong_command_line(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, tmp_path, "fetch", "--option", "keep=first", "--option", "keep=uniform") == 2
    assert "keep is given twice" in capsys.readouterr().err
    assert server.seen == []


def test_out_puts_a_copy_there(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "vit.safetensors"
    assert run(server, tmp_path / "cache", "fetch", "--order", "front-mid-last", "--out", str(out), "--json") == 0
    assert out.read_bytes() == WEIGHTS
    printed = json.loads(capsys.readouterr().out)
    assert (printed["path"], printed["id"]) == (str(out), ID)
    assert json.loads(Path(printed["config"]).read_bytes()) == json.loads(CONFIG)


def test_an_out_that_can_not_be_is_found_before_anything_is_fetched(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, tmp_path / "nowhere" / "file"):
        assert run(server, tmp_path, "fetch", "--out", str(out)) == 2
        assert "--out names a file" in capsys.readouterr().err
    assert server.seen == []


def test_describe_prints_a_summary_or_the_document(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, tmp_path, "describe") == 0
    summary = capsys.readouterr().out
    assert "16,727,272" in summary
    assert "300,000 in f32" in summary
    assert run(server, tmp_path, "describe", "--json") == 0
    assert json.loads(capsys.readouterr().out) == server.document


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("fly",),
        ("fetch", "--depth", "nine"),
        ("fetch", "--layers", "0,x"),
        ("fetch", "--option", "keep"),
        ("fetch", "--labels", "@/nowhere/names.txt"),
        ("plan", "--max-params", "many"),
    ],
)
def test_a_wrong_command_line_exits_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2


def test_a_wrong_address_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["methods", "--url", "localhost:8000"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_is_one_sentence_on_stderr_and_exit_1(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, tmp_path, "methods") == 1
    assert capsys.readouterr() == ("", "learngenes-client: nothing at /v1/methods\n")
    server.initialize = bad.problem(422, "invalid-value\x1b[31m\n")
    assert run(server, tmp_path, "fetch") == 1
    assert capsys.readouterr().err == "learngenes-client: no: invalid-value [31m \n"
    (tmp_path / "file").touch()
    server.initialize = lambda handler: handler.json(200, server.document)
    assert run(server, tmp_path / "file", "fetch") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_address_comes_from_the_environment_when_it_is_not_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEARNGENES_URL", server.url)
    monkeypatch.setenv("LEARNGENES_CACHE", str(tmp_path))
    assert cli.main(["fetch"]) == 0
    assert capsys.readouterr().out == f"{weights_at(tmp_path)}\n"


def test_wrong_bytes_reach_neither_cache_nor_caller(client: Client, server: Server, tmp_path: Path) -> None:
    server.plan = [bad.whole(bytes(len(WEIGHTS)))]
    with pytest.raises(IntegrityError):
        client.fetch_model()
    assert not weights_at(tmp_path / "cache").exists()
    assert client.fetch_model().path.read_bytes() == WEIGHTS
    assert len(server.asked(f"{FOLDER}/config.json")) == 1
