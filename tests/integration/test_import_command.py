"""`learngenes import`, `export`, `sign` and `verify`, as they are typed; with torch and timm where that is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
from cases import checkpoints
from cases.checkpoints import PLAIN
from cases.signatures import new_key
from safetensors.torch import save_file

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.config import parse
from learngenes.errors import InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.importing.checkpoint import Facts
from learngenes.importing.sources import open_source
from learngenes.job import LearnJob
from learngenes.store.local import LocalStore
from learngenes.training.parent import heads_and_pool

Run = Callable[..., str]
DIGITS = Geometry(2, 64, 2, 4, 8, 10, channels=1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in an empty folder: what it says; it has to end with the status given."""
    monkeypatch.chdir(tmp_path)

    def running(*words: str, status: int = 0) -> str:
        assert main(words) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return running


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "vit.safetensors"
    path.write_bytes(checkpoints.raw())
    return path


def test_a_file_becomes_a_learngene_and_its_own_size_is_the_file(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    words = ("import", "vit.safetensors", "--name", "own", "--store", "zoo", "--mean", "0.1,0.2,0.3", "--std", "1,1,1")
    assert run(*words, "--license", "mit", "--pool", "avg").startswith("published own@1 in zoo: selection of a ViT of ")
    assert run(*words, "--license", "mit", "--pool", "avg").startswith("there already: own@1")
    manifest = Catalog(LocalStore(tmp_path / "zoo")).get("own")
    assert (manifest.normalization.mean, manifest.license, manifest.geometry.pool) == ((0.1, 0.2, 0.3), "mit", "avg")
    run("build", "own", "--store", "zoo", "--out", "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == checkpoint.read_bytes()


def test_an_ancestor_comes_with_the_lines_that_a_config_needs(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    said = run("import", "vit.safetensors", "--name", "teacher", "--as", "ancestor", "--out", "data")
    assert (tmp_path / "data" / "teacher.safetensors").read_bytes() == checkpoint.read_bytes()
    table = tomllib.loads(said.partition("\n\n")[2]) | {"name": "x", "method": "selection"}
    job = parse(table, LearnJob, where="the config")
    assert job.geometry == PLAIN
    (tmp_path / "own.toml").write_text(f'name = "x"\nmethod = "selection"\n{said.partition(chr(10) * 2)[2]}')
    run("learn", "own.toml", "--run", "run", "--data", "data", "--store", "zoo")
    run("build", "x", "--store", "zoo", "--out", "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == checkpoint.read_bytes()


def test_subcloning_measures_on_images_and_says_so_where_there_are_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "digits.safetensors").write_bytes(checkpoints.raw(DIGITS))
    words = (
        "import",
        "digits.safetensors",
        "--name",
        "sub",
        "--method",
        "subcloning",
        "--heads",
        "2",
        "--store",
        "zoo",
    )
    assert "add --train folder:DIR" in run(*words, status=2)
    run(*words, "--train", "digits:train", "--option", "images=32")
    manifest = Catalog(LocalStore(tmp_path / "zoo")).get("sub")
    assert (manifest.method, len(manifest.method_facts["block_scores"])) == ("subcloning", 2)
    assert manifest.ancestor is not None and str(manifest.ancestor["source"]).startswith("digits.safetensors, sha256")
    assert str(tmp_path) not in json.dumps(manifest.training)
    run("build", "sub", "--store", "zoo", "--depth", "1", "--out", "out")


def test_what_only_timm_knows_is_asked_of_timm(tmp_path: Path) -> None:
    assert heads_and_pool("vit_huge_patch14_224", {"depth": 1}) == (16, "token")
    for name, said in (
        ("vit_base_patch16_clip_quickgelu_224", "norm before the blocks|activation"),
        ("vit_base_patch16_siglip_224", "pools by 'map'"),
        ("swin_tiny_patch4_window7_224", "is a SwinTransformer"),
        ("resnet18", "is a ResNet"),
    ):
        with pytest.raises(InvalidValue, match=said):
            heads_and_pool(name, {})
    with pytest.raises(UnknownName, match="did you mean"):
        heads_and_pool("vit_huge_patch14_225", {})
    with pytest.raises(InvalidValue, match="timm can't make"):
        heads_and_pool("vit_tiny_patch16_224", {"depth": "x"})
    model = timm.create_model("vit_tiny_patch16_224", depth=1, img_size=16, num_classes=3, embed_dim=320, num_heads=4)
    config = {"architecture": "vit_little_patch16_reg4_gap_256", "model_args": {"num_heads": 4}}
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config | {"architecture": "vit_pe_core_tiny_patch16_384"}))
    with pytest.raises(InvalidValue):
        open_source(str(tmp_path), Facts(name="x"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"architecture": "vit_huge_patch14_224"}))
    assert open_source(str(tmp_path), Facts(name="x")).facts.heads == 4


def test_a_learngene_is_exported_signed_and_verified(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    private, public = new_key(tmp_path)
    run("import", "vit.safetensors", "--name", "own", "--store", "zoo")
    assert "who made it was not checked" in run("verify", "own", "--store", "zoo")
    assert "is not signed" in run("verify", "own", "--store", "zoo", "--key", str(public), status=2)
    run("sign", "own", "--store", "zoo", "--key", str(private))
    assert "both were signed by key.pub" in run("verify", "own", "--store", "zoo", "--key", str(public))
    run("export", "own@1", "--store", "zoo", "--out", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "learngene.safetensors",
        "manifest.json",
        "model.sig",
    ]
    assert "both were signed" in run("verify", "out", "--key", str(public))
    weights = tmp_path / "out" / "learngene.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    assert "these are not the files that were signed" in run("verify", "out", "--key", str(public), status=2)
    assert "the manifest says" in run("verify", "out", status=2)
    run("sign", "out", "--key", str(private), status=2)  # not what the manifest says either
    blob = next((tmp_path / "zoo" / "blobs" / "sha256").iterdir())
    blob.write_bytes(raw)
    assert run("verify", "own", "--store", "zoo", status=2).count("\n") == 1
    assert "say which store" in run("sign", "own", "--key", str(private), status=2)


def test_taken_back_versions_are_refused_by_commands_too(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    run("import", "vit.safetensors", "--name", "own", "--store", "zoo")
    Catalog(LocalStore(tmp_path / "zoo")).yank("own@1", "a wrong label")
    for words in (("build", "own@1", "--out", "out"), ("plan", "own"), ("export", "own", "--out", "out")):
        assert "learngene own@1 was taken back: a wrong label" in run(*words, "--store", "zoo", status=2)
    run("build", "own", "--out", "out", "--store", "zoo", "--allow-yanked")
    run("verify", "own", "--store", "zoo")


def test_importing_a_file_needs_no_torch(checkpoint: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from learngenes.__main__ import main; "
        "main(['import', 'vit.safetensors', '--name', 'own', '--store', 'zoo']); "
        "print(sorted({'torch', 'timm', 'huggingface_hub', 'model_signing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_values_are_the_checkpoints_own(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    run(
        "import",
        "vit.safetensors",
        "--name",
        "last",
        "--method",
        "vanilla_lg",
        "--option",
        "blocks=1",
        "--store",
        "zoo",
    )
    catalog = Catalog(LocalStore(tmp_path / "zoo"))
    file = catalog.open(catalog.get("last"))
    values = checkpoints.values(PLAIN)
    assert all(np.array_equal(file.array(name), values[name]) for name in file.tensors)
