"""Where the zoo can be reached: put a descendant into a folder that can be carried to where it can't.

    python docs/examples/airgapped/fetch.py /media/stick/descendant --depth 6 --width 192

Needs: pip install ./client
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
from pathlib import Path

from learngenes_client import Client


def main() -> None:
    """Fetch, copy, and write down what was copied."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default=os.environ.get("LEARNGENES_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    options = parser.parse_args()

    with Client(options.url) as client:
        model = client.fetch_model(depth=options.depth, width=options.width)
    options.folder.mkdir(parents=True, exist_ok=True)
    sums = []
    for name in ("model.safetensors", "config.json"):
        copy = Path(shutil.copyfile(model.path.parent / name, options.folder / name))
        sums.append(f"{hashlib.sha256(copy.read_bytes()).hexdigest()}  {name}\n")
    (options.folder / "SHA256SUMS").write_text("".join(sums))
    print(f"{model.document.learngene}, descendant {model.document.id}: carry {options.folder}")


if __name__ == "__main__":
    main()
