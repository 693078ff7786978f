"""`learngenes-client cache`, on what was fetched from a real server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from learngenes_client import cli
from unit.client import misbehaving as bad
from unit.client.misbehaving import ID, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


def weights_at(cache: Path) -> Path:
    return cache / "descendants" / ID / "model.safetensors"


def run(server: Server, cache: Path, *words: str) -> int:
    return cli.main([words[0], "--url", server.url, "--cache", str(cache), *words[1:]])


def damage(path: Path) -> None:
    path.write_bytes(b"!" + path.read_bytes()[1:])


def test_the_cache_is_listed_verified_and_pruned(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*words: str) -> tuple[int, str]:
        status = cli.main(["cache", *words, "--cache", str(tmp_path)])
        return status, capsys.readouterr().out

    assert say("ls") == (0, f"0 kept, 0 bytes in {tmp_path}\n")
    assert run(server, tmp_path, "fetch") == 0
    capsys.readouterr()
    status, out = say("ls", "--json")
    (kept,) = json.loads(out)["kept"]
    assert (status, kept["kind"], kept["id"]) == (0, "descendant", ID)
    assert say("ls")[1].splitlines()[0].endswith(f"{ID[:12]}  starter@1 depth 9 width 384 f32")
    assert say("verify") == (0, "2 files read, all as they should be\n")
    damage(weights_at(tmp_path))
    status, out = say("verify")
    assert (status, out.splitlines()[-1]) == (4, "2 files read, 1 damaged and to be removed by --fix")
    assert "damaged" in out and "sha256 should be" in out
    assert json.loads(say("verify", "--json")[1])["damaged"] == 1
    assert say("verify", "--fix")[0] == 0
    assert not weights_at(tmp_path).exists()
    assert say("prune", "--unused", "1d")[1].endswith("0 removed, 0 bytes\n")
    assert say("prune")[0] == 2
    capsys.readouterr()
    assert json.loads(say("prune", "--all", "--json")[1])["removed"][0]["id"] == ID
    assert say("ls")[1].startswith("0 kept")


@pytest.mark.parametrize("words", [("prune", "--unused", "soon"), ("prune", "--unused", "-1d"), (), ("grow",)])
def test_a_wrong_word_to_the_cache_exits_2(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["cache", *words])
    assert caught.value.code == 2
