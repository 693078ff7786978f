"""Does with the libraries that are installed what it is told, line by line, as a user's own program would do it.

A line of stdin is a JSON list: a step and its arguments; the answer is a line of JSON on stdout.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def versions(*names: str) -> dict[str, str]:
    return {name: importlib.import_module(name).__version__ for name in names}


def timm(address: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    import timm

    model = timm.create_model(f"hf-hub:{address}", pretrained=True, **(arguments or {}))
    return _looked_at(model, labels=(model.pretrained_cfg["label_names"] or [])[:2])


def transformers(address: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    from transformers import AutoModelForImageClassification

    model, report = AutoModelForImageClassification.from_pretrained(
        address, output_loading_info=True, **(arguments or {})
    )
    faults = {name: sorted(map(str, found)) for name, found in report.items() if found}
    return _looked_at(model, labels=[model.config.id2label[0], model.config.id2label[1]]) | {"faults": faults}


def pipeline(address: str) -> list[dict[str, Any]]:
    from PIL import Image
    from transformers import pipeline

    return list(pipeline("image-classification", model=address)(Image.new("RGB", (40, 40), (90, 120, 30))))


def api(name: str, arguments: dict[str, Any]) -> Any:
    from huggingface_hub import HfApi

    return _plain(getattr(HfApi(), name)(**arguments))


def download(address: str, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(address, name, **(arguments or {})))
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def snapshot(address: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    from huggingface_hub import snapshot_download

    path = Path(snapshot_download(address, **(arguments or {})))
    return {"path": str(path), "files": sorted(file.name for file in path.iterdir())}


def card(address: str) -> dict[str, Any]:
    from huggingface_hub import ModelCard

    return ModelCard.load(address).data.to_dict()


def folder(address: str) -> list[str]:
    from huggingface_hub import HfFileSystem

    return sorted(HfFileSystem().ls(address, detail=False))


def _looked_at(model: Any, *, labels: list[str]) -> dict[str, Any]:
    import torch

    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    with torch.no_grad():
        out = model.eval()(image)
    logits = getattr(out, "logits", out)
    return {"class": type(model).__name__, "logits": logits[0].tolist(), "labels": labels}


def _plain(value: Any) -> Any:
    if isinstance(value, Iterator | list | tuple):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name, None)) for field in dataclasses.fields(value)}
    return (
        value if isinstance(value, dict | str | int | float | bool | None) else getattr(value, "__dict__", str(value))
    )


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        step, *arguments = json.loads(line)
        try:
            answer = {"answer": globals()[step](*arguments)}
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            answer = {"error": str(error), "kinds": kinds}
        print(json.dumps(answer, default=str), file=answers)


if __name__ == "__main__":
    main()
