"""What the InferenceService runs: transformers on the pulled folder, behind KServe's V1 protocol.

    python docs/examples/kserve/predictor.py /mnt/models depth6-width192 --port 8080

POST /v1/models/<name>:predict {"instances": [{"b64": "<an image file>"}, ...]} answers
{"predictions": [{"label": ..., "score": ...}, ...]}. GET /v1/models/<name> says that it is ready.

Needs: pip install torch transformers pillow
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

LARGEST_BODY_BYTES = 32 << 20


class Predictor:
    """A checkpoint and how its images are prepared."""

    def __init__(self, folder: str) -> None:
        self.model = AutoModelForImageClassification.from_pretrained(folder).eval()
        self.processor = AutoImageProcessor.from_pretrained(folder)

    def predict(self, instances: list[dict[str, str]]) -> list[dict[str, Any]]:
        """The most likely class of every image."""
        files = [io.BytesIO(base64.b64decode(instance["b64"], validate=True)) for instance in instances]
        images = [Image.open(file).convert("RGB") for file in files]
        with torch.inference_mode():
            scores = self.model(**self.processor(images, return_tensors="pt")).logits.softmax(-1)
        best = scores.max(-1)
        names = self.model.config.id2label
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [{"label": names[label], "score": score} for label, score in pairs]


def main() -> None:
    """Serve until the container is stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where the storage initializer put the model")
    parser.add_argument("name", help="of the model, in the addresses")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104  a container
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes a free one")
    chosen = parser.parse_args()
    predictor = Predictor(chosen.folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/v1/models/{chosen.name}"
            self.answer(200 if known else 404, {"name": chosen.name, "ready": True} if known else {"error": "not here"})

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            if self.path != f"/v1/models/{chosen.name}:predict":
                return self.answer(404, {"error": "not here"})
            if length > LARGEST_BODY_BYTES:
                return self.answer(413, {"error": f"{length} bytes are too many; at most {LARGEST_BODY_BYTES}"})
            try:
                said = predictor.predict(json.loads(self.rfile.read(length))["instances"])
            except (ValueError, KeyError, TypeError, OSError) as error:
                return self.answer(400, {"error": f'{{"instances": [{{"b64": ...}}]}} was expected: {error}'})
            self.answer(200, {"predictions": said})

        def answer(self, status: int, value: dict[str, Any]) -> None:
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = HTTPServer((chosen.host, chosen.port), Handler)
    print(f"ready on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
