from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import learngenes_client
import pytest
from learngenes_client import errors
from learngenes_client.errors import BadAnswer, ClientError, MissingPackage, NotInTimm
from learngenes_client.model import Model
from learngenes_client.models import document_from
from unit.client.misbehaving import WEIGHTS, document

DOCUMENT = document_from(document(WEIGHTS))

SMALL = {
    "architecture": "vit_tiny_patch16_224",
    "num_classes": 3,
    "model_args": {
        "depth": 2,
        "embed_dim": 64,
        "num_heads": 1,
        "img_size": 32,
        "class_token": False,
        "global_pool": "avg",
        "fc_norm": False,
    },
}


def model_at(folder: Path, config: object) -> Model:
    (folder / "config.json").write_text(json.dumps(config))
    return Model(folder / "model.safetensors", DOCUMENT)


@pytest.mark.slow
def test_to_timm_gives_the_network_whose_weights_were_saved(tmp_path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    saved = timm.create_model(SMALL["architecture"], num_classes=SMALL["num_classes"], **SMALL["model_args"]).eval()
    model = model_at(tmp_path, SMALL)
    save_file(saved.state_dict(), model.path)

    network = model.to_timm()
    image = torch.rand(1, 3, 32, 32)
    assert not network.training
    assert torch.equal(network(image), saved(image))
    assert model.state_dict().keys() == saved.state_dict().keys()

    short = {name: tensor for name, tensor in saved.state_dict().items() if name != "norm.weight"}
    save_file(short, model.path)
    with pytest.raises(RuntimeError, match=r"norm\.weight"):
        model.to_timm()


@pytest.mark.parametrize("config", [[], {}, {"architecture": None}])
def test_a_config_without_an_architecture_is_a_bad_answer(tmp_path: Path, config: object) -> None:
    with pytest.raises(BadAnswer, match=r"config\.json"):
        model_at(tmp_path, config).to_timm()


def test_a_network_that_timm_does_not_know_names_its_loader(tmp_path: Path) -> None:
    model = model_at(tmp_path, {"num_classes": 3, "learngenes": {"family": "stitched", "geometry": {}}})
    with pytest.raises(NotInTimm, match=r"'stitched'.*learngenes\.training\.loaders\.load_model"):
        model.to_timm()


@pytest.mark.parametrize(("package", "call"), [("timm", Model.to_timm), ("safetensors", Model.state_dict)])
def test_a_missing_package_names_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, call: object
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # import then fails as if it were not installed
    with pytest.raises(MissingPackage, match=rf"{package}: pip install 'learngenes-client\[timm\]'"):
        call(model_at(tmp_path, SMALL))  # type: ignore[operator]


def test_a_file_that_is_not_offered_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer, match=r"offers no recipe\.json"):
        DOCUMENT.file("recipe.json")


def test_importing_the_client_imports_nothing_heavy() -> None:
    heavy = ["httpx", "stamina", "torch", "timm", "numpy", "safetensors", "tqdm", "learngenes", "shtab"]
    program = f"import sys, learngenes_client.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_is_exported_and_drawn_in_the_tree() -> None:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)]
    assert len(found) > 10
    for kind in found:
        assert kind.__name__ in learngenes_client.__all__
        assert kind.__name__ in (errors.__doc__ or "")


def test_all_is_complete() -> None:
    assert all(hasattr(learngenes_client, name) for name in learngenes_client.__all__)
    assert learngenes_client.__all__ == sorted(learngenes_client.__all__)
