"""Where there is no network: load the folder that was carried here, with timm alone, and use it.

    python docs/examples/airgapped/load.py /media/stick/descendant

No torch.hub, no hub of any kind: `local-dir:` is timm's own word for a folder with a config.json beside the weights.

Needs: pip install timm safetensors
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Check the digests, load, and ask the network for the class of an image."""
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"{name} was damaged on the way: fetch it again")

    import timm  # these take seconds, which a damaged folder need not wait for
    import torch

    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = network.pretrained_cfg
    image = torch.rand(1, *config["input_size"], generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    with torch.inference_mode():
        chances = network((image - mean) / std).softmax(1)[0]
    best = int(chances.argmax())
    parameters = sum(tensor.numel() for tensor in network.parameters())
    print(f"{parameters:,} parameters; noise looks like a {config['label_names'][best]} ({chances[best]:.0%})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
