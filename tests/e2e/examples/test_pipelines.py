"""Examples that fetch: steps of pipelines, KServe's pull, and a folder that is carried to where there is no network."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from e2e.examples.programs import EXAMPLES, Failed, copied, python, run
from e2e.hub import harness
from PIL import Image
from safetensors import safe_open

NOWHERE = "http://127.0.0.1:9"
NO_NETWORK = Path(__file__).parent / "no_network"
REQUEST = {"learngene": "sws-small-cifar100@2", "depth": 6, "width": 192}


@pytest.fixture(scope="module")
def wanted(zoo: str) -> bytes:
    """The checkpoint that all of them fetch."""
    return httpx.post(f"{zoo}/initialize", json=REQUEST).raise_for_status().content


def test_every_example_has_its_line_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text("utf-8")
    there = {path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__")}
    assert {name for name in there if f"]({name}" in index} == there


@pytest.mark.parametrize("arrived", [1_000_000, 10**9], ids=["a part", "all of it"])
def test_make_fetches_once_checks_the_digest_and_goes_on_where_it_was_cut(
    zoo: str, wanted: bytes, tmp_path: Path, arrived: int
) -> None:
    here = copied("make", tmp_path)
    step = here / "descendant" / "model.safetensors"
    (here / "descendant").mkdir()
    step.with_name("model.safetensors.part").write_bytes(wanted[:arrived])
    assert "--continue-at -" in run("make", f"ZOO={zoo}", home=tmp_path, here=here)
    assert step.read_bytes() == wanted
    assert "model_args" in step.with_name("config.json").read_text()
    assert "Nothing to be done" in run("make", f"ZOO={NOWHERE}", home=tmp_path, here=here)
    pins = run("make", "pin", f"ZOO={zoo}", home=tmp_path, here=here)
    assert pins.splitlines() == [line for line in (here / "Makefile").read_text().splitlines() if ":= " in line][1:3]


def test_make_keeps_nothing_that_is_not_what_was_pinned(zoo: str, wanted: bytes, tmp_path: Path) -> None:
    here = copied("make", tmp_path)
    part = here / "descendant" / "model.safetensors.part"
    part.parent.mkdir()
    part.write_bytes(bytes(1000) + wanted[1000:-10])  # goes on from there, and is found out
    with pytest.raises(Failed, match="FAILED"):
        run("make", f"ZOO={zoo}", home=tmp_path, here=here)
    assert not part.exists()
    assert not part.with_suffix("").exists()
    with pytest.raises(Failed, match="the zoo has another recipe"):
        run("make", f"ZOO={zoo}", "ID=" + "0" * 64, home=tmp_path, here=copied("make", tmp_path / "another"))


def test_the_stage_of_dvc_makes_its_outs_from_its_deps(zoo: str, wanted: bytes, tmp_path: Path) -> None:
    """As `dvc repro` would: its command, in its folder, with the outs gone. DVC itself is not installed."""
    here = copied("make", tmp_path)
    (stage,) = yaml.safe_load((here / "dvc.yaml").read_text())["stages"].values()
    assert stage.keys() == {"cmd", "deps", "outs"}
    assert all((here / name).is_file() for name in stage["deps"])
    for _ in range(2):
        run("sh", "-c", stage["cmd"], home=tmp_path, here=here, ZOO=zoo)
        assert (here / stage["outs"][0]).read_bytes() == wanted
        for name in stage["outs"]:
            (here / name).unlink()


def test_the_task_of_airflow_fetches_with_curl_alone_and_once(zoo: str, wanted: bytes, tmp_path: Path) -> None:
    target = tmp_path / "target"
    program = ("airflow/fetch_descendant.py", zoo, target)
    assert python(*program, home=tmp_path, first=NO_NETWORK).strip() == str(target / "model.safetensors")
    assert (target / "model.safetensors").read_bytes() == wanted
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    python(program[0], NOWHERE, target, home=tmp_path)  # it is there: nobody is asked
    (target / "model.safetensors").write_bytes(b"cut")
    (target / "model.safetensors.part").write_bytes(b"damaged" + wanted[7:-1])
    with pytest.raises(Failed, match=r"model\.safetensors has sha256 .*, and 68741fe4"):
        python(*program, home=tmp_path)
    (target / "model.safetensors.part").write_bytes(wanted)
    python(*program, home=tmp_path)
    assert (target / "model.safetensors").read_bytes() == wanted


def test_the_dag_hands_the_task_what_it_takes() -> None:
    """Airflow is not installed: the DAG is read, not run."""
    dag, task = (ast.parse((EXAMPLES / "airflow" / name).read_text()) for name in ("dag.py", "fetch_descendant.py"))
    (function,) = (n for n in ast.walk(task) if isinstance(n, ast.FunctionDef) and n.name == "fetch_descendant")
    calls = [n for n in ast.walk(dag) if isinstance(n, ast.Call) and ast.unparse(n.func) == "fetch"]
    assert [len(call.args) for call in calls] == [len(function.args.args) - len(function.args.defaults)]
    assert "from fetch_descendant import fetch_descendant" in ast.unparse(dag)


def test_the_workflow_is_one_and_its_steps_do_what_they_say(zoo: str, wanted: bytes, tmp_path: Path) -> None:
    path = EXAMPLES / "github-actions" / "descendant.yml"
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path, home=tmp_path)
    workflow = yaml.safe_load(path.read_text())
    steps = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    checkpoint, summary = tmp_path / "model.safetensors", tmp_path / "summary.md"

    def all_steps(address: str) -> str:
        """As a runner does: a script each, `bash -e`."""
        variables = workflow["env"] | {"ZOO": address, "GITHUB_STEP_SUMMARY": str(summary)}
        return "".join(run("bash", "-ec", script, home=tmp_path, **variables) for script in steps)

    assert "model.safetensors: OK" in all_steps(zoo)
    assert checkpoint.read_bytes() == wanted
    assert f"{len(wanted)} bytes" in summary.read_text()
    all_steps(NOWHERE)  # as after a hit of the cache
    checkpoint.write_bytes(wanted[:-1] + b"?")
    with pytest.raises(Failed, match=r"model\.safetensors: FAILED"):
        all_steps(NOWHERE)


PULL = """
import sys
from huggingface_hub import snapshot_download
repository, _, revision = sys.argv[1].removeprefix("hf://").partition(":")
snapshot_download(repository, revision=revision or None, local_dir=sys.argv[2])
"""
"""As KServe's storage initializer reads such an URI: hf://<repository>:<revision>."""


