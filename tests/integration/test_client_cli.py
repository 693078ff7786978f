"""The command line of the client, against a real server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from learngenes_client import (
    cli,
)
from unit.client import misbehaving as bad
from unit.client.misbehaving import CONFIG, FOLDER, ID, WEIGHTS, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


def weights_at(cache: Path) -> Path:
    return cache / "descendants" / ID / "model.safetensors"


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
    assert "accuracy    not measured" in summary
    measured = {"metric": "top1", "value": 0.25, "dataset": "digits", "split": "test", "epochs_after": 0}
    server.document["quality"] = [measured, {"metric": "top1"}, {"metric": "latency_ms", "value": 1.0}]
    assert run(server, tmp_path, "describe") == 0
    assert "accuracy    0.25 top1 on digits test, untuned\n" in capsys.readouterr().out
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


def test_offline_exits_3_unless_the_cache_has_it(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, tmp_path, "fetch", "--depth", "9", "--offline") == 3
    assert capsys.readouterr().err.startswith("learngenes-client: offline, and this checkpoint is not in the cache")
    assert run(server, tmp_path, "fetch", "--depth", "9") == 0
    asked = len(server.seen)
    assert run(server, tmp_path, "fetch", "--depth", "9", "--offline") == 0
    assert run(server, tmp_path, "fetch", "--id", ID) == 0
    assert len(server.seen) == asked
    assert run(server, tmp_path, "fetch", "--id", ID, "--depth", "9") == 2


def test_wrong_bytes_exit_4(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.plan = [bad.whole(bytes(len(WEIGHTS)))]
    assert run(server, tmp_path, "fetch") == 4
    assert "sha256 should be" in capsys.readouterr().err


def test_a_descendant_is_described_by_its_id(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.other[FOLDER] = [lambda handler: handler.json(200, server.document)] * 2
    assert run(server, tmp_path, "descendant", ID) == 0
    assert "16,727,272" in capsys.readouterr().out
    assert run(server, tmp_path, "descendant", ID, "--json") == 0
    assert json.loads(capsys.readouterr().out) == server.document


def test_a_call_is_tried_as_often_as_is_said(server: Server, tmp_path: Path) -> None:
    server.initialize = bad.plain(503)
    assert run(server, tmp_path, "fetch", "--tries", "1") == 1
    assert len(server.seen) == 1
    assert run(server, tmp_path, "fetch", "--tries", "0") == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in cli.COMMANDS)
    assert "--allow-yanked" in script or "allow-yanked" in script


def test_every_command_can_print_json_and_says_what_it_does() -> None:
    actions = [action for action in cli.parser()._actions if isinstance(action.choices, dict)]
    for name, command in actions[0].choices.items():  # type: ignore[union-attr]
        text = command.format_help()
        assert "--json" in text or name in {"cache", "completion"}
        assert command.description


def test_the_librarys_command_hands_the_clients_words_over(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "learngenes", "cache", "ls", "--cache", str(tmp_path), "--json"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"root": str(tmp_path), "bytes": 0, "kept": []}


def test_what_is_asked_again_goes_unsaid(server: Server, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "learngenes_client", "methods", "--json", "--url", server.url]
    server.other["/v1/methods"] = [bad.plain(503), lambda handler: handler.json(200, {"methods": []})]
    done = subprocess.run(words, capture_output=True, check=True)
    assert (json.loads(done.stdout), done.stderr) == ({"methods": []}, b"")
    assert len(server.seen) == 2
