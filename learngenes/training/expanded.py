"""A ViT whose tensors are made anew each forward pass from fewer parameters. TLEG and WAVE learn in this form."""

# B batch, C channels, H height, W width, K classes

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from learngenes.families.vit import Geometry, shapes
from learngenes.job import FloatArray
from learngenes.training.vit import arrays, network


class Expanded(nn.Module):
    """timm's VisionTransformer of a geometry without parameters of its own: subclasses make them in `tensors`.

    `parameters()`, checkpoints, averages of weights and DDP see what the subclass holds and nothing else. It may hold
    it in TensorTrees or as parameters of its own.
    skeleton: the timm network; its places for parameters are empty outside of forward.
    """

    def __init__(self, geometry: Geometry, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.geometry = geometry
        self.skeleton = _emptied(geometry, drop_path=drop_path)
        # What timm.task, timm.data and vit.describe_input look for in a timm model.
        self.num_classes, self.in_chans = geometry.classes, geometry.channels
        self.pretrained_cfg: dict[str, Any] = dict(self.skeleton.pretrained_cfg)  # type: ignore[arg-type]

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of families.vit.shapes(geometry), by timm's name and of that shape; differentiable, float32."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K). Under autocast the tensors are made in float32 all the same, as they are when exported."""
        with torch.autocast(x_BCHW.device.type, enabled=False):
            tensors = self.tensors()
        logits_BK: Tensor = functional_call(self.skeleton, tensors, (x_BCHW,))
        return logits_BK

    def arrays(self) -> dict[str, FloatArray]:
        """The tensors of the plain network that this one computes, as numpy arrays."""
        with torch.no_grad():
            tensors = self.tensors()
        expected, made = shapes(self.geometry), {name: tuple(value.shape) for name, value in tensors.items()}
        assert made == expected, sorted(made.items() ^ expected.items())[0]
        return arrays(tensors)

    def no_weight_decay(self) -> set[str]:
        """Parameters that timm's optimizer spares, beside those of one dimension and those named `*.bias`.

        Here the embeddings, as in timm's own ViT. A subclass that holds several biases or norms in one tensor adds it.
        """
        return {name for name, _ in self.named_parameters() if name.rpartition(".")[2] in ("pos_embed", "cls_token")}


class TensorTree(nn.Module):
    """Parameters under dotted names, such as `attn.qkv.weight`, which nn.ParameterDict does not take.

    They appear in named_parameters as `<attribute>.attn.qkv.weight`. requires_grad: False freezes them.
    """

    def __init__(self, tensors: Mapping[str, Tensor], *, requires_grad: bool = True) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            at: nn.Module = self
            for part in path:
                if part not in at._modules:
                    at.add_module(part, nn.Module())
                at = at.get_submodule(part)
            at.register_parameter(last, nn.Parameter(tensor.detach().clone(), requires_grad=requires_grad))

    def __getitem__(self, name: str) -> Tensor:
        return self.get_parameter(name)

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by the names they were given."""
        return dict(self.named_parameters())


def _emptied(geometry: Geometry, *, drop_path: float) -> nn.Module:
    """The network with no parameters, which takes neither memory nor a random draw."""
    with torch.device("meta"):
        model = network(geometry, drop_path=drop_path)
    for module in model.modules():
        for name in module._parameters:
            module._parameters[name] = None
    assert not list(model.buffers())
    return model
