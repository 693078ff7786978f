"""Fine-tune a descendant for one epoch with plain torch and timm, beside the same network from scratch.

    python docs/examples/finetune.py                # a service at http://127.0.0.1:8000 (make serve)

The task is scikit-learn's handwritten digits: 16 pixels, one channel, ten classes. The learngene saw 32 pixels, three
channels and a hundred classes, and the service bridges all three: position embeddings are resized, the channels of the
patch embedding summed, the head is fresh.

Needs: pip install './client[timm]' scikit-learn
"""

from __future__ import annotations

import argparse
import os

import timm
import torch
from learngenes_client import Client
from sklearn.datasets import load_digits
from torch.nn import functional as F

SIDE, CLASSES, BATCH = 16, 10, 32


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images (n, 1, 16, 16) from -1 to 1 and their digits, to train on and to test with."""
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
    images = F.interpolate(images, size=SIDE, mode="bilinear")
    labels = torch.tensor(labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    test, train = order[:360], order[360:]
    return images[train], labels[train], images[test], labels[test]


def tune(network: torch.nn.Module, *, learning_rate: float) -> float:
    """Accuracy after one epoch."""
    images, labels, test_images, test_labels = digits()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    network.train()
    for batch in order.split(BATCH):
        loss = F.cross_entropy(network(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        return (network(test_images).argmax(1) == test_labels).float().mean().item()


def main() -> None:
    """Print both accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("LEARNGENES_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    options = parser.parse_args()

    with Client(options.url) as client:
        model = client.fetch_model(
            depth=options.depth, width=options.width, img_size=SIDE, in_chans=1, num_classes=CLASSES
        )
    learned = model.to_timm()
    torch.manual_seed(0)
    scratch = timm.create_model(model.config["architecture"], num_classes=CLASSES, **model.config["model_args"])

    size = f"depth {options.depth}, width {options.width}"
    print(f"{model.document.learngene}, {size}: {model.document.params:,} parameters")
    for name, network in (("learngene", learned), ("scratch", scratch)):
        accuracy = tune(network, learning_rate=options.learning_rate)
        print(f"{name:9}  {accuracy:.1%} of 360 test images after one epoch")


if __name__ == "__main__":
    main()
