"""How much of the machine a run takes, for its events."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch


def usage(device: torch.device) -> dict[str, int]:
    """memory_bytes that this process holds; on CUDA gpu_memory_bytes it holds there, and gpu_utilization in percent.

    The utilization is that of the whole GPU, over the last second or less. What can't be asked is left out: the
    utilization needs nvidia-ml-py (extra `gpu`), the memory Linux.
    """
    found = {}
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        found["memory_bytes"] = pages * os.sysconf("SC_PAGE_SIZE")
    if device.type == "cuda":
        found["gpu_memory_bytes"] = torch.cuda.memory_reserved(device)
        # No nvidia-ml-py, no driver that answers it, a part of a GPU that counts nothing: NVML has errors of its own.
        with contextlib.suppress(Exception):
            found["gpu_utilization"] = int(torch.cuda.utilization(device))
    return found
