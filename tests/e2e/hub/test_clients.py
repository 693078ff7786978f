"""Real clients, unmodified, in processes of their own: they load, come again for nothing, and ask nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e.hub.conftest import STARTER, Zoo
from e2e.hub.harness import NEWEST, OLDER, Driver, Told, driving, outside

ONE = f"{STARTER}/depth9-width384"
NATIVE, ALL, SMALL = f"{ONE}-hf", f"{STARTER}/{STARTER}", f"{STARTER}/depth3-width128"
WAYS = {
    NEWEST: [("timm", ONE), ("timm", f"{ALL}@depth9-width384"), ("transformers", ONE), ("transformers", NATIVE)],
    "hub-0.36": [("timm", ONE), ("transformers", ONE), ("transformers", NATIVE)],
    "hub-0.23": [("timm", ONE), ("timm", f"{ALL}@d9-w384")],
}
VERSIONS = {
    NEWEST: {"huggingface_hub": "2.", "timm": "1.0.", "transformers": "5."},
    "hub-0.36": {"huggingface_hub": "0.36.", "timm": "1.0.", "transformers": "4.57."},
    "hub-0.23": {"huggingface_hub": "0.23.", "timm": "0.9.16"},
}


@pytest.fixture(scope="module", params=[NEWEST, *OLDER], ids=["newest", *OLDER])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def client(name: str, zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A process with nothing in its cache, which has torch and its libraries loaded from the first step on."""
    with driving(name, tmp_path_factory.mktemp(f"client-{name}"), zoo.url) as driver:
        yield driver


@pytest.fixture(scope="module")
def loaded(name: str, client: Driver) -> list[dict[str, Any]]:
    """The descendant of depth 9 and width 384 in every way that this client has."""
    return [client(*way) for way in WAYS[name]]


