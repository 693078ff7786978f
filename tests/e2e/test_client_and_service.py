"""The whole line: library, service and client agree to the byte, also when one of them is killed half-way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import factories
import pytest
import torch
from learngenes_client import Client
from learngenes_client.cli import main as client_main
from learngenes_client.errors import ClientError, UnsupportedSize

from learngenes.__main__ import main
from learngenes.store.local import LocalStore


def test_library_stream_and_client_give_the_same_bytes(service: Any, tmp_path: Path) -> None:
    with Client(service.url, cache=tmp_path / "cache", local=False) as client:
        model = client.fetch_model(depth=9, width=32)
    store = str(service.data / "store")
    assert main(["build", "tiny", "--store", store, "--depth", "9", "--out", str(tmp_path / "built")]) == 0
    assert model.path.read_bytes() == (tmp_path / "built" / "model.safetensors").read_bytes()
    assert (tmp_path / "built" / "config.json").read_bytes() == (model.path.parent / "config.json").read_bytes()


def test_other_inputs_labels_and_options_give_the_same_bytes_too(service: Any, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("class 3\nanother\nclass 0\n", "utf-8")
    asked = {"depth": 5, "width": 16, "img_size": 12, "patch_size": 2, "in_chans": 1, "pool": "token", "seed": 3}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
    words += ["--option=select=random", "--layers=0,0,1,2,2", f"--labels=@{names}"]
    with Client(service.url, cache=tmp_path / "cache", local=False) as client:
        model = client.fetch_model(
            **asked,
            learngene="half",
            layers=[0, 0, 1, 2, 2],
            labels=["class 3", "another", "class 0"],
            options={"select": "random"},
        )
    store = str(service.data / "store")
    assert main(["build", "half", "--store", store, *words, "--out", str(tmp_path / "built")]) == 0
    assert model.path.read_bytes() == (tmp_path / "built" / "model.safetensors").read_bytes()
    fetch = ["fetch", "--url", service.url, "--cache", str(tmp_path / "other"), "--learngene", "half", *words]
    assert client_main([*fetch, "--out", str(tmp_path / "fetched")]) == 0
    assert model.path.read_bytes() == (tmp_path / "fetched").read_bytes()
    assert model.to_timm()(torch.zeros(2, 1, 12, 12)).shape == (2, 3)


def test_a_fetched_model_is_a_timm_model_that_works(service: Any, tmp_path: Path) -> None:
    with Client(service.url, cache=tmp_path) as client:
        model = client.fetch_model(depth=4, num_classes=3)
    network = model.to_timm().eval()
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
    assert sum(p.numel() for p in network.parameters()) == model.document.params
    assert model.state_dict().keys() == network.state_dict().keys()


def test_the_client_raises_the_typed_error_with_the_way_out(service: Any, tmp_path: Path) -> None:
    with Client(service.url, cache=tmp_path) as client, pytest.raises(UnsupportedSize) as error:
        client.fetch_model(depth=9, width=385)
    assert error.value.nearest == {"depth": 9, "width": 32} or error.value.nearest == (9, 32)


FETCH = """
import sys, time
from learngenes_client import Client
def slowly(done, total):
    time.sleep(0.02 if done < 20_000_000 else 0)
with Client(sys.argv[1], cache=sys.argv[2], local=False, progress=slowly) as client:
    print(client.fetch_model(learngene="large", depth=48).path)
"""


def test_a_killed_client_resumes_in_another_process(service: Any, tmp_path: Path) -> None:
    first = fetching(service.url, tmp_path)
    part = wait_for_part(tmp_path, bytes_at_least=2_000_000)
    first.kill()
    first.wait()
    held = part.stat().st_size
    assert held >= 2_000_000
    seen: list[int] = []
    with Client(service.url, cache=tmp_path, local=False, progress=lambda done, _: seen.append(done)) as client:
        model = client.fetch_model(learngene="large", depth=48)
    assert seen[0] >= held
    assert hashlib.sha256(model.path.read_bytes()).hexdigest() == model.document.files[0].sha256
    assert not part.exists()


def test_a_download_survives_a_killed_service(start: Any, tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    factories.catalog(
        None,
        factories.learngene(name="large", stages=(1, 1, 1), width=256, heads=4),
        store=LocalStore(data / "store"),
    )
    with start(data, default="large") as service:
        port = int(service.url.rsplit(":", 1)[1])
        client = fetching(service.url, cache)
        wait_for_part(cache, bytes_at_least=2_000_000)
        service.kill()
    with start(data, default="large", port=port) as service:
        client.wait(60)
        with Client(service.url, cache=cache, local=False) as again:
            model = again.fetch_model(learngene="large", depth=48)
    assert hashlib.sha256(model.path.read_bytes()).hexdigest() == model.document.files[0].sha256


def test_nobody_at_the_address_is_one_clear_sentence(tmp_path: Path) -> None:
    with (
        Client("http://127.0.0.1:9", cache=tmp_path, tries=1) as client,
        pytest.raises(ClientError, match=r"127\.0\.0\.1:9"),
    ):
        client.fetch_model(depth=9)


def fetching(url: str, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, str(cache)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_part(cache: Path, *, bytes_at_least: int) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for part in cache.rglob("model.safetensors.part"):
            if part.stat().st_size >= bytes_at_least:
                return part
        time.sleep(0.02)
    raise AssertionError("the download never started")
