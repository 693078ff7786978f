"""The loop to compare with: a timm network, AdamW, a loss and autocast over batches that are ready on the device.

It evaluates nothing, says nothing, saves nothing, varies no image and schedules no rate.
"""

# B batch, C channels, H height, W width, K classes

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from torch import Tensor, nn

from bench.learning.cases import CLASSES, Case
from learngenes.training import vit

READY = 8
"""Batches that the loop goes round: as many as fit in no cache."""


def network(case: Case) -> nn.Module:
    """The network of a case with the attention it asks for."""
    model = vit.auxiliary(case.geometry, case.stages) if case.stages else vit.network(case.geometry)
    vit.choose_attention(model, fused=case.fused)
    return model


def teacher(case: Case) -> nn.Module | None:
    """The teacher of a case, ready to be asked."""
    if case.teacher is None:
        return None
    model = vit.network(case.teacher).eval().requires_grad_(requires_grad=False)
    vit.choose_attention(model, fused=case.fused)
    return model


def loop(case: Case, device: torch.device) -> Callable[[], None]:
    """A function that does one step on the next batch."""
    model = network(case).to(device).train()
    taught = teacher(case)
    asked = None if taught is None else taught.to(device)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-4, weight_decay=0.05, fused=True)
    batches = cycle(_batches(case, device))

    def step() -> None:
        x_BCHW, labels_B = next(batches)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=case.precision == "bfloat16"):
            logits_BK = model(x_BCHW)
            if asked is None:
                loss = F.cross_entropy(logits_BK, labels_B)
            else:
                with torch.no_grad():
                    wanted_BK = asked(x_BCHW)
                wanted_BK, own_BK = (F.log_softmax(logits, dim=-1) for logits in (wanted_BK, logits_BK))
                loss = F.kl_div(own_BK, wanted_BK, reduction="batchmean", log_target=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def _batches(case: Case, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    side = case.geometry.image
    draw = torch.Generator().manual_seed(0)
    # Channels last, as ours come: the blocks then see contiguous tokens, which on a CPU saves a twentieth of a step.
    shape, layout = (case.batch, 3, side, side), torch.channels_last
    images = [torch.randn(shape, generator=draw).to(device, memory_format=layout) for _ in range(READY)]
    return [(x, torch.randint(CLASSES, (case.batch,), generator=draw).to(device)) for x in images]