def test_kserve_pulls_what_the_service_of_its_yaml_names(zoo: str, tmp_path: Path) -> None:
    container, service = yaml.safe_load_all((EXAMPLES / "kserve" / "inferenceservice.yaml").read_text())
    assert container["spec"]["container"]["env"][0]["name"] == "HF_ENDPOINT"
    predictor = service["spec"]["predictor"]["containers"][0]
    assert predictor["env"][0]["name"] == "STORAGE_URI"
    uri = predictor["env"][0]["value"]
    assert any(uri.startswith(kind["prefix"]) for kind in container["spec"]["supportedUriFormats"])
    models = tmp_path / "models"
    surroundings = harness.environment(harness.NEWEST, tmp_path, zoo)
    run(sys.executable, "-c", PULL, uri, models, home=tmp_path, **surroundings)
    assert harness.outside(tmp_path) == []
    body: dict[str, Any] = REQUEST | {"keys": "transformers"}
    assert (models / "model.safetensors").read_bytes() == httpx.post(f"{zoo}/initialize", json=body).content
    assert {"config.json", "preprocessor_config.json"} <= {path.name for path in models.iterdir()}
    with safe_open(models / "model.safetensors", "numpy") as file:
        assert "classifier.weight" in file.keys()  # noqa: SIM118
    assert predictor["args"][0] == "/mnt/models"
    prediction = _asked(models, predictor["args"][1])
    assert prediction["label"] in json.loads((models / "config.json").read_bytes())["label2id"]
    assert 0.01 < prediction["score"] <= 1


def _asked(models: Path, name: str) -> dict[str, Any]:
    """What the predictor says of an image of noise; and that it refuses what is none."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    command = [sys.executable, EXAMPLES / "kserve" / "predictor.py", models, name, "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = next(line for line in process.stdout if line.startswith("ready on port "))
        url = f"http://127.0.0.1:{ready.split()[-1]}/v1/models/{name}"
        try:
            assert httpx.get(url).json() == {"name": name, "ready": True}
            assert httpx.post(f"{url}:predict", json={"instances": [{"b64": "bm8="}]}).status_code == 400
            said = httpx.post(
                f"{url}:predict", json={"instances": [{"b64": base64.b64encode(buffer.getvalue()).decode()}]}
            )
        finally:
            process.terminate()
    prediction: dict[str, Any] = said.json()["predictions"][0]
    return prediction


def test_a_folder_is_carried_to_where_there_is_no_network_and_loaded(zoo: str, wanted: bytes, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert "carry" in python("airgapped/fetch.py", here, "--url", zoo, home=tmp_path)
    shutil.move(here, there)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(Failed, match="there is no network here"):  # so the guard is one
        run(sys.executable, "-c", "import socket; socket.socket()", home=tmp_path, first=NO_NETWORK)
    said = python("airgapped/load.py", there, home=tmp_path, first=NO_NETWORK)
    assert said.startswith("2,728,996 parameters; noise looks like a ")
    assert (there / "SHA256SUMS").read_text().split()[0] == hashlib.sha256(wanted).hexdigest()
    damaged = bytearray((there / "model.safetensors").read_bytes())
    damaged[-1] ^= 1
    (there / "model.safetensors").write_bytes(damaged)
    with pytest.raises(Failed, match=r"model\.safetensors was damaged on the way"):
        python("airgapped/load.py", there, home=tmp_path, first=NO_NETWORK)