@pytest.fixture(scope="module")
def logits(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the descendant says that anybody gets by POST /initialize."""
    import safetensors.torch
    import torch
    from timm.models import create_model

    answer = httpx.post(f"{zoo.url}/initialize", json={"depth": 9, "width": 384}, timeout=60)
    config = httpx.get(zoo.url + answer.headers["content-location"].replace("model.safetensors", "config.json")).json()
    model = create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    model.load_state_dict(safetensors.torch.load(answer.content))
    with torch.no_grad():
        return model.eval()(torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32))[0].tolist()


def test_every_library_loads_the_network_that_post_initialize_gives(
    name: str, client: Driver, loaded: list[dict[str, Any]], logits: list[float]
) -> None:
    for found in loaded:
        assert found["logits"] == pytest.approx(logits, abs=1e-4)
        assert not found.get("faults")
    installed = client("versions", *VERSIONS[name])
    assert all(installed[library].startswith(version) for library, version in VERSIONS[name].items())
    kinds = [found["class"] for found in loaded]
    if "transformers" in VERSIONS[name]:
        assert kinds[-2:] == ["TimmWrapperForImageClassification", "IJepaForImageClassification"]
    assert {tuple(found["labels"]) for found in loaded} == {("apple", "aquarium_fish")}
    assert kinds[0] == "VisionTransformer"


def test_a_second_run_asks_for_headers_alone(name: str, client: Driver, loaded: list[dict[str, Any]], zoo: Zoo) -> None:
    zoo.requests.new()
    assert [client(*way)["class"] for way in WAYS[name]] == [found["class"] for found in loaded]
    asked = zoo.requests.new()
    facts = [one for one in asked if one.path.startswith("/api/models/")]  # transformers 5 asks which commit it is
    files = [one for one in asked if one not in facts]
    assert {one.method for one in files} == {"HEAD"}
    assert sum(one.bytes for one in files) == 0
    assert len(files) >= 2
    assert bool(facts) == (name == NEWEST)


def test_a_commit_asks_nothing_and_survives_a_restart(
    name: str, client: Driver, loaded: list[dict[str, Any]], zoo: Zoo
) -> None:
    before = client("download", ONE, "model.safetensors")
    commit = Path(before["path"]).parent.name
    zoo.requests.new()
    assert client("download", ONE, "model.safetensors", {"revision": commit}) == before
    assert zoo.requests.new() == []
    zoo.restart()
    assert client("download", ONE, "model.safetensors") == before
    assert client("snapshot", ONE, {"revision": commit})["path"].endswith(commit)
    again = zoo.requests.new()
    assert not [one for one in again if "model.safetensors" in one.path and one.method != "HEAD"]


def test_a_snapshot_is_whole_and_named_by_its_commit(client: Driver, zoo: Zoo) -> None:
    found = client("snapshot", SMALL, {"revision": "main"})
    assert found["files"] == ["README.md", "config.json", "model.safetensors", "recipe.json"]
    commit = httpx.get(f"{zoo.url}/api/models/{SMALL}").json()["sha"]
    assert Path(found["path"]).name == commit
    tree = {row["path"]: row for row in httpx.get(f"{zoo.url}/api/models/{SMALL}/tree/main").json()}
    weights = (Path(found["path"]) / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == tree["model.safetensors"]["lfs"]["oid"]
    aliased = client("download", f"{STARTER}/d3-w128", "model.safetensors")
    assert aliased["sha256"] == tree["model.safetensors"]["lfs"]["oid"]


def test_the_hubs_own_questions_are_answered(name: str, client: Driver) -> None:
    info = client("api", "model_info", {"repo_id": ONE})
    assert (info["id"], info["library_name"], info["private"]) == (ONE, "timm", False)
    listed = [row["id"] for row in client("api", "list_models", {"author": STARTER, "limit": 3})]
    assert len(listed) == 3
    assert client("api", "list_repo_files", {"repo_id": ONE}) == [
        *("README.md", "config.json", "model.safetensors", "recipe.json"),
    ]
    refs = client("api", "list_repo_refs", {"repo_id": ONE})
    assert [row["name"] for row in refs["tags"]] == ["v2", "v1"]
    commits = client("api", "list_repo_commits", {"repo_id": ONE})
    assert [row["commit_id"] for row in commits] == [row["target_commit"] for row in refs["tags"]]
    paths = client("api", "get_paths_info", {"repo_id": ONE, "paths": ["model.safetensors", "x"], "expand": True})
    assert [row["path"] for row in paths] == ["model.safetensors"]
    assert client("api", "repo_exists", {"repo_id": ONE}) is True
    assert client("api", "repo_exists", {"repo_id": f"{STARTER}/depth9-width385"}) is False
    assert client("api", "file_exists", {"repo_id": ONE, "filename": "config.json"}) is True
    assert client("api", "file_exists", {"repo_id": ONE, "filename": "tf_model.h5"}) is False
    header = client("api", "get_safetensors_metadata", {"repo_id": ONE})
    assert header["parameter_count"] == {"F32": info["safetensors"]["total"]}
    assert client("card", ONE)["license"] == "apache-2.0"
    assert f"{ONE}/config.json" in client("folder", ONE)
    if name != "hub-0.23":
        assert client("api", "auth_check", {"repo_id": ONE}) is None


@pytest.mark.parametrize(
    ("step", "kind", "said"),
    [
        (("download", f"{STARTER}/depth9-width100", "config.json"), "RepositoryNotFoundError", "depth9-width128"),
        (("download", "nobody/depth9-width384", "config.json"), "RepositoryNotFoundError", "no learngene 'nobody'"),
        (("download", ONE, "config.json", {"revision": "v9"}), "RevisionNotFoundError", "v1, v2"),
        (("download", ONE, "config.json", {"revision": "refs/pr/1"}), "RevisionNotFoundError", "refs/pr/1"),
        (("download", ONE, "tf_model.h5"), "EntryNotFoundError", "tf_model.h5"),
        (("timm", f"{ALL}@depth600-width384"), "RevisionNotFoundError", "depth512-width384"),
        (("api", "create_repo", {"repo_id": "me/mine", "token": "hf_x"}), "HfHubHTTPError", "This hub is read-only"),
    ],
)
def test_a_client_says_what_there_is_instead(client: Driver, step: Any, kind: str, said: str) -> None:
    with pytest.raises(Told) as told:
        client(*step)
    assert kind in told.value.kinds
    assert said in str(told.value)


def test_the_libraries_change_the_head_and_classify_an_image(
    name: str, client: Driver, loaded: list[dict[str, Any]]
) -> None:
    assert len(client("timm", ONE, {"num_classes": 10})["logits"]) == 10
    if "transformers" in VERSIONS[name]:
        found = client("pipeline", NATIVE)
        assert len(found) == 5
        assert "LABEL" not in found[0]["label"]
        assert client("transformers", NATIVE, {"revision": "v1"})["labels"] == ["apple", "aquarium_fish"]


def test_nobody_outside_was_asked(client: Driver, loaded: list[dict[str, Any]]) -> None:
    assert outside(client.home) == []


@pytest.mark.parametrize("name", [NEWEST, *OLDER])
def test_a_users_token_of_the_real_hub_does_no_harm(name: str, zoo: Zoo, tmp_path: Path) -> None:
    with driving(name, tmp_path, zoo.url, HF_TOKEN="hf_" + "a" * 34) as client:
        assert client("snapshot", SMALL)["files"][2] == "model.safetensors"
        with pytest.raises(Told, match="no learngene 'nobody'") as told:
            client("download", "nobody/depth9-width384", "config.json")
        assert "RepositoryNotFoundError" in told.value.kinds
    assert outside(tmp_path) == []
