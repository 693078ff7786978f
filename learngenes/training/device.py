"""Where a run computes: one process, or one of several under torchrun, and on which device."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from learngenes.training.resident import Batches


@dataclass(frozen=True, slots=True)
class Place:
    """rank: of this process among `world`; device: cuda when there is one, else cpu."""

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process reports and saves."""
        return self.rank == 0

    def total(self, values: list[float]) -> list[float]:
        """Sums over all ranks; every rank has to call it."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        summed: list[float] = tensor.tolist()
        return summed

    def align(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every rank the values of the first; every rank has to call it."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


def by_itself(index: int = 0) -> Place:
    """This process alone, on the GPU of this number (of so many as there are) or else on the CPU."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Place(0, 1, torch.device("cuda", index % gpus) if gpus else torch.device("cpu"))


@contextmanager
def joined(*, alone: bool = False) -> Iterator[Place]:
    """This process's place; inside torchrun (which sets WORLD_SIZE) the ranks are connected meanwhile.

    alone: this process computes by itself, whatever the others do.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        torch.cuda.init()  # type: ignore[no-untyped-call]  # what augment.seed_process sets from now on
    if world == 1 or alone:
        yield Place(0, 1, device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(rank, world, device)
    finally:
        dist.destroy_process_group()


def loaded(
    batches: Batches, indices: range, *, workers: int, place: Place
) -> Iterator[tuple[int, tuple[torch.Tensor, torch.Tensor]]]:
    """(index, batch on the device) for each index, prepared by the workers.

    Images that lie in memory are kept on a GPU if they leave room there; then there is nothing for workers to do.
    """
    cuda = place.device.type == "cuda"
    if batches.settle(place.device) and (cuda or not workers):
        for index in indices:
            yield index, batches[index]
        return
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(
        batches, batch_size=None, sampler=indices, num_workers=workers, pin_memory=cuda
    )
    for index, (pixels, labels) in zip(indices, loader, strict=True):
        yield index, (pixels.to(place.device, non_blocking=cuda), labels.to(place.device, non_blocking=cuda))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 where torch holds it safe, or float32 throughout."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def hardware(place: Place) -> str:
    """One line for the record: processes, device, cores or GPU."""
    if place.device.type == "cuda":
        return f"{place.world} x {torch.cuda.get_device_name(place.device)}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
        name = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name)
    return f"{place.world} x {torch.get_num_threads()} threads of {name}"
