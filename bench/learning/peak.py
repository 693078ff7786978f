"""What a device could compute at most, and how much of that a training step takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from bench.learning.cases import Case
from learngenes.families.vit import macs

BY_NAME = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Floating-point operations a second in dense bfloat16, by what the name of a GPU holds; NVIDIA's data sheets."""
SIDES = {"cuda": 8192, "cpu": 2048}
TRIES = 5


@dataclass(frozen=True, slots=True)
class Peak:
    """Floating-point operations a second, and where the number is from."""

    flops: float
    source: str


def peak(device: torch.device, precision: str) -> Peak:
    """Of a GPU we know by name and bfloat16 the data sheet's; else what a large product of matrices reaches."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    known = next((flops for part, flops in BY_NAME.items() if part in name), None)
    if known is not None and precision == "bfloat16":
        return Peak(known, f"{known / 1e12:.0f} TFLOP/s in dense bfloat16, by the data sheet of {name}")
    side, dtype = SIDES[device.type], getattr(torch, precision)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    flops = 2 * side**3 / min(_seconds(a, b) for _ in range(TRIES))
    return Peak(flops, f"{flops / 1e9:.0f} GFLOP/s in {precision}, measured by products of {side} x {side}")


def step_flops(case: Case) -> int:
    """Of one step, by multiply-adds of the layers alone: a backward pass is two forward passes, a teacher is one."""
    taught = 0 if case.teacher is None else macs(case.teacher)
    return 2 * case.batch * (3 * macs(case.geometry) + taught)


def now(device: torch.device) -> float:
    """Seconds to measure with: of this process on a processor, whoever else wants it; of the clock on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    began = now(a.device)
    a @ b
    return now(a.device) - began
