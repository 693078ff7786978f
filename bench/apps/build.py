"""A descendant built by torch for every request: `python -m bench.apps.build <port> <data folder>`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import timm
import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file, save
from starlette.responses import Response

from learngenes.catalog import Catalog
from learngenes.families import vit
from learngenes.initialize import Request, initialize
from learngenes.sources import Stored
from learngenes.store.local import LocalStore


class Asked(BaseModel):
    """Body of POST /initialize."""

    learngene: str
    depth: int


def create_app(data: Path) -> FastAPI:
    """POST /initialize as one writes it with timm; /initialize/meta leaves out the random initialization of timm.

    Learngenes are read once and kept as torch tensors: a request pays for building and saving alone.
    """
    app = FastAPI()
    catalog = Catalog(LocalStore(data / "store"), variants=data / "variants")
    tensors = {
        name: load_file(data / "store/blobs/sha256" / catalog.get(name).weights.sha256) for name in catalog.names()
    }

    def build(asked: Asked, device: Literal["cpu", "meta"]) -> Response:
        recipe = initialize(catalog.get(asked.learngene), Request(depth=asked.depth))
        geometry, stored = recipe.geometry, tensors[asked.learngene]
        assert isinstance(geometry, vit.Geometry)
        state = {e.name: stored[e.source.name] for e in recipe.entries if isinstance(e.source, Stored)}
        with torch.device(device):
            model = timm.create_model(
                vit.timm_architecture(geometry),
                num_classes=geometry.classes,
                **vit.timm_arguments(geometry),
            )
        if device == "meta":
            # Repeated blocks share storage here, which safetensors refuses: every tensor gets its own.
            state = {name: tensor.clone() for name, tensor in state.items()}
        model.load_state_dict(state, assign=device == "meta")
        return Response(save(model.state_dict()), media_type="application/vnd.safetensors")

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    @app.post("/initialize")
    def post_initialize(asked: Asked) -> Response:
        """create_model, load_state_dict, save, send."""
        return build(asked, "cpu")

    @app.post("/initialize/meta")
    def post_initialize_meta(asked: Asked) -> Response:
        """The same without drawing random weights first."""
        return build(asked, "meta")

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[2])), port=int(sys.argv[1]), log_level="warning", access_log=False)
