"""A descendant as an ONNX file: onnxruntime's logits are torch's, at any batch size, or there is no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from learngenes_client import Client, OnnxDiffers, cli

SIZE = {"depth": 2, "width": 64}


@pytest.mark.parametrize("keys", ["timm", "transformers"])
def test_the_file_gives_torchs_logits_for_any_number_of_images(zoo: str, tmp_path: Path, keys: Any) -> None:
    with Client(zoo, cache=tmp_path / "cache", local=False) as client:
        model = client.fetch_model(**SIZE, keys=keys)
    made = model.to_onnx(tmp_path / "model.onnx")
    assert (made.path, made.opset, made.bytes) == (tmp_path / "model.onnx", 20, made.path.stat().st_size)
    assert 0 <= made.largest_difference < 1e-5 < made.largest_logit

    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = model.to_timm()(images) if keys == "timm" else model.to_transformers()(images).logits
    (found,) = session.run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
    about = {entry.key: entry.value for entry in onnx.load(made.path).metadata_props}
    assert about["learngenes.id"] == model.document.id
    assert json.loads(about["config"]) == model.config

    if keys == "timm":
        made.path.write_bytes(b"of yesterday")
        with pytest.raises(OnnxDiffers, match="more than a tolerance of -1 allows"):
            model.to_onnx(made.path, tolerance=-1)
        assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["model.onnx"]
        assert made.path.read_bytes() == b"of yesterday"


def test_the_command_says_how_far_the_logits_are_from_torchs(
    zoo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    words = ["export-onnx", "--url", zoo, "--cache", str(tmp_path / "cache"), "--depth", "1", "--width", "64"]
    assert cli.main([*words, "--to", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["path"], said["bytes"], said["opset"]) == (str(out), out.stat().st_size, 20)
    assert said["largest_difference"] < 1e-5
    assert cli.main([*words, "--to", str(tmp_path / "nowhere" / "model.onnx")]) == 2
    assert "--to names a file in a folder that exists" in capsys.readouterr().err
