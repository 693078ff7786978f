"""The command lines people have: `hf`, its older names, curl and wget."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from e2e.hub.conftest import STARTER, Zoo
from e2e.hub.harness import NEWEST, environment, outside
from e2e.hub.tiny import SHIPPED

ONE, SMALL = f"{STARTER}/depth9-width384", f"{STARTER}/depth3-width128"
FILES = ["README.md", "config.json", "model.safetensors", "recipe.json"]
HF = [str(Path(sys.executable).with_name("hf"))]
OLD = {
    "hub-0.36": [sys.executable, "-m", "huggingface_hub.cli.hf"],
    "hub-0.23": [sys.executable, "-m", "huggingface_hub.commands.huggingface_cli"],
}


def run(command: list[str], home: Path, zoo: Zoo, *, client: str = NEWEST, fails: bool = False) -> str:
    done = subprocess.run(command, env=environment(client, home, zoo.url), capture_output=True, text=True, cwd=home)
    assert bool(done.returncode) == fails, done.stderr
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stderr if fails else done.stdout)


def test_hf_downloads_and_finds_every_checksum_right(zoo: Zoo, tmp_path: Path) -> None:
    path = run([*HF, "download", SMALL], tmp_path, zoo)
    commit = httpx.get(f"{zoo.url}/api/models/{SMALL}").json()["sha"]
    assert commit in path
    assert "Verified 4 file(s)" in run([*HF, "cache", "verify", SMALL], tmp_path, zoo)
    zoo.requests.new()
    run([*HF, "download", SMALL], tmp_path, zoo)
    warm = zoo.requests.new()
    assert [one.path for one in warm if one.method == "GET"] == [f"/api/models/{SMALL}/revision/main"]
    # Nothing but the command's own look for a newer version of itself, which it does without.
    assert set(outside(tmp_path)) <= {"pypi.org"}


def test_a_flipped_byte_is_found(zoo: Zoo, tmp_path: Path) -> None:
    run([*HF, "download", SMALL], tmp_path, zoo)
    weights = next((tmp_path / "hf").rglob("snapshots/*/model.safetensors")).resolve()
    raw = bytearray(weights.read_bytes())
    raw[len(raw) // 2] ^= 1
    weights.write_bytes(raw)
    assert "Verification failed" in run([*HF, "cache", "verify", SMALL], tmp_path, zoo, fails=True)


def test_hf_lists_and_tells(zoo: Zoo, tmp_path: Path) -> None:
    listed = run([*HF, "models", "ls", "--search", "depth9-width384", "--format", "json"], tmp_path, zoo)
    assert {row["id"] for row in json.loads(listed)} == {
        f"{n}/depth9-width384{hf}" for n in SHIPPED for hf in ("", "-hf")
    }
    told = json.loads(run([*HF, "models", "info", ONE, "--format", "json"], tmp_path, zoo))
    assert (told["id"], told["library_name"]) == (ONE, "timm")
    assert "model.safetensors" in run([*HF, "models", "ls", ONE], tmp_path, zoo)


@pytest.mark.parametrize("client", OLD)
def test_older_commands_download_a_version_by_its_tag(client: str, zoo: Zoo, tmp_path: Path) -> None:
    command = [*OLD[client], "download", ONE, "config.json", "README.md", "--revision", "v1"]
    path = Path(run(command, tmp_path, zoo, client=client).strip())
    assert sorted(file.name for file in path.iterdir()) == ["README.md", "config.json"]
    assert "@1" in (path / "README.md").read_text()
    assert outside(tmp_path) == []


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_a_broken_download_goes_on_where_it_stopped(program: str, zoo: Zoo, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    url = f"{zoo.url}/{SMALL}/resolve/main/model.safetensors"
    whole = httpx.get(url).content
    part = tmp_path / "model.safetensors"
    part.write_bytes(whole[:1_000_001])
    command = ["curl", "-sfLO", "-C", "-"] if program == "curl" else ["wget", "-q", "-c"]
    zoo.requests.new()
    run([*command, url], tmp_path, zoo)
    assert hashlib.sha256(part.read_bytes()).digest() == hashlib.sha256(whole).digest()
    assert [(one.status, one.bytes) for one in zoo.requests.new()] == [(206, len(whole) - 1_000_001)]
